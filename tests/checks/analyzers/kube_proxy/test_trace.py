# ruff: noqa: E501 - rules are as the tool prints them
"""The way of a packet: the worked example, its damaged forms, and what a capture cannot tell."""

from __future__ import annotations

import pytest

from checks.analyzers.packet import Hop, Node, Packet, set_mark
from checks.analyzers.packet_match import verdict_of
from checks.analyzers.packet_trace import Tracer
from checks.parsers.iptables_save import read, read_rule

NODE = "192.168.105.131"
WEB = ("172.19.1.10:8080", "172.19.2.10:8080", "172.19.2.10:8081")


def route(dst, src, iif, mark):
    if dst == NODE or dst.startswith("127."):
        return Hop("local", "lo")
    if dst.startswith("172.19.1."):
        return Hop("unicast", "cni0")
    return Hop("unicast", "eth0", "192.168.105.1")


STRICT = (
    ":FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:KUBE-EXTERNAL-SERVICES",
    ":FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:KUBE-EXTERNAL-SERVICES",
)
KNOWN = Node(local=frozenset({NODE, "172.19.1.1", "127.0.0.1"}), route=route, route_localnet=False)


def ways(rules, packet, node=KNOWN):
    branches = Tracer(rules, node).trace(packet)
    assert sum(branch.probability for branch in branches) == pytest.approx(1)
    return branches


def told(branches):
    return {f"{b.packet.dst}:{b.packet.dport}": (round(b.probability, 4), b.verdict, b.packet.snat) for b in branches}


def test_it_follows_a_pod_to_a_cluster_ip_with_hairpin(rules):
    found = ways(rules(), Packet("172.19.1.10", "10.96.23.5", 80, "tcp"))
    assert told(found) == {
        WEB[0]: (0.3333, "ACCEPT", "MASQUERADE"),
        WEB[1]: (0.3333, "ACCEPT", ""),
        WEB[2]: (0.3333, "ACCEPT", ""),
    }
    assert [(step.table, step.chain) for step in found[1].path] == [
        ("nat", "PREROUTING"),
        ("nat", "KUBE-SERVICES"),
        ("nat", "KUBE-SVC-I6F7J7E256H6PY43"),
        ("nat", "KUBE-SEP-AAPJ25H33NTEMXPJ"),
        ("filter", "FORWARD"),
        ("filter", "FORWARD"),
        ("filter", "FORWARD"),
        ("filter", "FORWARD"),
        ("nat", "POSTROUTING"),
        ("nat", "KUBE-POSTROUTING"),
    ]


def test_it_points_at_the_rules_it_took(rules):
    found = rules()
    lines = {rule.line: rule for rule in found.rules()}
    for branch in ways(found, Packet("172.19.1.10", "10.96.23.5", 80, "tcp")):
        for step in branch.path:
            assert (lines[step.line].raw, lines[step.line].chain) == (step.text, step.chain)


def test_it_masquerades_a_host_and_an_outsider(rules):
    host = ways(rules(), Packet(NODE, "10.96.23.5", 80, "tcp", "host"))
    outside = ways(rules(), Packet("192.168.105.132", NODE, 30080, "tcp", "external"))
    for found in (host, outside):
        assert {b.packet.snat for b in found} == {"MASQUERADE"}
        assert {b.verdict for b in found} == {"ACCEPT"}
        assert set(told(found)) == set(WEB)
    assert [step.chain for step in outside[0].path][1:5] == [
        "KUBE-SERVICES",
        "KUBE-NODEPORTS",
        "KUBE-EXT-I6F7J7E256H6PY43",
        "KUBE-MARK-MASQ",
    ]


def test_it_times_out_from_loopback_without_route_localnet(rules):
    packet = Packet("127.0.0.1", "127.0.0.1", 30080, "tcp", "host")
    assert {b.verdict for b in ways(rules(), packet)} == {"timeout"}
    allowed = Node(local=KNOWN.local, route=route, route_localnet=True)
    assert {(b.verdict, b.packet.snat) for b in ways(rules(), packet, allowed)} == {("ACCEPT", "MASQUERADE")}
    unknown = Node(local=KNOWN.local, route=route)
    assert {b.verdict for b in ways(rules(), packet, unknown)} == {"unknown"}


def test_it_lets_a_port_that_is_no_service_pass_untouched(rules):
    (only,) = ways(rules(), Packet("172.19.1.10", "10.96.23.5", 81, "tcp"))
    assert (only.verdict, only.packet.dst, only.packet.dnat, only.route.dev) == ("ACCEPT", "10.96.23.5", False, "eth0")


def test_it_stops_a_host_without_a_route_before_any_rule(rules):
    node = Node(local=KNOWN.local, route=lambda dst, src, iif, mark: Hop("none"))
    (only,) = ways(rules(), Packet(NODE, "10.96.0.1", 443, "tcp", "host"), node)
    assert (only.verdict, only.path) == ("unreachable", ())


