"""Outputs pasted by hand: each is known for what it is and for nothing else of the family, and judged as far as it goes."""

from __future__ import annotations

from typing import Any

import pytest

from checks.catalog import get
from checks.offline import Given, gather
from checks.params import read_all
from checks.recognise import recognise
from checks.results import ProbeResult, Reason, Verdict

LINK = """1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP mode DEFAULT group default qlen 1000
    link/ether 02:00:5e:10:00:0a brd ff:ff:ff:ff:ff:ff
3: docker0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN mode DEFAULT group default
    link/ether 02:00:5e:10:00:0d brd ff:ff:ff:ff:ff:ff
"""
ADDR = LINK.replace(
    "    link/ether 02:00:5e:10:00:0a brd ff:ff:ff:ff:ff:ff\n",
    "    link/ether 02:00:5e:10:00:0a brd ff:ff:ff:ff:ff:ff\n    inet 192.0.2.10/24 brd 192.0.2.255 scope global eth0\n"
    "       valid_lft forever preferred_lft forever\n",
)
ROUTE = """default via 192.0.2.1 dev eth0 proto dhcp metric 100
10.200.0.0/16 dev docker0 proto kernel scope link src 10.200.0.1 linkdown
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.10 metric 100
"""
ROUTE6 = (
    "2001:db8::/64 dev eth0 proto kernel metric 256 pref medium\ndefault via fe80::1 dev eth0 proto ra metric 1024 pref medium\n"
)
RULE = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n"
NEIGH = """192.0.2.1 dev eth0 lladdr 02:00:5e:10:00:01 REACHABLE
192.0.2.7 dev eth0 FAILED
fe80::1 dev eth0 lladdr 02:00:5e:10:00:01 router STALE
"""
GET = "203.0.113.7 via 192.0.2.1 dev eth0 src 192.0.2.10 uid 0\n    cache\n"
OUTPUTS = {
    "ip link": (LINK, {"link", "links"}),
    "ip addr": (ADDR, {"addr", "addr_again", "link"}),  # it shows the devices too
    "ip route": (ROUTE, {"route4"}),
    "ip -6 route": (ROUTE6, {"route6"}),
    "ip rule": (RULE, {"rule4"}),
    "ip neigh": (NEIGH, {"neigh", "neigh_again", "neighbours"}),
    "ip route get 203.0.113.7": (GET, {"route_get"}),
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_it_knows_each_output_from_the_others(command: str) -> None:
    text, sections = OUTPUTS[command]
    found = {match.section for match in recognise(text) if match.probe.startswith("ip.")}
    assert found == sections


@pytest.mark.parametrize("command", OUTPUTS)
def test_it_knows_them_in_a_session_with_prompts(command: str) -> None:
    session = "".join(f"[root@node-1 ~]# {name}\n{text}" for name, (text, _) in OUTPUTS.items()) + "[root@node-1 ~]# \n"
    found = {match.section for match in recognise(session) if match.probe.startswith("ip.")}
    assert OUTPUTS[command][1] <= found


def judge(probe_id: str, *texts: str, **params: Any) -> ProbeResult:
    probe = get(probe_id)
    given = gather(probe, [Given("", f"paste-{n}", text.encode()) for n, text in enumerate(texts)])
    return probe.evaluate(given.sections, read_all(probe.params, params))


def rules(result: ProbeResult, *verdicts: Verdict) -> set[str]:
    return {finding.rule for finding in result.findings if finding.verdict in (verdicts or (Verdict.WARN, Verdict.CRIT))}


def test_it_judges_a_paste_of_routes_and_names_what_it_did_not_see() -> None:
    alone = judge("ip.route", ROUTE)
    assert (alone.verdict, alone.reason) == (Verdict.UNKNOWN, Reason.MISSING)
    assert rules(alone, Verdict.OK) >= {"R01", "R02"}
    assert judge("ip.route", ROUTE, LINK).verdict == Verdict.OK


LOCAL = "local 192.0.2.10 dev eth0 table local proto kernel scope host src 192.0.2.10\n"
OFF_LINK = "203.0.113.0/24 via 203.0.114.1 dev eth0\n"
TWICE = "203.0.113.0/24 via 192.0.2.1 dev eth0\n203.0.113.0/24 via 192.0.2.2 dev eth0\n"


def test_it_finds_in_a_paste_what_stands_in_it() -> None:
    found = judge("ip.route", ROUTE + TWICE, LINK)
    assert (found.verdict, rules(found)) == (Verdict.WARN, {"R06"})
    assert [line.line for finding in found.findings if finding.rule == "R06" for line in finding.evidence][:2] == [4, 5]


def test_it_does_not_take_for_missing_what_a_paste_may_have_left_out() -> None:
    """Somebody pastes one line: its gateway's network stands below it on the host."""
    one_line = judge("ip.route", ROUTE.partition("\n")[0] + "\n", LINK)
    assert (one_line.verdict, rules(one_line)) == (Verdict.UNKNOWN, set())
    assert rules(judge("ip.route", ROUTE + OFF_LINK, LINK)) == set()
    assert rules(judge("ip.route", ROUTE + OFF_LINK + LOCAL, LINK)) == {"R02"}, "table all shows its end"
    assert judge("ip.link", LINK, ROUTE, ADDR, iface="eth7").verdict == Verdict.UNKNOWN


NODE = """172.19.0.0/24 via 172.19.0.0 dev flannel.1 onlink
172.19.4.0/24 dev cni0 proto kernel scope link src 172.19.4.1
203.0.113.0/26 dev ens5 proto kernel scope link src 203.0.113.20
"""


def test_it_takes_the_order_of_a_paste_for_a_proof() -> None:
    """The kernel lists a table by address, so nothing can follow that would stand above."""
    assert rules(judge("ip.route", ROUTE.replace("192.0.2.1", "192.0.1.1"), LINK)) == {"R02"}
    assert rules(judge("ip.route", NODE)) == {"R01"}
    assert rules(judge("ip.route", "0.0.0.0 via 203.0.113.1 dev ens5\n" + NODE)) == {"R01"}


@pytest.mark.parametrize("text", [
    "".join(reversed(NODE.splitlines(keepends=True))),  # the order of kernels before 2.6.39, or nobody's
    "".join(line for line in NODE.splitlines(keepends=True) if "via" not in line),  # somebody filtered it
    "".join(line for line in NODE.splitlines(keepends=True) if "ens5" not in line),
    NODE.partition("\n")[0] + "\n",
], ids=["reversed", "networks only", "pods only", "one line"])  # fmt: skip
def test_it_takes_no_part_of_a_paste_for_a_proof(text: str) -> None:
    assert judge("ip.route", text).verdict == Verdict.UNKNOWN


@pytest.mark.parametrize("lines", range(1, 4))
def test_it_calls_no_beginning_of_a_healthy_paste_bad(lines: int) -> None:
    part = "".join(line + "\n" for line in ROUTE.split("\n")[:lines])
    assert judge("ip.route", part, LINK).verdict in (Verdict.OK, Verdict.UNKNOWN)


def test_it_points_at_the_line_of_the_whole_paste() -> None:
    session = f"[root@node-1 ~]# uptime\n up 1 day\n[root@node-1 ~]# ip route\n{ROUTE}"
    (line,) = [
        line for finding in judge("ip.route", session, LINK).findings if finding.rule == "R01" for line in finding.evidence
    ]
    assert line.text.startswith("default via 192.0.2.1")


@pytest.mark.parametrize(
    "text",
    [ROUTE, ROUTE.replace("\n", "\r\n"), f"```console\n{ROUTE}```\n", "".join(f"    {line}\n" for line in ROUTE.splitlines())],
    ids=["unix", "windows", "fenced", "indented"],
)
def test_it_reads_either_line_end(text: str) -> None:
    assert judge("ip.route", text, LINK).verdict == Verdict.OK


def test_it_looks_an_address_up_in_a_paste() -> None:
    found = judge("ip.lpm", ROUTE, RULE, LINK, dst="203.0.113.7")
    assert found.facts["prefix"] == "0.0.0.0/0"
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, Reason.MISSING), "ip route alone does not show the local table"
    assert judge("ip.lpm", ROUTE + LOCAL, RULE, LINK, dst="203.0.113.7").verdict == Verdict.OK


