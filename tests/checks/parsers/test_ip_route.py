"""Routes in the forms that hosts of other ages print, and what is no route. ¬ marks a line that ends with a blank."""

from __future__ import annotations

import pytest

from checks.errors import ParseError
from checks.parsers.ip_route import Nexthop, parse_routes
from checks.parsers.ip_route_get import parse_route_get
from checks.results import Reason

EL7 = """default via 192.0.2.1 dev eth0 proto static metric 100 ¬
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.10 metric 100 ¬
10.7.0.0/16 ¬
	nexthop via 192.0.2.1  dev eth0 weight 3
	nexthop via 192.0.2.2  dev eth0 weight 1 onlink
10.244.2.0/26 via 192.0.2.20 dev tunl0 proto bird onlink ¬
blackhole 10.244.1.0/26 proto bird ¬
169.254.0.0/16 dev eth0 scope link metric 1002 ¬
broadcast 192.0.2.255 dev eth0 table local proto kernel scope link src 192.0.2.10 ¬
local 192.0.2.10 dev eth0 table local proto kernel scope host src 192.0.2.10 ¬
throw default table 220 ¬
""".replace("¬", "")
EL7_V6 = """unreachable ::/96 dev lo metric 1024 error -113 ¬
unreachable ::ffff:0.0.0.0/96 dev lo metric 1024 error -113 ¬
2001:db8::/64 dev eth0 proto kernel metric 256 expires 2591998sec ¬
fe80::/64 dev eth0  proto kernel  metric 256  mtu 1500 advmss 1440 hoplimit 0
default via fe80::1 dev eth0 proto ra metric 1024 expires 1798sec hoplimit 64 ¬
unreachable default dev lo table unspec proto kernel metric 4294967295 error -101
local ::1 dev lo table local proto none metric 0 ¬
ff00::/8 dev eth0 table local metric 256 ¬
""".replace("¬", "")


def test_it_reads_the_text_of_centos_7() -> None:
    found = parse_routes(EL7)
    routes = {route.name: route for route in found.routes}
    assert found.tool == "iproute2"
    assert not found.framed
    assert found.has_local
    assert routes["default"].nexthops == (Nexthop("eth0", "192.0.2.1"),)
    assert (routes["default"].metric, routes["default"].proto, routes["default"].line) == (100, "static", 1)
    assert routes["10.7.0.0/16"].nexthops == (
        Nexthop("eth0", "192.0.2.1", 3),
        Nexthop("eth0", "192.0.2.2", 1, frozenset({"onlink"})),
    )
    assert routes["10.244.2.0/26"].nexthops[0].flags == {"onlink"}
    assert routes["blackhole 10.244.1.0/26"].line == 7
    assert routes["throw default"].table == "220"
    assert all(route.extra == () for route in found.routes)


def test_it_reads_the_ipv6_text_of_centos_7() -> None:
    found = parse_routes(EL7_V6, 6)
    assert [route.metric for route in found.routes] == [1024, 1024, 256, 256, 1024, 0, 256]
    default = next(route for route in found.routes if route.is_default)
    assert (default.nexthops[0].gateway, default.expires_s) == ("fe80::1", 1798)
    assert not any(route.table == "unspec" for route in found.routes), "the kernel's own 'nothing matches' is in no table"


@pytest.mark.parametrize("line", [
    "10.7.0.0/16 \\\tnexthop via 192.0.2.1  dev eth0 weight 3\\\tnexthop via 192.0.2.2  dev eth1 weight 1",
    "10.7.0.0/16 proto bgp metric 20 \\\tnexthop via 192.0.2.1 dev eth0 weight 3 \\\tnexthop via 192.0.2.2 dev eth1 weight 1 ",
    "10.7.0.0/16 nhid 12 proto zebra\\\tnexthop via 192.0.2.1 dev eth0 weight 3\\\tnexthop via 192.0.2.2 dev eth1 weight 1",
])  # fmt: skip
def test_it_reads_joined_legs(line: str) -> None:
    (route,) = parse_routes(line + "\n").routes
    assert route.nexthops == (Nexthop("eth0", "192.0.2.1", 3), Nexthop("eth1", "192.0.2.2", 1))