def test_it_ends_where_routing_ends(rules):
    def holed(dst, src, iif, mark):
        return Hop("blackhole", prefix="172.19.2.0/26") if dst.startswith("172.19.2.") else route(dst, src, iif, mark)

    found = told(ways(rules(), Packet("172.19.1.10", "10.96.23.5", 80, "tcp"), Node(local=KNOWN.local, route=holed)))
    assert {end[1] for end in found.values()} == {"ACCEPT", "DROP"}
    assert found[WEB[1]][:2] == (0.3333, "DROP")


def test_it_meets_the_reject_of_a_service_without_endpoints(rules):
    nat = "-A KUBE-SERVICES -d 10.96.23.5/32 -p tcp"
    reject = '-A KUBE-SERVICES -d 10.96.23.5/32 -p tcp -m comment --comment "prod/web:http has no endpoints" -m tcp --dport 80 -j REJECT'
    invalid = "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP"
    found = rules((nat, "-A KUBE-SERVICES -d 10.96.99.9/32 -p tcp"), (invalid, f"{invalid}\n{reject}"))
    for packet in (Packet("172.19.1.10", "10.96.23.5", 80, "tcp"), Packet(NODE, "10.96.23.5", 80, "tcp", "host")):
        (only,) = ways(found, packet)
        assert (only.verdict, only.path[-1].chain, only.packet.dnat) == ("REJECT", "KUBE-SERVICES", False)


def test_it_keeps_a_known_client_with_its_endpoint(rules):
    svc, sep = "KUBE-SVC-I6F7J7E256H6PY43", "KUBE-SEP-A5UTMTWXRQ7O4QWF"
    first = f'-A {svc} -m comment --comment "prod/web:http -> 172.19.1.10:8080"'
    sticky = f"-A {svc} -m recent --rcheck --seconds 10800 --reap --name {sep} --mask 255.255.255.255 --rsource -j {sep}\n{first}"
    packet = Packet("172.19.1.10", "10.96.23.5", 80, "tcp")
    assert len(ways(rules((first, sticky)), packet)) == 3
    known = Node(local=KNOWN.local, route=route, known_client=True)
    assert told(ways(rules((first, sticky)), packet, known)) == {WEB[2]: (1.0, "ACCEPT", "")}


def test_it_leaks_where_the_last_rule_is_gone(rules):
    last = '-A KUBE-SVC-I6F7J7E256H6PY43 -m comment --comment "prod/web:http -> 172.19.2.10:8081" -j KUBE-SEP-A5UTMTWXRQ7O4QWF\n'
    found = told(ways(rules((last, "")), Packet("172.19.1.10", "10.96.23.5", 80, "tcp")))
    assert found["10.96.23.5:80"] == (0.3333, "ACCEPT", "")


def test_it_drops_at_a_policy_of_drop_what_only_marked_traffic_may_pass(rules):
    strict = rules(STRICT)
    (only,) = ways(strict, Packet("172.19.1.10", "172.19.2.10", 8080, "tcp"))
    assert (only.verdict, only.path[-1].text) == ("DROP", "policy of FORWARD is DROP")
    open_again = rules(
        STRICT,
        ("-A OUTPUT -j KUBE-FIREWALL", "-A OUTPUT -j KUBE-FIREWALL\n-A FORWARD -s 172.19.0.0/16 -j ACCEPT"),
    )
    (only,) = ways(open_again, Packet("172.19.1.10", "172.19.2.10", 8080, "tcp"))
    assert only.verdict == "ACCEPT"


@pytest.mark.parametrize("condition", ["-m set --match-set allowed src", "-m limit --limit 5/sec", "-m cleverness --depth 3"])
def test_it_is_unknown_only_where_the_unseen_decides(rules, condition):
    packet = Packet("172.19.1.10", "10.96.23.5", 80, "tcp")
    jump = '-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall"'
    drop = rules((jump, f"-A FORWARD {condition} -j DROP\n{jump}"))
    found = ways(drop, packet)
    assert {b.verdict for b in found} == {"unknown"}
    line = next(rule.line for rule in drop.rules() if rule.target == "DROP" and rule.chain == "FORWARD")
    assert f"line {line} of filter FORWARD" in found[0].notes[-1]
    harmless = rules((jump, f"-A FORWARD {condition} -j ACCEPT\n-A FORWARD {condition} -j LOG\n{jump}"))
    assert {b.verdict for b in ways(harmless, packet)} == {"ACCEPT"}