def test_it_takes_stale_for_healthy_and_failed_for_open_until_a_second_look() -> None:
    assert rules(judge("ip.neigh", NEIGH, ROUTE)) == set()
    silent = NEIGH.replace("lladdr 02:00:5e:10:00:01 REACHABLE", "FAILED")
    once = judge("ip.neigh", silent, ROUTE)
    assert (once.verdict, once.reason) == (Verdict.UNKNOWN, Reason.MISSING)
    twice = judge("ip.neigh", f"$ ip neigh\n{silent}$ ip neigh show\n{silent}$ ip route\n{ROUTE}")
    assert once.finding.startswith("default gateway 192.0.2.1 on eth0 is FAILED")
    assert "R16" in {finding.rule for finding in twice.findings}


@pytest.mark.parametrize(("probe_id", "text"), [
    ("ip.route", "Kernel IP routing table\nDestination     Gateway         Genmask         Flags Metric Ref    Use Iface\n"),
    ("ip.link", "eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n        inet 192.0.2.10  netmask 255.255.255.0\n"),
    ("ip.addr", "bash: ip：未找到命令\n"),
    ("ip.neigh", "Address                  HWtype  HWaddress           Flags Mask            Iface\n"),
    ("ip.rule", "RTNETLINK answers: Operation not permitted\n"),
])  # fmt: skip
def test_it_calls_the_output_of_another_tool_unknown(probe_id: str, text: str) -> None:
    probe = get(probe_id)
    found = probe.evaluate(gather(probe, [Given(probe.section_names()[0], "paste", text.encode())]).sections, {})
    assert found.verdict == Verdict.UNKNOWN
    assert found.reason in (
        Reason.UNPARSED,
        Reason.TRUNCATED,
        Reason.TOOL_MISSING,
        Reason.FAILED,
        Reason.EMPTY,
        Reason.NEED_PRIVILEGE,
    )