@pytest.mark.parametrize(("line", "field", "value"), [
    ("10.0.0.0/8 via inet6 fe80::1 dev eth0", "nexthops", (Nexthop("eth0", "fe80::1"),)),
    ("10.0.0.0/8 via 192.0.2.1 dev eth0 mtu lock 1400 advmss 1360", "mtu", 1400),
    ("10.0.0.0/8 via 192.0.2.1 dev eth0 rto_min lock 5ms mtu 1300", "mtu", 1300),
    ("10.0.0.0/8 via 192.0.2.1 dev eth0 realm 5", "extra", ()),
    ("10.0.0.0/8 tos 0x10 via 192.0.2.1 dev eth0", "tos", 16),
    ("10.0.0.0/8 dev eth0 table 4000000000", "table", "4000000000"),
    ("10.0.0.0/8 dev eth0 table -294967296", "table", "4000000000"),
    ("10.0.0.0/8 dev eth0 table 255", "table", "local"),
    ("10.0.0.0/8 dev eth0 linkdown", "nexthops", (Nexthop("eth0", flags=frozenset({"linkdown"})),)),
    ("10.0.0.0/8 dev eth0 dead linkdown pervasive offload", "extra", ()),
    ("10.0.0.0/8 dev eth0 brandnew 7 metric 9", "metric", 9),
    ("10.0.0.0/8 dev eth0 brandnew 7 metric 9", "extra", ("brandnew", "7")),
    ("10.0.0.0/8 encap ip id 7 src 198.51.100.1 dst 198.51.100.2 ttl 0 tos 0x10 via 192.0.2.1 dev eth0", "src", ""),
    ("10.0.0.0/8 encap mpls  100 via 192.0.2.1 dev eth0", "nexthops", (Nexthop("eth0", "192.0.2.1"),)),
    ("10.0.0.7 dev cali1 scope link", "prefix", None),
])  # fmt: skip
def test_it_reads_each_word(line: str, field: str, value: object) -> None:
    (route,) = parse_routes(line + "\n").routes
    assert value is None or getattr(route, field) == value
    assert str(route.prefix) == ("10.0.0.7/32" if line.startswith("10.0.0.7") else "10.0.0.0/8")


def test_it_keeps_the_families_of_one_dump_apart() -> None:
    text = "default via 192.0.2.1 dev eth0\ndefault via fe80::1 dev eth0 pref medium\ndefault dev tun0 metric 1024 pref medium\n"
    assert [route.line for route in parse_routes(text, 4).routes] == [1]
    assert [route.line for route in parse_routes(text, 6).routes] == [2, 3]


JSON = (
    '[{"dst":"default","gateway":"192.0.2.1","dev":"eth0","flags":[]},'
    '{"type":"blackhole","dst":"10.244.1.0/26","protocol":"bird","flags":[]},'
    '{"dst":"10.7.0.0/16","flags":[],"nexthops":[{"gateway":"192.0.2.1","dev":"eth0","weight":3,"flags":["onlink"]}]}]\n'
)


@pytest.mark.parametrize(("text", "lines"), [
    (JSON, [1, 1, 1]),
    (JSON.replace("},{", "},\n{"), [1, 2, 3]),
    (JSON.replace("[{", "[ {\n    ").replace("},{", "\n},{\n    "), [2, 4, 6]),
    ("\n" + JSON, [2, 2, 2]),
])  # fmt: skip
def test_it_knows_the_lines_of_json_in_any_layout(text: str, lines: list[int]) -> None:
    assert [route.line for route in parse_routes(text).routes] == lines


def test_it_takes_the_first_of_two_equal_keys() -> None:
    text = '[{"dst":"10.0.0.0/8","encap":"ip","dst":"198.51.100.2","gateway":"192.0.2.1","dev":"eth0","flags":[]}]\n'
    assert [str(route.prefix) for route in parse_routes(text).routes] == ["10.0.0.0/8"]