def test_it_does_without_routes_where_interfaces_do_not_decide(rules):
    jump = '-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall"'
    docker = rules((jump, f"-A FORWARD -o docker0 -j ACCEPT\n-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n{jump}"))
    packet = Packet("172.19.1.10", "10.96.23.5", 80, "tcp")
    assert {b.verdict for b in ways(docker, packet, Node())} == {"ACCEPT"}
    strict = rules(STRICT, (jump, f"-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n{jump}"))
    assert "unknown" in {b.verdict for b in ways(strict, packet, Node())}
    elsewhere = Node(bridges={"docker0": "172.17.0.0/16"}, elsewhere=frozenset({"172.19.2.10"}))
    assert {b.verdict for b in ways(strict, Packet("172.19.1.10", "172.19.2.10", 8080, "tcp"), elsewhere)} == {"DROP"}


def test_it_skips_nat_for_untracked_packets():
    text = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -j CT --notrack\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n"
    text += (
        "-A PREROUTING -p udp -j DNAT --to-destination 10.0.0.9:53\n-A PREROUTING -p tcp -j REDIRECT --to-ports 15001\nCOMMIT\n"
    )
    (found,) = read(text)
    (only,) = ways(found, Packet("10.0.0.1", "10.96.0.10", 53, "udp"), Node())
    assert (only.packet.dst, only.packet.untracked) == ("10.96.0.10", True)


def test_it_returns_to_the_callers_caller_after_a_goto():
    text = (
        "*nat\n:PREROUTING ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n-A PREROUTING -j A\n-A PREROUTING -j MARK --set-xmark 0x1/0x1\n"
    )
    text += "-A A -g B\n-A A -j MARK --set-xmark 0x2/0x2\n-A B -j MARK --set-xmark 0x4/0x4\nCOMMIT\n"
    (only,) = ways(read(text)[0], Packet("10.0.0.1", "10.0.0.2", 80, "tcp"), Node())
    assert only.packet.mark == 5


def test_it_does_not_run_for_ever_in_a_loop():
    text = "*nat\n:PREROUTING ACCEPT [0:0]\n:A - [0:0]\n-A PREROUTING -j A\n-A A -j A\nCOMMIT\n"
    (only,) = ways(read(text)[0], Packet("10.0.0.1", "10.0.0.2", 80, "tcp"), Node())
    assert only.verdict == "unknown"


def test_it_traces_v6_as_v4():
    text = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:S - [0:0]\n-A PREROUTING -j S\n"
    text += "-A S -d fd00:96::5/128 -p tcp -m tcp --dport 80 -m statistic --mode random --probability 0.5 -j DNAT --to-destination [fd00::9]:8080\n"
    text += "-A S -d fd00:96::5/128 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00::a]:8080\n"
    text += "-A POSTROUTING -s fd00::/64 ! -d fd00::/64 -j MASQUERADE\nCOMMIT\n"
    found = ways(read(text)[0], Packet("fd00::1", "fd00:96::5", 80, "tcp"), Node())
    assert told(found) == {"fd00::9:8080": (0.5, "ACCEPT", ""), "fd00::a:8080": (0.5, "ACCEPT", "")}


def test_it_does_mark_arithmetic_as_the_kernel_does():
    assert set_mark(0xFF, ("--set-xmark", "0x4000/0x4000")) == 0x40FF
    assert set_mark(0x40FF, ("--set-xmark", "0x4000/0x0")) == 0xFF
    assert set_mark(0x40FF, ("--set-xmark", "0x1/0xffffffff")) == 1
    assert set_mark(0x40FF, ("--and-mark", "0xff")) == 0xFF


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("-p tcp -m tcp --dport 80", 1.0),
        ("-p tcp -m tcp ! --dport 80", 0.0),
        ("-p udp", 0.0),
        ("! -p udp", 1.0),
        ("-p tcp -m multiport --dports 22,80:90", 1.0),
        ("-p tcp -m tcp --sport 53", 0.0),
        ("-p tcp -m tcp --sport 40000", None),
        ("-s 172.19.0.0/16", 1.0),
        ("! -d 10.96.0.0/16", 0.0),
        ("-i eth+", 0.0),
        ("-i azv+", 1.0),
        ("! -i azv12", 0.0),
        ("-m conntrack --ctstate RELATED,ESTABLISHED", 0.0),
        ("-m state --state NEW", 1.0),
        ("-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT", 1.0),
        ("-m mark --mark 0x0/0x4000", 1.0),
        ("-m addrtype --dst-type LOCAL", 0.0),
        ("-m addrtype ! --src-type LOCAL", 1.0),
        ("-m tcp --tcp-flags FIN,SYN,RST,ACK SYN", 1.0),
        ("-m tcp --tcp-flags FIN,SYN FIN,SYN", 0.0),
        ("-m rpfilter --invert", 0.0),
        ("-m string --algo bm --string evil", None),
        ("-p udp -m string --algo bm --string evil", 0.0),
        ('-m comment --comment "-j DROP"', 1.0),
    ],
)
def test_it_matches(condition, expected):
    packet = Packet("172.19.1.10", "10.96.23.5", 80, "tcp", iif="azv12")
    assert verdict_of(read_rule(1, f"-A X {condition} -j Y", "nat"), packet, KNOWN) == expected