@pytest.mark.parametrize("broken", [b"default via 192.0.2.1 de", b'[{"dst":"default"', b"\xff\xfe\x00"])
def test_it_never_calls_damaged_routes_ok(broken: bytes) -> None:
    probe = get("ip.route")
    sections = gather(probe, [Given("route4", "paste", broken), Given("link", "paste", LINK.encode())]).sections
    assert probe.evaluate(sections, {}).verdict == Verdict.UNKNOWN


def test_it_reads_the_devices_from_a_list_of_addresses() -> None:
    assert judge("ip.route", f"# ip a\n{ADDR}# ip r\n{ROUTE}").verdict == Verdict.OK
    down = judge(
        "ip.route", f"# ip a\n{ADDR.replace('2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP>', '2: eth0: <BROADCAST>')}# ip r\n{ROUTE}"
    )
    assert [(line.section, line.line) for line in down.findings[2].evidence] == [("route4", 1), ("link", 3)]


def test_it_takes_the_family_of_rules_from_the_typed_command() -> None:
    six = RULE.replace("32767:\tfrom all lookup default\n", "").replace("0:", "1:")
    found = judge("ip.rule", f"# ip rule\n{RULE}# ip -6 rule\n{six}")
    assert [(finding.rule, finding.verdict) for finding in found.findings][:2] == [("R22", Verdict.OK), ("R22", Verdict.WARN)]
    assert judge("ip.lpm", f"# ip -6 rule\n{RULE}", dst="192.0.2.1").reason == Reason.MISSING


