"""Lookups that do not need a kernel beside them: worked examples, what nobody said, old listings, whole tables."""

from __future__ import annotations

import time
from typing import Any

import pytest

from checks.analyzers.route_lookup import Fib
from checks.analyzers.route_question import is_calico_block, no_way
from checks.analyzers.route_tables import Flow
from checks.parsers.ip_prefix import Address, Prefix
from checks.parsers.ip_route import Nexthop, Route, Routes, parse_routes
from checks.parsers.ip_rule import parse_rules, plain_rules
from checks.results import Verdict

NODE = """default via 192.0.2.1 dev eth0
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.10
blackhole 172.19.1.0/26 proto bird
172.19.1.10 dev cali1 scope link
10.7.0.0/16
\tnexthop via 192.0.2.2 dev eth0 weight 1
\tnexthop via 198.51.100.1 dev eth1 weight 1 linkdown
local 192.0.2.10 dev eth0 table local proto kernel scope host src 192.0.2.10
10.99.0.0/16 via 192.0.2.9 dev eth0 table 100
throw default table 200
prohibit 10.50.0.0/16 table 300
"""
RULES = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n"


def fib(rules: str = "", routes: str = NODE, **more: Any) -> Fib:
    family = 6 if ":" in routes.split()[0] else 4
    return Fib(parse_routes(routes, family), parse_rules(RULES + rules) if rules else plain_rules(family), **more)


def ask(table: Fib, dst: str, src: str = "", **more: Any) -> Any:
    return table.lookup(Flow(Address.parse(dst), Address.parse(src) if src else None, **more))


def test_it_sends_a_pod_to_its_device_and_drops_what_no_pod_has() -> None:
    """A calico node: .10 is a pod, .11 of the same block is none, which is no fault by itself."""
    table = fib()
    assert ask(table, "172.19.1.10").devices == ("cali1",)
    nobody = ask(table, "172.19.1.11")
    assert (nobody.result, nobody.error, is_calico_block(nobody.route)) == ("blackhole", "EINVAL", True)
    assert no_way(Address.parse("172.19.1.11"), nobody.result, nobody).verdict == Verdict.INFO


@pytest.mark.parametrize(("line", "is_block"), [
    ("blackhole 172.19.1.0/26 proto bird", True),
    ("blackhole 172.19.1.0/26 proto 80", True),
    ("blackhole 172.19.1.0/26", False),
    ("blackhole 172.16.0.0/12 proto bird", False),
    ("unreachable 172.19.1.0/26 proto bird", False),
])  # fmt: skip
def test_it_knows_a_calico_block_from_other_blackholes(line: str, is_block: bool) -> None:
    assert is_calico_block(parse_routes(line + "\n").routes[0]) == is_block


@pytest.mark.parametrize(("rules", "dst", "more", "result"), [
    ("100:\tfrom all fwmark 0x10/0xff lookup 100\n", "10.99.0.1", {"mark": 0x310}, "100"),
    ("100:\tfrom all fwmark 0x10/0xff lookup 100\n", "10.99.0.1", {"mark": 0x11}, "main"),
    ("100:\tnot from all fwmark 0x10/0xff lookup 100\n", "10.99.0.1", {"mark": 0x11}, "100"),
    ("100:\tfrom all lookup 200\n", "10.99.0.1", {}, "main"),
    ("100:\tfrom all goto 200\n150:\tfrom all blackhole\n200:\tfrom all lookup 100\n", "10.99.0.1", {}, "100"),
    ("100:\tfrom all goto 999 [unresolved]\n200:\tfrom all lookup 100\n", "10.99.0.1", {}, "100"),
    ("100:\tfrom all nop\n200:\tfrom all lookup 100\n", "10.99.0.1", {}, "100"),
    ("100:\tfrom all lookup 100 suppress_prefixlength 16\n", "10.99.0.1", {}, "main"),
    ("100:\tfrom all lookup 100 suppress_prefixlength 15\n", "10.99.0.1", {}, "100"),
    ("100:\tfrom all iif lo lookup 100\n", "10.99.0.1", {}, "100"),
    ("100:\tfrom all iif eth0 lookup 100\n", "10.99.0.1", {}, "main"),
    ("100:\tfrom all iif eth0 lookup 100\n", "10.99.0.1", {"iif": "eth0", "src": "192.0.2.77"}, "100"),
    ("100:\tfrom 192.0.2.77 lookup 100\n", "10.99.0.1", {"src": "192.0.2.77"}, "100"),
    ("100:\tfrom 192.0.2.77 lookup 100\n", "10.99.0.1", {}, "main"),
    ("100:\tfrom all to 10.99.0.0/16 lookup 100\n", "10.98.0.1", {}, "main"),
    ("100:\tfrom all lookup 7777\n", "10.99.0.1", {}, "main"),
])  # fmt: skip
def test_it_tries_the_rules_in_order(rules: str, dst: str, more: dict[str, Any], result: str) -> None:
    assert ask(fib(rules), dst, **more).route.table == result


