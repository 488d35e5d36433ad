"""Control groups as people paste them: prompts, several commands, single files, one sample. No damage of the paste gives ok."""

from __future__ import annotations

from typing import Any

import pytest

from checks.catalog import get
from checks.offline import Given, gather
from checks.params import read_all
from checks.results import ProbeResult, Reason, Verdict

CGROUPS = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t301\t1\nmemory\t7\t13302\t1\npids\t6\t302\t1\n"
DYING = f"""root@node-7:~# uname -r
4.15.0-112-generic
root@node-7:~# cat /proc/cgroups
{CGROUPS}root@node-7:~# find /sys/fs/cgroup/memory -type d | wc -l
301
"""
HYBRID = """tmpfs on /sys/fs/cgroup type tmpfs (ro,nosuid,nodev,noexec,mode=755)
cgroup2 on /sys/fs/cgroup/unified type cgroup2 (rw,nosuid,nodev,noexec,relatime)
cgroup on /sys/fs/cgroup/systemd type cgroup (rw,nosuid,nodev,noexec,relatime,xattr,name=systemd)
cgroup on /sys/fs/cgroup/memory type cgroup (rw,nosuid,nodev,noexec,relatime,memory)
cgroup on /sys/fs/cgroup/cpu,cpuacct type cgroup (rw,nosuid,nodev,noexec,relatime,cpu,cpuacct)
"""
BOOT = "BOOT_IMAGE=/vmlinuz-4.19.0 root=UUID=1 ro quiet\n"


def judge(probe_id: str, *texts: str, **params: Any) -> ProbeResult:
    probe = get(probe_id)
    given = gather(probe, [Given("", f"paste-{n}", text.encode()) for n, text in enumerate(texts)])
    return probe.evaluate(given.sections, read_all(probe.params, params))


def told(result: ProbeResult) -> tuple[str, str]:
    return str(result.verdict), next(found.rule for found in result.findings if found.verdict == result.verdict)


@pytest.mark.parametrize("change", [
    lambda text: text,
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("root@node-7:~#", "$"),
    lambda text: text.replace("root@node-7:~#", "#"),
    lambda text: text.replace("root@node-7:~#", "[root@node-7 ~]#"),
    lambda text: text.replace("\t", "      "),
    lambda text: "```console\n" + text + "```\n",
    lambda text: "".join(f"    {line}" for line in text.splitlines(keepends=True)),
    lambda text: text.replace("cat /proc/cgroups", "cat /proc/cgroups | grep memory").replace("cpu\t3\t301\t1\n", ""),
])  # fmt: skip
def test_it_counts_dying_memory_cgroups_in_a_session(change: Any) -> None:
    result = judge("cgroup.memcg_dying", change(DYING))
    assert told(result) == ("crit", "dying")
    assert result.facts["memcg_dying"] == 13001


def test_it_does_not_count_a_branch_for_the_tree() -> None:
    branch = DYING.replace("cgroup/memory -type", "cgroup/memory/kubepods -type")
    assert told(judge("cgroup.memcg_dying", branch)) == ("unknown", "dying")
    stat = "$ cat /sys/fs/cgroup/kubepods.slice/cgroup.stat\nnr_descendants 9\nnr_dying_descendants 0\n"
    assert judge("cgroup.memcg_dying", stat).reason == Reason.MISSING


def test_it_tells_every_damage_of_the_session_from_health() -> None:
    for end in range(len(DYING)):
        assert judge("cgroup.memcg_dying", DYING[:end]).verdict in (Verdict.CRIT, Verdict.UNKNOWN), DYING[:end]


@pytest.mark.parametrize("text", [
    f"# mount | grep cgroup\n{HYBRID}# cat /proc/cmdline\n{BOOT}",
    f"$ cat /proc/cmdline\n{BOOT}$ mount | grep cgroup\n{HYBRID}",
    HYBRID + CGROUPS + "0::/init.scope\n" + BOOT,
    "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n" + BOOT,
    "31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 c rw\n42 30 0:38 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    + BOOT,
])  # fmt: skip
def test_it_tells_the_layout_from_mounts_in_any_form(text: str) -> None:
    result = judge("cgroup.mode", text)
    assert told(result) == ("ok", "controller")
    assert result.facts["mode"] == "hybrid"


def test_it_names_what_the_mounts_alone_do_not_tell() -> None:
    result = judge("cgroup.mode", HYBRID)
    assert told(result) == ("unknown", "unified_ignored")
    assert "hybrid: the memory controller is in force on cgroup v1 at /sys/fs/cgroup/memory" in result.finding
    asked = judge(
        "cgroup.mode", f"# mount | grep cgroup\n{HYBRID}# cat /proc/cmdline\n{BOOT[:-1]} systemd.unified_cgroup_hierarchy=1\n"
    )
    assert told(asked) == ("crit", "unified_ignored")


def test_it_wants_the_controllers_of_cgroup_v2() -> None:
    mount = "$ mount -t cgroup2\ncgroup2 on /sys/fs/cgroup type cgroup2 (rw,nsdelegate)\n$ uname -r\n6.1.0-18-amd64\n"
    assert told(judge("cgroup.mode", mount)) == ("unknown", "evidence")
    controllers = "$ cat /sys/fs/cgroup/cgroup.controllers\ncpuset cpu io {}pids\n"
    assert told(judge("cgroup.mode", mount + controllers.format("memory "))) == ("ok", "controller")
    assert told(judge("cgroup.mode", mount + controllers.format(""))) == ("crit", "controller")
