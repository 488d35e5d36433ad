"""What people paste of ipvs and of tracked flows: with prompts, grepped, several tables, what the tool says instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.catalog import get
from checks.offline import Given, gather
from checks.results import ProbeResult, Reason, Verdict

PROMPT = "[root@node-1 ~]# "
TABLE = """IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.96.0.1:443 rr
  -> 192.0.2.11:6443              Masq    1      4          0
"""


def pasted(asked: str, text: str) -> ProbeResult:
    found = gather(get(asked), [Given("", "paste.txt", text.encode())])
    return get(asked).evaluate(found.sections, {})


def test_it_believes_a_table_that_two_prompts_enclose() -> None:
    assert pasted("ipvs.state", f"{PROMPT}ipvsadm -Ln\n{TABLE}{PROMPT}\n").verdict is Verdict.OK
    for cut in (TABLE, f"{PROMPT}ipvsadm -Ln\n{TABLE}", f"{PROMPT}ipvsadm -Ln | head\n{TABLE}{PROMPT}\n"):
        result = pasted("ipvs.state", cut)
        assert (result.verdict, result.reason) == (Verdict.UNKNOWN, Reason.TRUNCATED)


def test_it_reads_lines_that_were_grepped_out_of_the_table() -> None:
    rows = "TCP  10.96.7.1:80 rr\n  -> 10.244.1.5:8080              Masq    0      0          0\nTCP  10.96.7.2:80 rr\n"
    result = pasted("ipvs.state", f"$ ipvsadm -Ln | grep -A1 10.96.7\n{rows}")
    assert [(found.rule, found.verdict, found.evidence[0].line) for found in result.findings if found.rule == "servers"] == [
        ("servers", Verdict.WARN, 1)
    ]


def test_it_asks_which_of_several_tables_counts() -> None:
    result = pasted("ipvs.state", f">>> 192.0.2.21\n{TABLE}>>> 192.0.2.22\n{TABLE}")
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, Reason.UNPARSED)
    assert "2 tables" in result.finding
    assert result.findings[0].evidence[0].line == 8


@pytest.mark.parametrize(
    "text",
    [
        "Can't initialize ipvs: No such file or directory\nAre you sure that IP Virtual Server is built in the kernel?\n",
        "cat: /proc/net/ip_vs: No such file or directory\n",
    ],
)
def test_it_takes_a_kernel_without_ipvs_for_one_that_does_not_use_it(text: str) -> None:
    assert pasted("ipvs.state", text).verdict is Verdict.SKIPPED


OLD_TOOL = """iptables v1.8.4 (legacy): can't initialize iptables table `nat': Permission denied (you must be root)
Perhaps iptables or your kernel needs to be upgraded.
"""


@pytest.mark.parametrize(
    ("asked", "text", "reason"),
    [
        ("ipvs.state", f"{PROMPT}ipvsadm -Ln\n-bash: ipvsadm: command not found\n", Reason.TOOL_MISSING),
        ("iptables.save", f"{PROMPT}iptables -t nat -nL\nzsh: command not found: iptables\n", Reason.TOOL_MISSING),
        ("iptables.save", OLD_TOOL, Reason.NEED_PRIVILEGE),
        ("iptables.save", f"{PROMPT}iptables-save\nsudo: a password is required\n", Reason.NEED_PRIVILEGE),
        ("conntrack.entries", "$ conntrack -L\nconntrack v1.4.6: Operation failed: you must be root\n", Reason.NEED_PRIVILEGE),
    ],
)
def test_it_says_what_stood_in_the_way(asked: str, text: str, reason: Reason) -> None:
    result = pasted(asked, text)
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, reason)


RULES = (Path(__file__).parents[3] / "cases/probes/conntrack.entries/healthy/iptables-nft-save").read_text("utf-8")
FLOW = "udp 17 29 src=10.244.1.5 dst=10.96.0.10 sport=40000 dport=53 src=10.244.2.7 dst=10.244.1.5 sport=53 dport=40000 use=1\n"


@pytest.mark.parametrize(("shown", "cut"), [(1, False), (2, True)])
def test_it_believes_the_count_that_conntrack_prints(shown: int, cut: bool) -> None:
    flows = f"{FLOW}conntrack v1.4.6 (conntrack-tools): {shown} flow entries have been shown.\n"
    text = f"{PROMPT}iptables-save\n{RULES}{PROMPT}conntrack -L\n{flows}"
    reasons = [found.reason for found in pasted("conntrack.entries", text).findings]
    assert (Reason.TRUNCATED in reasons) is cut


def test_it_finds_a_service_address_that_the_device_does_not_have() -> None:
    device = "6: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default\n"
    device += "    inet {}/32 scope global kube-ipvs0\n       valid_lft forever preferred_lft forever\n"
    for address, verdict in (("10.96.0.1", Verdict.OK), ("10.96.0.10", Verdict.CRIT)):
        shown = f"{PROMPT}ip a show kube-ipvs0\n{device.format(address)}{PROMPT}\n"
        assert pasted("ipvs.state", f"{PROMPT}ipvsadm -Ln\n{TABLE}{shown}").verdict is verdict


def test_it_reads_on_where_a_person_left_lines_out() -> None:
    dots = "                                       ...\n"
    rows = "TCP  10.96.7.1:80 rr\n  -> 10.244.1.5:8080              Masq    0      0          0\n"
    result = pasted("ipvs.state", f"{PROMPT}ipvsadm -Ln\n{TABLE}{dots}{rows}{dots}TCP  10.96.7.2:80 rr\n{PROMPT}\n")
    assert (result.verdict, result.findings[0].reason) == (Verdict.WARN, Reason.TRUNCATED)