@pytest.mark.parametrize(("rules", "error"), [
    ("100:\tfrom all blackhole\n", "EINVAL"),
    ("100:\tfrom all unreachable\n", "ENETUNREACH"),
    ("100:\tfrom all prohibit\n", "EACCES"),
    ("100:\tfrom all lookup 300\n", "EACCES"),
])  # fmt: skip
def test_it_ends_in_the_error_of_a_rule_or_route(rules: str, error: str) -> None:
    answer = ask(fib(rules), "10.50.0.1")
    assert (answer.error, answer.rule.priority) == (error, 100)


def test_it_says_unknown_when_a_rule_asks_for_what_nobody_said() -> None:
    table = fib("100:\tfrom all ipproto tcp dport 80 lookup 100\n")
    answer = ask(table, "10.99.0.1")
    assert answer.result == "unknown"
    assert answer.why == "rule 100 asks for protocol, port, which is not known"
    assert ask(table, "10.99.0.1", ipproto="tcp", dport=80).route.table == "100"
    assert ask(table, "10.99.0.1", ipproto="udp").route.table == "main"


def test_it_answers_all_the_same_when_the_rule_would_change_nothing() -> None:
    assert ask(fib("100:\tfrom all ipproto tcp lookup 100\n"), "203.0.113.1").route.is_default
    assert ask(fib("100:\tfrom all uidrange 0-99 goto 200\n200:\tfrom all lookup 7777\n"), "203.0.113.1").route.is_default


def test_it_does_not_lose_itself_among_many_such_rules() -> None:
    many = "".join(f"{n}:\tfrom all uidrange {n}-{n} lookup 100\n" for n in range(100, 140))
    assert ask(fib(many), "10.99.0.1").result == "unknown"


def test_it_looks_into_the_table_of_a_vrf() -> None:
    rules = "1000:\tfrom all lookup [l3mdev-table]\n"
    assert ask(fib(rules, vrf_tables={"eth5": "100"}), "10.99.0.1", src="192.0.2.77", iif="eth5").route.table == "100"
    assert ask(fib(rules, vrf_tables={"eth5": "100"}), "10.99.0.1", src="192.0.2.77", iif="eth0").route.table == "main"
    assert ask(fib(rules), "10.99.0.1", src="192.0.2.77", iif="eth5").result == "unknown"
    assert ask(fib(rules), "10.99.0.1").route.table == "main"


def test_it_passes_over_a_group_of_devices() -> None:
    rules = "100:\tfrom all lookup 100 suppress_ifgroup 7\n"
    assert ask(fib(rules, groups={"eth0": "7"}), "10.99.0.1").route.table == "main"
    assert ask(fib(rules, groups={"eth0": "default"}), "10.99.0.1").route.table == "100"
    assert ask(fib(rules), "10.99.0.1").result == "unknown"


def test_it_leaves_out_legs_without_carrier_only_where_the_host_does() -> None:
    assert len(ask(fib(), "10.7.0.1").nexthops) == 2
    ignoring = fib(ignores_linkdown=lambda dev: dev == "eth1")
    assert ask(ignoring, "10.7.0.1").nexthops == (Nexthop("eth0", "192.0.2.2"),)


def test_it_takes_an_address_for_a_neighbour_of_the_device_the_sender_demands() -> None:
    assert ask(fib(), "172.19.1.11", oif="eth5").devices == ("eth5",)
    assert ask(fib(down=frozenset({"eth5"})), "172.19.1.11", oif="eth5").result == "none"


@pytest.mark.parametrize(("lines", "winner"), [
    ("10.0.0.0/8 via 192.0.2.1 dev eth0\n10.1.0.0/16 via 192.0.2.2 dev eth0 metric 900\n", "10.1.0.0/16"),
    ("10.1.0.0/16 tos 0x10 via 192.0.2.1 dev eth0 metric 100\n10.1.0.0/16 via 192.0.2.2 dev eth0\n", "tos"),
    ("10.1.0.0/16 via 192.0.2.1 dev eth0 metric 5\nblackhole 10.1.0.0/16\n", "blackhole"),
    ("10.1.0.0/16 via 192.0.2.1 dev eth0\nblackhole 10.1.0.0/16 metric 5\n", "unicast"),
    ("10.1.0.0/16 dev eth0 dead linkdown\n10.0.0.0/8 via 192.0.2.2 dev eth1\n", "10.0.0.0/8"),
])  # fmt: skip
def test_it_takes_prefix_before_tos_before_metric(lines: str, winner: str) -> None:
    answer = ask(fib(routes=lines), "10.1.2.3", tos=0x10)
    assert winner in (str(answer.route.prefix), answer.route.type, "tos" if answer.route.tos else "")


