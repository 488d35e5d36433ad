"""Membership of packets in sets of ipset, as ``ipset save`` and ``ipset list`` of 7.17 print them."""

from __future__ import annotations

import pytest

from checks.analyzers.packet import Packet
from checks.analyzers.packet_sets import holds
from checks.parsers.ipset import parse_ipset

SAVED = """create pods hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x779b8627
add pods 10.244.0.0/16
add pods 10.244.9.0/24 nomatch
create services hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x0eda7795
add services 10.96.0.1,tcp:443
create ports bitmap:port range 30000-32767
add ports 30080
create all list:set size 8
add all pods
"""
LISTED = """Name: pods
Type: hash:net
Revision: 7
Header: family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x779b8627
Size in memory: 552
References: 1
Number of entries: 2
Members:
10.244.0.0/16
10.244.9.0/24 nomatch

Name: services
Type: hash:ip,port
Revision: 7
Header: family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x0eda7795
Size in memory: 264
References: 0
Number of entries: 1
Members:
10.96.0.1,tcp:443
"""


@pytest.mark.parametrize(
    ("name", "flags", "packet", "wanted"),
    [
        ("pods", "src", Packet("10.244.1.5", "10.96.0.1", 443, "tcp"), True),
        ("pods", "src", Packet("10.244.9.5", "10.96.0.1", 443, "tcp"), False),
        ("pods", "dst", Packet("10.244.1.5", "10.96.0.1", 443, "tcp"), False),
        ("services", "dst,dst", Packet("10.244.1.5", "10.96.0.1", 443, "tcp"), True),
        ("services", "dst,dst", Packet("10.244.1.5", "10.96.0.1", 443, "udp"), False),
        ("services", "dst", Packet("10.244.1.5", "10.96.0.1", 443, "tcp"), None),
        ("ports", "dst", Packet("192.0.2.1", "192.0.2.2", 30080, "tcp"), True),
        ("all", "src", Packet("10.244.1.5", "10.96.0.1", 443, "tcp"), True),
        ("all", "src", Packet("10.1.1.5", "10.96.0.1", 443, "tcp"), False),
        ("none", "src", Packet("10.1.1.5", "10.96.0.1", 443, "tcp"), None),
    ],
)
def test_it_answers_as_the_kernel_does(name: str, flags: str, packet: Packet, wanted: bool | None) -> None:
    assert holds(parse_ipset(SAVED + "== end\n"), name, flags, packet) is wanted


def test_it_reads_both_forms_alike() -> None:
    saved, listed = parse_ipset(SAVED), parse_ipset(LISTED)
    for name, found in listed.items():
        assert (found.kinds, found.single, found.wide, found.excluded, found.whole) == (
            *(saved[name].kinds, saved[name].single, saved[name].wide, saved[name].excluded),
            True,
        )


def test_it_concludes_nothing_from_what_a_cut_list_lacks() -> None:
    packet = Packet("10.1.1.5", "10.96.0.2", 443, "tcp")
    cut = parse_ipset(SAVED[: SAVED.index("create ports")])
    assert (holds(cut, "pods", "src", packet), holds(cut, "services", "dst,dst", packet)) == (False, None)
    shorter = parse_ipset(LISTED[: LISTED.index("10.244.9.0/24")])
    assert holds(shorter, "pods", "src", packet) is None
