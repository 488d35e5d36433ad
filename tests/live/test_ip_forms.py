"""One host, read in every form: JSON, the text of ip without -j, busybox's text, and /proc say the same, as far as they say it.

The host is a network namespace with one of everything that is easy to misread: errors, throw, TOS, onlink, two legs, a gateway of
the other family, a locked MTU, ``not``, goto, fwmark, secondary and tentative addresses, a device without carrier.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest

from checks.collectors import ip as collectors
from checks.collectors.base import PRELUDE, Collector
from checks.errors import ParseError
from checks.parsers.ip_addr import parse_addresses
from checks.parsers.ip_conf import parse_conf
from checks.parsers.ip_link import parse_links
from checks.parsers.ip_neigh import parse_neighbours
from checks.parsers.ip_route import Nexthop, Route, parse_routes
from checks.parsers.ip_rule import Rule, parse_rules

pytestmark = [pytest.mark.needs("iproute2"), pytest.mark.needs("busybox")]

NAME = f"sn-ip-{os.getpid()}-forms"
SHELLS = ["dash", "bash", "busybox sh"]
# Functions in front of a collector make this host look like another one.
OLD = """ip() { case " $* " in *" -j "*) echo 'Option "-j" is unknown, try "ip -help".' >&2; return 255;; esac; command ip "$@"; }
"""
BUSYBOX = 'ip() { busybox ip "$@"; }\n'
WITHOUT = '_have() { command -v "$1" >/dev/null 2>&1; }; have() { [ "$1" != ip ] && _have "$1"; }\n'
DEVICES = """
link set lo up
link add eth0 type veth peer name p0
link add eth1 type veth peer name p1
link set eth0 address 02:00:5e:10:00:0a
link set eth0 up
link set p0 up
link set eth1 up
link add br0 type bridge
link set br0 up
addr add 192.0.2.10/24 dev eth0
addr add 192.0.2.11/24 dev eth0
addr add 198.51.100.10/24 dev eth1
addr add 10.9.9.1 peer 10.9.9.2/32 dev br0
addr add 192.0.2.20/24 dev eth0 valid_lft 3600 preferred_lft 1800
addr add 2001:db8::10/64 dev eth0 nodad
neigh add 192.0.2.50 lladdr 02:00:5e:10:00:50 dev eth0 nud permanent
neigh add 192.0.2.51 lladdr 02:00:5e:10:00:51 dev eth0 nud stale
neigh add 2001:db8::50 lladdr 02:00:5e:10:00:50 dev eth0 nud stale router
"""
ROUTES = """
route add default via 192.0.2.1 dev eth0 proto static
route add 203.0.113.0/24 nexthop via 192.0.2.1 dev eth0 weight 3 nexthop dev br0 weight 1
route add blackhole 10.244.1.0/26 proto bird
route add unreachable 10.9.0.0/16 metric 5
route add prohibit 10.10.0.0/16
route add throw 10.11.0.0/16 table 100
route add 10.12.0.0/16 via inet6 2001:db8::1 dev eth0
route add 10.13.0.0/16 via 192.168.77.1 dev eth0 onlink
route add 10.14.0.0/16 via 192.0.2.1 mtu lock 1400 advmss 1360 realm 5
route add 10.15.0.0/16 tos 0x10 via 192.0.2.1
route add 10.17.0.0/16 via 192.0.2.1 table 4000000000
rule add not from 10.1.0.0/24 fwmark 0x10/0xff lookup 100 pref 100 suppress_prefixlength 0
rule add from 10.2.0.0/16 to 198.51.100.0/24 iif eth0 tos 0x10 prohibit pref 200
rule add goto 500 pref 300
rule add goto 999 pref 310
rule add lookup 100 pref 500 ipproto tcp dport 80-90
rule add uidrange 100-200 lookup 4000000000 pref 600
"""
ROUTES6 = """
route add default via 2001:db8::1 dev eth0
route add blackhole 2001:db8:9::/48
route add 2001:db8:16::/48 nexthop via 2001:db8::1 dev eth0 weight 2 nexthop via 2001:db8::5 dev eth0
route add 2001:db8:17::/48 via 2001:db8::1 dev eth0 metric 77 expires 3000
rule add from 2001:db8::/64 lookup 100 pref 100
"""


@pytest.fixture(scope="module", autouse=True)
def host(make_namespace: Callable[[str], str]) -> None:
    name = make_namespace("forms")
    assert name == NAME
    for family, lines in (("", DEVICES), ("-4", ROUTES), ("-6", ROUTES6)):
        command = ["ip", *([family] if family else []), "-n", name, "-batch", "-"]
        subprocess.run(command, input=lines.strip() + "\n", text=True, check=True)


def collect(collector: Collector, before: str = "", shell: str = "dash") -> str:
    command = ["ip", "netns", "exec", NAME, *shell.split(), "-c", PRELUDE + before + collector.script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def bare(route: Route) -> Route:
    """Without what depends on the form: the line, what only JSON rounds, and scopes that only -d prints."""
    return replace(route, line=0, extra=(), expires_s=route.expires_s and route.expires_s // 100)


@pytest.mark.parametrize("family", [4, 6])
def test_it_reads_the_same_routes_with_and_without_json(family: int) -> None:
    collector = collectors.ROUTE4 if family == 4 else collectors.ROUTE6
    new, old = parse_routes(collect(collector), family), parse_routes(collect(collector, OLD), family)
    assert (new.tool, old.tool) == ("json", "iproute2")
    assert [bare(route) for route in new.routes] == [bare(route) for route in old.routes]
    assert all(route.extra == () for route in old.routes)
    assert len({route.line for route in new.routes}) == len(new.routes)


def test_it_reads_of_busybox_what_busybox_tells() -> None:
    new, old = parse_routes(collect(collectors.ROUTE4)), parse_routes(collect(collectors.ROUTE4, BUSYBOX))
    assert old.tool == "busybox"

    def told(route: Route) -> tuple[object, ...]:
        return route.prefix, route.type, route.table, route.metric

    assert [told(route) for route in old.routes] == [told(route) for route in new.routes]
    two_legs = next(route for route in old.routes if str(route.prefix) == "203.0.113.0/24")
    assert two_legs.nexthops == ()
    assert {hop for route in old.routes for hop in route.nexthops if "onlink" in hop.flags} == {
        Nexthop("eth0", "192.168.77.1", flags=frozenset({"onlink"}))
    }


def test_it_reads_the_main_table_and_own_addresses_without_ip() -> None:
    found = parse_routes(collect(collectors.ROUTE4, WITHOUT))
    whole = parse_routes(collect(collectors.ROUTE4))
    assert found.tool == "procfs"
    main = {str(route.prefix): route for route in found.in_table("main")}
    assert main["0.0.0.0/0"].nexthops == (Nexthop("eth0", "192.0.2.1"),)
    assert {main[name].type for name in ("10.244.1.0/26", "10.9.0.0/16")} <= {"blackhole", "unreachable"}
    local = {(route.type, route.prefix) for route in found.in_table("local")}
    assert local == {(route.type, route.prefix) for route in whole.in_table("local")}


def test_it_reads_ipv6_routes_without_ip() -> None:
    found, whole = parse_routes(collect(collectors.ROUTE6, WITHOUT), 6), parse_routes(collect(collectors.ROUTE6), 6)
    assert {(route.prefix, route.metric) for route in found.routes} == {(route.prefix, route.metric) for route in whole.routes}
    assert {route.type for route in found.routes if route.prefix.length == 48} == {"unreachable", "unicast"}


@pytest.mark.parametrize("family", [4, 6])
def test_it_reads_the_same_rules_with_and_without_json(family: int) -> None:
    collector = collectors.RULE4 if family == 4 else collectors.RULE6
    new, old = parse_rules(collect(collector), family), parse_rules(collect(collector, OLD), family)
    assert [replace(rule, line=0) for rule in new.rules] == [replace(rule, line=0) for rule in old.rules]
    assert all(rule.unread == () for rule in (*new.rules, *old.rules))


def test_it_does_not_believe_special_rules_of_busybox() -> None:
    assert parse_rules(collect(collectors.RULE4)).complete
    assert not parse_rules(collect(collectors.RULE4, BUSYBOX)).complete
    plain = parse_rules("0:\tfrom all lookup local \n32766:\tfrom all lookup main \n32767:\tfrom all lookup default \n")
    assert [type(rule) for rule in plain.rules] == [Rule] * 3


def test_it_reads_the_same_devices_with_and_without_json() -> None:
    def told(text: str) -> list[tuple[object, ...]]:
        found = parse_links(text).links
        return [
            (one.name, one.flags, one.mtu, one.operstate, one.kind, one.master, one.address, one.index, one.state)
            for one in found
        ]

    assert told(collect(collectors.LINK)) == told(collect(collectors.LINK, OLD))
    new, old = parse_links(collect(collectors.LINK)), parse_links(collect(collectors.LINK, OLD))
    assert {one.name: set(one.counters) for one in new.links} == {one.name: set(one.counters) for one in old.links}
    busybox = parse_links(collect(collectors.LINK, BUSYBOX))
    assert [(one.name, one.flags, one.mtu, one.carrier) for one in busybox.links] == [
        (one.name, one.flags, one.mtu, one.carrier) for one in new.links
    ]


def test_it_reads_devices_without_ip() -> None:
    found, whole = parse_links(collect(collectors.LINK, WITHOUT)), parse_links(collect(collectors.LINK))
    assert {one.name: (one.mtu, one.up, one.carrier) for one in found.links} == {
        one.name: (one.mtu, one.up, one.carrier) for one in whole.links
    }


@pytest.mark.parametrize("before", [OLD, BUSYBOX], ids=["old", "busybox"])
def test_it_reads_the_same_addresses_with_and_without_json(before: str) -> None:
    def told(text: str) -> list[tuple[object, ...]]:
        found = parse_addresses(text).addresses
        return [(a.ip, a.plen, a.dev, a.flags - {"dynamic"}, a.valid_s and a.valid_s // 100, a.peer, a.network) for a in found]

    new, old = told(collect(collectors.ADDR)), told(collect(collectors.ADDR, before))
    assert [entry[:3] for entry in new] == [entry[:3] for entry in old]
    assert before is BUSYBOX or new == old


def test_it_reads_addresses_without_ip() -> None:
    found, whole = parse_addresses(collect(collectors.ADDR, WITHOUT)), parse_addresses(collect(collectors.ADDR))
    assert {a.ip for a in found.addresses} == {a.ip for a in whole.addresses}
    assert {(a.ip, a.plen, a.dev) for a in found.addresses if a.family == 6} == {
        (a.ip, a.plen, a.dev) for a in whole.addresses if a.family == 6
    }


@pytest.mark.parametrize("before", [OLD, BUSYBOX], ids=["old", "busybox"])
def test_it_reads_the_same_neighbours_with_and_without_json(before: str) -> None:
    new, old = parse_neighbours(collect(collectors.NEIGH)), parse_neighbours(collect(collectors.NEIGH, before))
    states = {(entry.ip, entry.dev, entry.lladdr, entry.state, entry.router) for entry in new.entries}
    assert states == {(entry.ip, entry.dev, entry.lladdr, entry.state, entry.router) for entry in old.entries}
    assert {entry.state for entry in new.entries} >= {"PERMANENT", "STALE"}


def test_it_reads_ipv4_neighbours_without_ip() -> None:
    found = parse_neighbours(collect(collectors.NEIGH, WITHOUT))
    assert {(entry.ip, entry.state) for entry in found.entries} == {("192.0.2.50", "PERMANENT"), ("192.0.2.51", "COMPLETE")}


@pytest.mark.parametrize("collector", ["LINK", "ADDR", "ROUTE4", "ROUTE6", "RULE4", "RULE6", "NEIGH", "CONF", "TABLES"])
def test_it_collects_the_same_in_every_shell(collector: str) -> None:
    texts = {re.sub(r"\d+", "N", collect(getattr(collectors, collector), shell=shell)) for shell in SHELLS}  # counters run on
    assert len(texts) == 1


def test_it_reads_every_switch_of_every_device() -> None:
    conf = parse_conf(collect(collectors.CONF))
    assert {"lo", "eth0", "eth1", "br0"} <= set(conf.devices)
    assert conf.single["ip_forward"] == 0
    assert conf.neigh["eth0"]["proxy_delay"] == 80
    assert all(value is not None for value in conf.devs["eth0"].values())


@pytest.mark.parametrize("before", ["", OLD, BUSYBOX], ids=["json", "old", "busybox"])
def test_it_takes_no_byte_off_the_end_for_a_whole_table(before: str) -> None:
    text = collect(collectors.ROUTE4, before)
    whole = parse_routes(text).routes
    cut = 0
    for end in range(1, len(text), 7):
        try:
            found = parse_routes(text[:end]).routes
        except ParseError:
            cut += 1
        else:
            assert found == whole
    assert cut > len(text) // 8