V6 = """2001:db8:7::/48 via 2001:db8::1 dev eth0 metric 1024 pref medium
2001:db8:7::/48 via 2001:db8::2 dev eth1 metric 1024 pref medium
2001:db8:8::/48 via 2001:db8::1 dev eth0 metric 1024 pref low
2001:db8:8::/48 dev eth1 metric 1024 pref high
2001:db8:9::/48 from 2001:db8:1::/64 via 2001:db8::1 dev eth0 metric 1024 pref medium
unreachable 2001:db8:a::/48 dev lo metric 1024 error -113 pref medium
"""


def test_it_takes_ipv6_legs_that_an_old_tool_lists_apart_for_one_route() -> None:
    assert set(ask(fib(routes=V6), "2001:db8:7::1").devices) == {"eth0", "eth1"}


def test_it_orders_ipv6_routers_by_preference_and_source() -> None:
    assert ask(fib(routes=V6), "2001:db8:8::1").devices == ("eth1",)
    assert ask(fib(routes=V6), "2001:db8:9::1").result == "none"
    assert ask(fib(routes=V6), "2001:db8:9::1", "2001:db8:1::5").devices == ("eth0",)
    assert ask(fib(routes=V6), "2001:db8:a::1").error == "EHOSTUNREACH"
    assert ask(fib(routes=V6), "2001:db8:7::1", oif="eth1").devices == ("eth1",)


OBJECTS = """default via 192.0.2.1 dev eth0
10.6.0.0/16 nhid 2 via 198.51.100.1 dev eth1
10.6.0.0/15 via 192.0.2.2 dev eth0
10.0.0.0/8 via 192.0.2.3 dev eth0
"""


def test_it_looks_past_what_begins_where_a_nexthop_object_without_a_way_out_does() -> None:
    table = fib(routes=OBJECTS)
    assert ask(table, "10.6.1.1").devices == ("eth1",)
    assert ask(table, "10.6.1.1", oif="eth0").nexthops[0].gateway == "192.0.2.3"
    assert ask(fib(routes=OBJECTS.replace("nhid 2 ", "")), "10.6.1.1", oif="eth0").nexthops[0].gateway == "192.0.2.2"


SOURCES = """2001:db8:9::/48 from 2001:db8:1::/64 via fe80::1 dev eth1 metric 2000
2001:db8:9::/48 via fe80::2 dev eth2 metric 5
2001:db8:9:1::/64 dev eth4 metric 5
default via fe80::3 dev eth3 metric 1024
"""


def test_it_takes_the_narrower_source_before_the_metric() -> None:
    table = fib(routes=SOURCES)
    assert ask(table, "2001:db8:9::1", "2001:db8:1::5").devices == ("eth1",)
    assert ask(table, "2001:db8:9::1", "2001:db8:2::5").devices == ("eth3",), "others do not enter that network"
    assert ask(table, "2001:db8:9:1::1", oif="eth2").devices == ("eth2",), "but from within it they do"


def test_it_lets_the_preference_decide_once_the_lowest_metric_is_of_no_use() -> None:
    routes = "default via fe80::1 dev eth1 metric 5 pref high\ndefault via fe80::2 dev eth0 metric 50 pref low\n"
    table = fib(routes=f"2001:db8::/64 dev eth0 metric 256\n{routes}default via fe80::3 dev eth0 metric 1024 pref medium\n")
    assert ask(table, "2001:db8:9::1").nexthops[0].gateway == "fe80::1"
    assert ask(table, "2001:db8:9::1", oif="eth0").nexthops[0].gateway == "fe80::3"


def test_it_holds_a_link_local_address_to_the_device_that_is_demanded() -> None:
    table = fib(routes="fe80::/64 dev eth0 metric 256\nfe80::/64 dev eth1 metric 256\n")
    assert ask(table, "fe80::9", "fe80::1", oif="eth1").devices == ("eth1",)
    assert ask(table, "fe80::9", "fe80::1", oif="eth2").result == "none"


def test_it_explains_each_step() -> None:
    steps = ask(fib("100:\tfrom all lookup 200\n"), "203.0.113.1").steps
    assert steps == (
        "rule 0: table local has nothing to use",
        "rule 100: table 200 has nothing to use",
        "rule 32766: table main: default via 192.0.2.1 dev eth0",
    )


def test_it_finds_one_of_two_hundred_thousand_routes_at_once() -> None:
    """A full BGP table is indexed once; a lookup then tries at most 33 lengths."""
    hop = (Nexthop("eth0", "192.0.2.1"),)
    routes = tuple(Route(Prefix(4, (10 << 24) + (n << 8), 24), nexthops=hop, line=n) for n in range(65536)) + tuple(
        Route(Prefix(4, (20 << 24) + (n << 7), 25), nexthops=hop) for n in range(131072)
    )
    table = Fib(Routes("json", framed=True, routes=routes), plain_rules(4))
    asked = [Address(4, (10 << 24) + (n << 8) + 7) for n in range(0, 65536, 13)]
    start = time.process_time()
    found = [table.lookup(Flow(dst)) for dst in asked]
    assert [answer.route.line for answer in found if answer.route] == list(range(0, 65536, 13))
    assert time.process_time() - start < 20, "a lookup walks the whole table"
