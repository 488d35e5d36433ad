"""Healthy nodes of every era and of common network plugins give no warning, and their era is told."""

from __future__ import annotations

import pytest

from checks.probes.iptables import SAVE
from checks.results import Verdict

MINORS = (2, 5, 8, 9, 10, 12, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27, 29, 31)


def bad(result):
    return [(each.rule, str(each.verdict), each.say) for each in result.findings if each.verdict in (Verdict.WARN, Verdict.CRIT)]


def version(text):
    return tuple(map(int, text.split(".")))


@pytest.mark.parametrize("minor", MINORS)
def test_it_finds_a_healthy_node_healthy(minor, new_node, judge):
    result = judge(SAVE, iptables__save=new_node(minor).text())
    assert bad(result) == []
    assert result.verdict is Verdict.OK, result.finding
    era = result.facts["era"]
    assert not era["min"] or version(era["min"]) <= (1, minor)
    assert not era["max"] or (1, minor) <= version(era["max"])
    assert result.facts["service_count"] == 4


@pytest.mark.parametrize("minor", [8, 12, 16, 19, 23, 24, 25, 28])
def test_it_takes_refused_services_as_normal(minor, new_node, judge):
    node = new_node(minor)
    node.service("prod/empty", "tcp", "10.96.50.1", 80, [])
    result = judge(SAVE, iptables__save=node.text())
    assert bad(result) == []
    assert [each.verdict for each in result.findings if each.rule == "K15"] == [Verdict.INFO]
    assert result.facts["no_endpoint_services"] == [node.name("prod/empty")]


@pytest.mark.parametrize("minor", [12, 16, 20, 23, 24, 25, 28])
def test_it_takes_a_local_policy_behind_a_load_balancer_as_normal(minor, new_node, judge):
    node = new_node(minor)
    ends = ["10.244.0.20:80", "10.244.1.20:80"]
    node.service("edge/ingress:http", "tcp", "10.96.60.1", 80, ends, node_port=30081, local=[], lb="198.51.100.7")
    node.service("edge/other:http", "tcp", "10.96.60.2", 80, ends, node_port=30082, local=ends[:1], lb="198.51.100.8")
    result = judge(SAVE, iptables__save=node.text())
    assert bad(result) == []
    assert result.verdict is Verdict.OK, result.finding


@pytest.mark.parametrize("minor", [12, 16, 20, 23, 24, 25, 28])
def test_it_warns_of_a_local_policy_that_only_a_node_port_leads_to(minor, new_node, judge):
    node = new_node(minor)
    node.service("edge/ingress:http", "tcp", "10.96.60.1", 80, ["10.244.0.20:80"], node_port=30081, local=[])
    assert [rule for rule, _, _ in bad(judge(SAVE, iptables__save=node.text()))] == ["K16"]


@pytest.mark.parametrize("detector", ["", "! -i cni0 ", "! -i azv+ ", "-m addrtype ! --src-type LOCAL "])
@pytest.mark.parametrize("minor", [18, 24, 28])
def test_it_takes_any_local_traffic_detector(minor, detector, new_node, judge):
    assert bad(judge(SAVE, iptables__save=new_node(minor, detector=detector).text())) == []


def test_it_takes_large_cluster_mode_with_stale_chains(new_node, judge):
    node = new_node(25)
    for number in range(60):
        node.service(f"big/s{number}", "tcp", f"10.97.0.{number}", 80, [f"10.244.9.{number}:80"], quiet=True)
        node.chain("nat", f"KUBE-SEP-STALE{number:03}")
    quiet = "\n".join(line.replace(" -> ", "", 0) for line in node.text().split("\n"))
    result = judge(SAVE, iptables__save=quiet)
    assert [rule for rule, _, _ in bad(result)] in ([], ["K06"])


def flannel(node):
    node.chain("filter", "FLANNEL-FWD")
    node.add("filter", '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD')
    node.add("filter", "-A FLANNEL-FWD -s 10.244.0.0/16 -j ACCEPT", "-A FLANNEL-FWD -d 10.244.0.0/16 -j ACCEPT")