def test_it_does_not_mix_two_lists_of_rules() -> None:
    found = judge("ip.rule", RULE + RULE.replace("32767:\tfrom all lookup default\n", ""))
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, Reason.UNPARSED)
    assert "line 4 begins another list" in found.finding


TABLE = "default via 192.0.2.9 dev eth0\n192.0.2.9 dev eth0 scope link\n"
FROM = RULE.replace("32766:", "100:\tfrom 192.0.2.10 lookup 7\n32766:")


def test_it_joins_the_tables_of_several_commands() -> None:
    session = f"# ip rule\n{FROM}# ip r s t 7\n{TABLE}# ip r\n{ROUTE}# ip -6 r\n{ROUTE6}"
    found = judge("ip.lpm", session, dst="203.0.113.7", src="192.0.2.10")
    assert (found.facts["table"], found.facts["nexthops"][0]["gateway"]) == ("7", "192.0.2.9")
    assert judge("ip.route", session).facts["route_count"] == 7
    legs = "default \\\tnexthop via 192.0.2.9 dev eth0 weight 1\\\tnexthop via 192.0.2.8 dev eth0 weight 1\n"
    two = judge("ip.lpm", session.replace(TABLE, legs), dst="203.0.113.7", src="192.0.2.10")
    assert (two.facts["table"], len(two.facts["nexthops"])) == ("7", 2)
    alone = judge("ip.route", f"# ip route show table 7\n{TABLE}")
    assert (alone.verdict, alone.reason) == (Verdict.UNKNOWN, Reason.MISSING)


def test_it_does_not_guess_what_a_table_holds_that_was_not_shown() -> None:
    found = judge("ip.lpm", f"# ip rule\n{FROM}# ip r\n{ROUTE}", dst="203.0.113.7", src="192.0.2.10")
    assert "looks up table 7, which is not in this dump" in found.finding
    assert judge("ip.lpm", f"# ip rule\n{FROM}# ip r\n{ROUTE}", dst="203.0.113.7").facts["prefix"] == "0.0.0.0/0"


ROUTE_N = """Kernel IP routing table
Destination     Gateway         Genmask         Flags Metric Ref    Use Iface
0.0.0.0         192.0.2.1       0.0.0.0         UG    100    0        0 eth0
10.0.0.0        -               255.0.0.0       !H    0      -        0 -
172.19.1.0      0.0.0.0         255.255.255.192 U     0      0        0 *
172.19.4.7      192.0.2.7       255.255.255.255 UGH   0      0        0 eth0
192.0.2.0       0.0.0.0         255.255.255.0   U     100    0        0 eth0
"""


def test_it_reads_what_route_n_prints() -> None:
    found = judge("ip.route", f"$ route -n\n{ROUTE_N}", LINK)
    assert (found.verdict, found.facts["variant"]) == (Verdict.OK, "procfs")
    assert [route["type"] for route in found.facts["routes"]] == ["unicast", "unreachable", "blackhole", "unicast", "unicast"]
    assert rules(judge("ip.route", ROUTE_N.replace("192.0.2.1  ", "192.0.3.1  "), ADDR)) == set(), "its gateway may follow"
    assert rules(judge("ip.route", ROUTE_N.replace("192.0.2.1  ", "192.0.1.1  "), ADDR)) == {"R02"}
    assert judge("ip.route", f"# route -n\n{ROUTE_N}# ip r\n{ROUTE}", LINK).facts["variant"] == "iproute2"


@pytest.mark.parametrize(("old", "new", "say"), [
    ("192.0.2.1  ", "gateway    ", "holds a name instead of an address"),
    ("Metric Ref    Use", "  MSS Window  irtt", "netstat -rn, which shows no metric"),
    ("100    0        0 eth0\n10", "100    0        0\n10", "is not a row of route -n"),
], ids=["names", "netstat", "row"])  # fmt: skip
def test_it_says_what_to_run_instead(old: str, new: str, say: str) -> None:
    found = judge("ip.route", ROUTE_N.replace(old, new), LINK)
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, Reason.UNPARSED)
    assert say in found.finding


