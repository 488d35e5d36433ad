"""What people paste of a node's CNI: one file, and a long list of the plugins' folder."""

from __future__ import annotations

import pytest

from checks.catalog import get
from checks.offline import Given, gather
from checks.params import read_all
from checks.results import Reason, Verdict

CONF = """{
  "name": "cbr0",
  "cniVersion": "0.3.1",
  "plugins": [{"type": "flannel", "delegate": {"isDefaultGateway": true}}, {"type": "portmap"}]
}
"""
FOLDER = """total 51516
-rwxr-xr-x 1 root root  3254624 Sep  9  2020 bridge
-rwxr-xr-x. 1 root root 13687762 Sep  9 12:20 flannel
lrwxrwxrwx 1 root root        21 Sep  9  2020 portmap -> /usr/lib/cni/portmap
"""
PROMPT = "[root@node-1 ~]# "


@pytest.mark.parametrize(("folder", "verdict"), [
    (FOLDER, Verdict.OK),
    (FOLDER.replace("-rwxr-xr-x. 1", "-rw-r--r--. 1"), Verdict.CRIT),
    (FOLDER.replace("flannel\n", "vlan\n"), Verdict.CRIT),
], ids=["all there", "one that cannot be run", "one missing"])  # fmt: skip
def test_it_reads_the_folder_of_plugins_between_two_prompts(folder: str, verdict: Verdict) -> None:
    text = f"{PROMPT}cat /etc/cni/net.d/10-flannel.conflist\n{CONF}{PROMPT}ls -l /opt/cni/bin/\n{folder}"
    probe = get("cni.config")

    def judge(paste: str) -> tuple[Verdict, Reason | None]:
        found = probe.evaluate(gather(probe, [Given("", "paste", paste.encode())]).sections, read_all(probe.params, {}))
        return found.verdict, found.reason

    assert judge(f"{text}{PROMPT}\n")[0] == verdict
    for end in range(2, 6):  # a file that is cut off is not a broken one
        cut = "".join(text.splitlines(keepends=True)[:end])
        assert judge(cut)[0] == Verdict.UNKNOWN
    assert judge(text) == (Verdict.UNKNOWN, Reason.MISSING), "more plugins may follow"