def old_flannel(node):
    node.add("filter", "-A FORWARD -s 10.244.0.0/16 -j ACCEPT", "-A FORWARD -d 10.244.0.0/16 -j ACCEPT")
    node.add(
        "nat",
        "-A POSTROUTING -s 10.244.0.0/16 -d 10.244.0.0/16 -j RETURN",
        "-A POSTROUTING -s 10.244.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE",
    )


def docker(node):
    node.policy["FORWARD"] = "DROP"
    node.chain("filter", "DOCKER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2", "DOCKER-USER")
    node.chain("nat", "DOCKER")
    node.add("filter", "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-ISOLATION-STAGE-1")
    node.add(
        "filter", "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A FORWARD -o docker0 -j DOCKER"
    )
    node.add("filter", "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT", "-A FORWARD -i docker0 -o docker0 -j ACCEPT")
    node.add(
        "filter",
        "-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2",
        "-A DOCKER-ISOLATION-STAGE-1 -j RETURN",
    )
    node.add(
        "filter",
        "-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP",
        "-A DOCKER-ISOLATION-STAGE-2 -j RETURN",
        "-A DOCKER-USER -j RETURN",
    )
    node.add(
        "nat",
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
    )
    node.add("nat", "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", "-A DOCKER -i docker0 -j RETURN")


def calico(node):
    node.policy["FORWARD"] = "DROP"
    node.chain("filter", "cali-FORWARD", "cali-from-wl-dispatch", "cali-to-wl-dispatch", "cali-fw-cali12", "cali-pi-_x")
    node.base["filter"].insert(0, '-A FORWARD -m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD')
    node.add("filter", '-A FORWARD -m comment --comment "cali:S93hcgKJrXEqnTfs" -m mark --mark 0x10000/0x10000 -j ACCEPT')
    node.add("filter", '-A cali-FORWARD -m comment --comment "cali:vjrMJCRpqwy5oRoX" -j MARK --set-xmark 0x0/0xe0000')
    node.add("filter", "-A cali-FORWARD -i cali+ -j cali-from-wl-dispatch", "-A cali-FORWARD -o cali+ -j cali-to-wl-dispatch")
    node.add(
        "filter", "-A cali-FORWARD -j MARK --set-xmark 0x10000/0x10000", "-A cali-from-wl-dispatch -i cali12 -g cali-fw-cali12"
    )
    node.add("filter", '-A cali-from-wl-dispatch -m comment --comment "Unknown interface" -j DROP')
    node.add("filter", "-A cali-fw-cali12 -m set --match-set cali40s:abc src -j cali-pi-_x", "-A cali-to-wl-dispatch -j DROP")