ARP = """Address                  HWtype  HWaddress           Flags Mask            Iface
192.0.2.1                        (incomplete)                              eth0
192.0.2.7                ether   02:00:5e:10:00:07   C                     eth0
"""
ARP_AN = "? (192.0.2.1) at <incomplete> on eth0\n? (192.0.2.7) at 02:00:5e:10:00:07 [ether] on eth0\n"


@pytest.mark.parametrize("text", [ARP, ARP_AN], ids=["arp -n", "arp -an"])
def test_it_reads_what_arp_prints(text: str) -> None:
    found = judge("ip.neigh", text, ROUTE)
    assert found.facts["unanswered"] == 1
    assert found.finding.startswith("default gateway 192.0.2.1 on eth0 is INCOMPLETE")
    assert judge("ip.neigh", text.replace("192.0.2.7", "node-7"), ROUTE).reason == Reason.UNPARSED


@pytest.mark.parametrize(("probe_id", "text"), [
    ("ip.addr", "lo               UNKNOWN        127.0.0.1/8 ::1/128 \neth0             UP             192.0.2.10/24 \n"),
    ("ip.link", "eth0             UP             02:00:5e:10:00:0a <BROADCAST,MULTICAST,UP,LOWER_UP> \n"),
])  # fmt: skip
def test_it_asks_for_the_long_form_of_a_brief_list(probe_id: str, text: str) -> None:
    found = judge(probe_id, f"$ ip -br {probe_id[3:]}\n{text}")
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, Reason.UNPARSED)
    assert "without -br" in found.finding


def test_it_misses_no_device_in_a_list_that_may_go_on() -> None:
    some = "".join(LINK.splitlines(keepends=True)[:2])
    found = judge("ip.route", ROUTE, some)
    assert (found.verdict, found.reason, rules(found)) == (Verdict.UNKNOWN, Reason.MISSING, set())
    whole = judge("ip.route", f"# ip r\n{ROUTE}", f"[root@node-1 ~]# ip link\n{some}[root@node-1 ~]# ")
    assert (whole.verdict, rules(whole)) == (Verdict.WARN, {"R03", "R21"})
    one = judge("ip.route", f"# ip r\n{ROUTE}", f"[root@node-1 ~]# ip link show lo\n{some}[root@node-1 ~]# ")
    assert one.verdict == Verdict.UNKNOWN


def test_it_reads_json_between_prompts() -> None:
    rows = '[{"dst":"default","gateway":"192.0.2.1","dev":"eth0"},{"dst":"192.0.2.0/24","dev":"eth0","flags":[]}]'
    found = judge("ip.route", f"[root@node-1 ~]# ip -j r\n{rows}\n[root@node-1 ~]# ip link\n{LINK}[root@node-1 ~]# ")
    assert (found.verdict, found.facts["variant"]) == (Verdict.OK, "json")


VXLAN = """7: flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN mode DEFAULT group default
    link/ether 8e:00:5e:10:00:07 brd ff:ff:ff:ff:ff:ff
    vxlan id 1 local 192.0.2.10 dev eth0 srcport 0 0 dstport 8472 nolearning
"""
PEERS = "10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink\n10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink\n"
NEAR = "10.244.1.0 lladdr 02:00:5e:10:00:f1 PERMANENT\n10.244.2.0 lladdr 02:00:5e:10:00:f2 PERMANENT\n"
ENTRIES = "02:00:5e:10:00:f1 dst 192.0.2.11 self permanent\n02:00:5e:10:00:f2 dst 192.0.2.12 self permanent\n"


def vxlan(neigh: str = NEAR, fdb: str = ENTRIES) -> ProbeResult:
    outputs = {
        "ip link": LINK + VXLAN,
        "ip route": ROUTE + PEERS,
        "ip neigh show dev flannel.1": neigh,
        "bridge fdb show dev flannel.1": fdb,
    }
    return judge(
        "flannel.vxlan", "".join(f"[root@node-1 ~]# {one}\n{text}" for one, text in outputs.items()) + "[root@node-1 ~]# "
    )


