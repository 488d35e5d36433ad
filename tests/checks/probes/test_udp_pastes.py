"""Lists of UDP sockets as people paste them: ss -lunpe, ss -lun, netstat -lun, and ss -lntu with TCP beside it."""

from __future__ import annotations

import pytest

from checks.catalog import get
from checks.offline import Given, gather
from checks.params import read_all
from checks.results import ProbeResult, Reason, Verdict

UDP = """State  Recv-Q Send-Q Local Address:Port  Peer Address:PortProcess
UNCONN 832    0          127.0.0.1:5301       0.0.0.0:*{}
UNCONN 0      0          127.0.0.1:5301       0.0.0.0:*{}
"""
OWNED = UDP.format(" uid:53 ino:71 sk:1 <->", " ino:72 sk:2 <->")
BARE = UDP.format("", "")
NETSTAT_UDP = "udp        0      0 127.0.0.1:5301          0.0.0.0:*\nudp        0      0 127.0.0.1:5301          0.0.0.0:*\n"


def judge(text: str) -> ProbeResult:
    probe = get("sock.reuseport")
    given = gather(probe, [Given("", "paste", text.encode())])
    return probe.evaluate(given.sections, read_all(probe.params, {"port": "5301"}))


@pytest.mark.parametrize(
    "text", [OWNED, OWNED.partition("\n")[2], OWNED.replace("UNCONN", "udp   UNCONN"), f"$ ss -lunpe\n{OWNED}"]
)
def test_it_sees_two_owners_of_a_udp_port(text: str) -> None:
    result = judge(text)
    assert (result.verdict, result.findings[0].rule, len(result.findings[0].evidence)) == (Verdict.CRIT, "owners", 2)
    assert "UDP 127.0.0.1:5301 is shared by users 0, 53" in result.finding


@pytest.mark.parametrize("text", [BARE, BARE.partition("\n")[2], f"$ ss -lun\n{BARE}$ \n", NETSTAT_UDP])
def test_it_cannot_tell_the_owners_of_a_udp_port_without_inodes(text: str) -> None:
    result = judge(text)
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, Reason.TRUNCATED)
    assert "2 sockets on UDP 127.0.0.1:5301" in result.finding


def test_it_takes_both_protocols_from_one_list() -> None:
    tcp = "tcp   LISTEN 0      128        127.0.0.1:5301       0.0.0.0:*    ino:80 sk:3 <->\n"
    result = judge(f"$ ss -lntupe\n{OWNED.replace('UNCONN', 'udp   UNCONN')}{tcp}")
    assert result.verdict == Verdict.CRIT
    assert any("1 sockets on 127.0.0.1:5301" in found.say for found in result.findings)