@pytest.mark.parametrize(("text", "reason"), [
    ("", Reason.EMPTY),
    ("default via 192.0.2.1 dev eth0", Reason.TRUNCATED),
    ('[{"dst":"default","gateway":"192.0', Reason.TRUNCATED),
    ("[", Reason.TRUNCATED),
    ("== ip -o route show\ndefault via 192.0.2.1 dev eth0\n", Reason.TRUNCATED),
    ("-bash: ip: command not found\n", Reason.TOOL_MISSING),
    ("RTNETLINK answers: Operation not supported\nDump terminated\n", Reason.FAILED),
    ('Object "rout" is unknown, try "ip help".\n', Reason.FAILED),
    ("Kernel IP routing table\nDestination     Gateway         Genmask\n", Reason.UNPARSED),
    ("eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n", Reason.UNPARSED),
    ("192.0.2.1 dev eth0 lladdr 02:00:5e:10:00:01 REACHABLE\n" * 2 + "x\n", Reason.UNPARSED),
    ("内核 IP 路由表\n", Reason.UNPARSED),
    ('[{"dst":"192.0.2.1","dev":"eth0","lladdr":"02:00:5e:10:00:01","state":["STALE"]}]\n', Reason.UNPARSED),
    ('[{"ifname":"eth0","flags":[]}]\n', Reason.UNPARSED),
    ("[1, 2]\n", Reason.UNPARSED),
])  # fmt: skip
def test_it_refuses_what_is_no_whole_table(text: str, reason: Reason) -> None:
    with pytest.raises(ParseError) as caught:
        parse_routes(text)
    assert caught.value.reason == reason


def test_it_names_the_tool_that_printed_something_else() -> None:
    with pytest.raises(ParseError, match="netstat -rn, which shows no metric; run ip route show table all"):
        parse_routes("Kernel IP routing table\nDestination Gateway Genmask Flags   MSS Window  irtt Iface\n")
    with pytest.raises(ParseError, match="there is no row"):
        parse_routes("Kernel IP routing table\n")


GET_EL7 = "203.0.113.7 via 192.0.2.1 dev eth0  src 192.0.2.10 \n    cache \n"


@pytest.mark.parametrize(("text", "result"), [
    (GET_EL7, "unicast"),
    ("local 192.0.2.10 dev lo  src 192.0.2.10 \n    cache <local> \n", "local"),
    ("203.0.113.7 from 10.244.1.10 via 192.0.2.1 dev eth0 \n    cache  iif cali1\n", "unicast"),
    ("RTNETLINK answers: Invalid argument\n", "EINVAL"),
    ("ip: RTNETLINK answers: No route to host\n", "EHOSTUNREACH"),
    ("RTNETLINK answers: Permission denied\n", "EACCES"),
    ("RTNETLINK answers: Network is unreachable\n", "ENETUNREACH"),
    ("RTNETLINK answers: Invalid cross-device link\n", "EXDEV"),
    ('Cannot find device "eth9"\n', "ENODEV"),
    ("unreachable 2001:db8::1 from :: dev lo  table unspec  src ::1  metric 4294967295  error -101\n", "ENETUNREACH"),
    ("unreachable 2001:db8::1 from :: dev lo  src ::1  metric 1024  error -113 pref medium\n", "EHOSTUNREACH"),
])  # fmt: skip
def test_it_reads_the_kernels_answer(text: str, result: str) -> None:
    assert parse_route_get(text).full.result == result


@pytest.mark.parametrize("text", [
    "RTNETLINK answers: Das Netzwerk ist nicht erreichbar\n",
    "RTNETLINK answers: 网络不可达\n",
    "Usage: ip [OPTIONS] route\n",
    "default via 192.0.2.1 dev eth0\n192.0.2.0/24 dev eth0\n",
    "",
])  # fmt: skip
def test_it_makes_no_answer_of_another_text(text: str) -> None:
    with pytest.raises(ParseError):
        parse_route_get(text)


def test_it_lets_an_old_ip_not_know_fibmatch() -> None:
    text = (
        f"== ip route get 203.0.113.7\n{GET_EL7}\n-- status 0\n\n"
        '== ip route get fibmatch 203.0.113.7\nError: an inet prefix is expected rather than "fibmatch".\n'
        "\n-- status 1\n\n== end\n"
    )
    answers = parse_route_get(text)
    assert answers.full.route is not None
    assert (answers.full.line, answers.match, answers.plain) == (2, None, None)