def test_it_reads_the_neighbours_and_entries_of_one_device() -> None:
    assert vxlan().verdict == Verdict.OK
    assert vxlan(neigh=NEAR.replace("PERMANENT", "STALE", 1)).verdict == Verdict.CRIT
    assert vxlan(neigh=NEAR.partition("\n")[0] + "\n").verdict == Verdict.CRIT


def test_it_takes_the_other_end_in_another_namespace_for_no_fault() -> None:
    """busybox cannot look the device up that it only knows by number, and calls it down."""
    pod = ADDR.replace("eth0: <BROADCAST,MULTICAST,UP,LOWER_UP>", "eth0@if12: <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN>")
    assert rules(judge("ip.link", f"/ # ip a\n{pod}/ # ip r\n{ROUTE}")) == set()
    vlan = pod.replace("eth0@if12", "eth0@eth7")
    assert rules(judge("ip.link", f"/ # ip a\n{vlan}/ # ip r\n{ROUTE}")) == {"R25"}


@pytest.mark.parametrize("probe_id", ["ip.route", "ip.link", "ip.addr", "flannel.hostgw", "flannel.vxlan", "ip.rule"])
@pytest.mark.parametrize(
    "cut", [LINK + VXLAN, ADDR, ROUTE + PEERS, NEIGH, ENTRIES], ids=["link", "addr", "route", "neigh", "fdb"]
)
def test_it_calls_nothing_bad_that_is_only_cut_off(probe_id: str, cut: str) -> None:
    """Whatever line a paste of a healthy host ends at."""
    texts = [LINK + VXLAN, ADDR, ROUTE + PEERS, NEIGH, ENTRIES.replace(" dst", " dev flannel.1 dst"), RULE]
    lines = cut.splitlines(keepends=True)
    for end in range(1, len(lines)):
        part = "".join(lines[:end])
        if cut == ADDR and "inet" not in part:  # so far it is a second list of devices
            continue
        found = judge(probe_id, *(part if text == cut else text for text in texts))
        assert found.verdict in (Verdict.OK, Verdict.INFO, Verdict.UNKNOWN), f"{end}: {found.finding}"


@pytest.mark.parametrize(("probe_id", "text"), [
    ("ip.link", "".join(LINK.splitlines(keepends=True)[:3])),
    ("ip.addr", "".join(ADDR.splitlines(keepends=True)[:6]) + "    inet6 2001:db8::2/64 scope global\n"),
    ("ip.addr", "".join(ADDR.splitlines(keepends=True)[:7])),
], ids=["a device without its address", "an address without its lifetimes", "the next device"])  # fmt: skip
def test_it_sees_that_a_list_stops_in_the_middle_of_a_device(probe_id: str, text: str) -> None:
    found = judge(probe_id, text)
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, Reason.TRUNCATED)


def test_it_misses_no_rule_in_a_list_that_may_go_on() -> None:
    moved = "9:\tfrom all fwmark 0x200/0xf00 lookup 2004\n100:\tfrom all lookup local\n32766:\tfrom all lookup main\n"
    assert judge("ip.rule", moved).verdict == Verdict.INFO
    assert judge("ip.rule", moved.partition("\n")[0] + "\n").verdict == Verdict.UNKNOWN
    assert rules(judge("ip.rule", moved.replace("100:\tfrom all lookup local\n", ""))) == {"R22"}


def test_it_does_not_call_a_list_of_lo_alone_a_host() -> None:
    lo = "    inet 127.0.0.1/8 scope host lo\n       valid_lft forever preferred_lft forever\n"
    found = judge("ip.addr", "".join(LINK.splitlines(keepends=True)[:2]) + lo)
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, Reason.MISSING)