def weave(node):
    node.policy["FORWARD"] = "DROP"
    node.chain("filter", "WEAVE-NPC", "WEAVE-NPC-DEFAULT")
    node.chain("nat", "WEAVE")
    node.add("filter", '-A FORWARD -o weave -m comment --comment "NOTE: this must go before" -j WEAVE-NPC')
    node.add("filter", "-A FORWARD -o weave -m state --state NEW -j NFLOG --nflog-group 86", "-A FORWARD -o weave -j DROP")
    node.add(
        "filter",
        "-A FORWARD -i weave ! -o weave -j ACCEPT",
        "-A FORWARD -o weave -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    )
    node.add("filter", "-A WEAVE-NPC -m state --state RELATED,ESTABLISHED -j ACCEPT", "-A WEAVE-NPC -d 224.0.0.0/4 -j ACCEPT")
    node.add(
        "filter",
        "-A WEAVE-NPC -m state --state NEW -j WEAVE-NPC-DEFAULT",
        "-A WEAVE-NPC-DEFAULT -m set --match-set weave-x dst -j ACCEPT",
    )
    node.add(
        "nat",
        "-A POSTROUTING -j WEAVE",
        "-A WEAVE -s 10.244.0.0/16 -d 224.0.0.0/4 -j RETURN",
        "-A WEAVE ! -s 10.244.0.0/16 -d 10.244.0.0/16 -j MASQUERADE",
    )


def k3s(node):
    node.chain(
        "filter", "KUBE-ROUTER-FORWARD", "KUBE-ROUTER-INPUT", "KUBE-ROUTER-OUTPUT", "KUBE-NWPLCY-DEFAULT", "KUBE-POD-FW-ABC"
    )
    node.base["filter"].insert(
        0, '-A FORWARD -m comment --comment "kube-router netpol - TEMCG2JMHZYE7H7T" -j KUBE-ROUTER-FORWARD'
    )
    node.add(
        "filter",
        "-A KUBE-ROUTER-FORWARD -d 10.244.0.5/32 -j KUBE-POD-FW-ABC",
        "-A KUBE-POD-FW-ABC -m set --match-set KUBE-DST-X src -j ACCEPT",
    )
    node.add(
        "filter",
        "-A KUBE-ROUTER-FORWARD -m mark --mark 0x20000/0x20000 -j ACCEPT",
        "-A KUBE-NWPLCY-DEFAULT -j MARK --set-xmark 0x10000/0x10000",
    )
    flannel(node)


def cilium(node):
    node.chain("filter", "CILIUM_FORWARD", "CILIUM_INPUT")
    node.chain("nat", "CILIUM_POST_nat")
    node.base["filter"].insert(0, '-A FORWARD -m comment --comment "cilium-feeder: CILIUM_FORWARD" -j CILIUM_FORWARD')
    node.add("filter", "-A CILIUM_FORWARD -o cilium_host -j ACCEPT", "-A CILIUM_FORWARD -i lxc+ -j ACCEPT")
    node.base["nat"].insert(0, '-A POSTROUTING -m comment --comment "cilium-feeder: CILIUM_POST_nat" -j CILIUM_POST_nat')
    node.add("nat", "-A CILIUM_POST_nat -m mark ! --mark 0xe00/0xf00 -o cilium_host -j RETURN")


def aws(node):
    node.chain("nat", "AWS-SNAT-CHAIN-0", "AWS-CONNMARK-CHAIN-0")
    node.add("nat", '-A PREROUTING -i eni+ -m comment --comment "AWS, outbound connections" -j AWS-CONNMARK-CHAIN-0')
    node.add("nat", "-A PREROUTING -j CONNMARK --restore-mark --nfmask 0x80 --ctmask 0x80", "-A POSTROUTING -j AWS-SNAT-CHAIN-0")
    node.add(
        "nat",
        "-A AWS-SNAT-CHAIN-0 ! -d 10.0.0.0/16 ! -o vlan+ -m addrtype ! --dst-type LOCAL -j SNAT --to-source 192.0.2.10",
    )


def gke(node):
    node.policy["FORWARD"] = "DROP"
    node.chain("nat", "IP-MASQ", "KUBE-METADATA-SERVER")
    node.add("filter", *(f"-A FORWARD -p {protocol} -j ACCEPT" for protocol in ("tcp", "udp", "icmp", "sctp")))
    node.add(
        "nat",
        "-A POSTROUTING -m addrtype ! --dst-type LOCAL -j IP-MASQ",
        "-A IP-MASQ -d 10.0.0.0/8 -j RETURN",
        "-A IP-MASQ -j MASQUERADE",
    )


@pytest.mark.parametrize("plugin", [flannel, old_flannel, docker, calico, weave, k3s, cilium, aws, gke])
@pytest.mark.parametrize("minor", [6, 12, 18, 23, 28])
def test_it_leaves_network_plugins_alone(minor, plugin, new_node, judge):
    node = new_node(minor)
    plugin(node)
    if plugin is docker:
        old_flannel(node)
    result = judge(SAVE, iptables__save=node.text())
    assert bad(result) == []
    depends_on_interfaces = plugin in (calico, weave) and minor < 9
    assert result.verdict is (Verdict.UNKNOWN if depends_on_interfaces else Verdict.OK), result.finding


@pytest.mark.parametrize("minor", [9, 15, 20, 28])
def test_it_finds_dockers_drop_without_a_plugin_that_accepts(minor, new_node, judge):
    node = new_node(minor)
    docker(node)
    result = judge(SAVE, iptables__save=node.text())
    assert [rule for rule, _, _ in bad(result)] == ["K25"]
    assert result.verdict is Verdict.CRIT


@pytest.mark.parametrize("minor", [5, 8])
def test_it_finds_dockers_drop_before_kube_forward_existed(minor, new_node, judge):
    node = new_node(minor)
    docker(node)
    assert [rule for rule, _, _ in bad(judge(SAVE, iptables__save=node.text()))] == ["K24"]
