"""Whether plain traffic between pods may be forwarded: a NEW packet without a mark, sent through FORWARD (K24, K25).

KUBE-FORWARD accepts only marked and established traffic, so with a policy of DROP the CNI plugin must accept the rest.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import replace

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_fault import Fault, Host, Limits, Line, at, declared
from checks.analyzers.kube_proxy_marks import pod_cidr
from checks.analyzers.packet import Node, Packet, inside
from checks.analyzers.packet_state import Branch
from checks.analyzers.packet_trace import Tracer
from checks.parsers.iptables_rules import Chain, Rule, RuleSet
from checks.results import Reason, Verdict

_MOST_PODS = 4
_ANYONE = {4: ["192.0.2.11", "192.0.2.12"], 6: ["2001:db8::11", "2001:db8::12"]}
_KUBE = ("KUBE-SERVICES", "KUBE-FORWARD", "KUBE-EXTERNAL-SERVICES")
_NEVER_ACCEPT_NEW = frozenset((*_KUBE, "KUBE-FIREWALL", "KUBE-PROXY-FIREWALL"))
"""Chains of kube-proxy in filter: they refuse, or accept only marked and established traffic."""
_HOST_SERVICES = ("default/kubernetes:https",)


def bridge_networks(model: KubeProxy) -> dict[str, str]:
    """Networks behind bridges, told by masquerade rules such as ``-s 172.17.0.0/16 ! -o docker0``."""
    found: dict[str, str] = {}
    for rule in model.rules.rules_of("nat", "POSTROUTING"):
        out, source = rule.match("o"), rule.match("s")
        if rule.target == "MASQUERADE" and out and out.negated and source and not source.negated:
            found[out.value] = source.value
    return found


def assumed_node(model: KubeProxy, node: Node) -> Node:
    """The node with what the rules themselves tell: which addresses are services or pods, which networks are behind bridges."""
    services = model.by_suffix.values()
    fronts = [front for service in services for front in (*service.fronts, *service.refusals)]
    addresses = {front.ip for front in fronts if front.ip and front.kind == "cluster"}
    cidr = pod_cidr(model)
    pods = {pick.ip for service in services for pick in service.picks if pick.ip and cidr and inside(pick.ip, cidr)}
    return Node(
        local=node.local,
        route=node.route,
        route_localnet=node.route_localnet,
        sets=node.sets,
        bridges={**bridge_networks(model), **node.bridges},
        known_client=node.known_client,
        own=node.own,
        elsewhere=frozenset(addresses | pods) | node.elsewhere,
    )


def pods(model: KubeProxy) -> list[str]:
    """A few addresses that are surely pods: endpoints inside the pod network, local ones first; else none."""
    cidr = pod_cidr(model)
    local = [rule.value("s").removesuffix("/32") for rule in model.rules.rules_of("filter", "CNI-FORWARD") if rule.value("s")]
    found: list[str] = [each for each in local if re.fullmatch(r"[\d.]+", each)]
    for service in model.services:
        if service.name not in _HOST_SERVICES and cidr:
            found += [pick.ip for pick in service.picks if pick.ip and inside(pick.ip, cidr)]
    found = list(dict.fromkeys(found))[:_MOST_PODS]
    if len(found) == 1 and cidr:
        found += _others(cidr, found[0])
    return found or _within(cidr) or _anyone(model)


def _within(cidr: str | None) -> list[str]:
    """Two addresses of the pod network, as pods of two nodes have them."""
    network = ipaddress.ip_network(cidr, strict=False) if cidr else None
    return [str(network[place]) for place in (10, 266)] if network and network.num_addresses > 512 else []


def _others(cidr: str, pod: str) -> list[str]:
    network = ipaddress.ip_network(cidr, strict=False)
    own = int(ipaddress.ip_address(pod)) - int(network.network_address)
    near = [own + step for step in (7, 263, -7) if 0 < own + step < network.num_addresses - 1]
    return [str(network[place]) for place in near[:1]]


def _anyone(model: KubeProxy) -> list[str]:
    """Where no accepting rule of filter names an address, any two addresses meet the same rules."""
    table = model.rules.tables.get("filter")
    accepting = [rule for rule in table.rules() if rule.target not in ("REJECT", "DROP") and _takes_new(rule)] if table else []
    if any(match.option in ("s", "d") for rule in accepting for match in rule.matches):
        return []
    return _ANYONE[model.rules.family or 4]


def _takes_new(rule: Rule) -> bool:
    state = rule.match("ctstate") or rule.match("state")
    return state is None or state.negated or "NEW" in state.value.split(",")


def forwarded(model: KubeProxy, host: Host) -> list[Branch]:
    """What becomes of plain packets between pods in FORWARD; empty when no pod is known."""
    known = pods(model)
    elsewhere = _not_from(model)
    tracer = Tracer(_with_own_chains(model), assumed_node(model, host.node))
    ends: list[Branch] = []
    for src in known:
        for dst in known:
            if src != dst:
                packet = Packet(src, dst, 8080, "tcp", oif=_device(host, dst), iif=_device(host, src), assumed=dict(elsewhere))
                ends += tracer.trace(packet, (("filter", "FORWARD"),))
    return ends


def _with_own_chains(model: KubeProxy) -> RuleSet:
    """The rules with kube-proxy's own chains, empty where FORWARD alone was listed: they accept no such packet."""
    table = model.rules.tables["filter"]
    lost = [name for name in _NEVER_ACCEPT_NEW if name not in table.chains and model.references.get(("filter", name))]
    chains = {**table.chains, **{name: Chain(name, "filter") for name in lost}}
    return replace(model.rules, tables={**model.rules.tables, "filter": replace(table, chains=chains)}) if lost else model.rules


def _not_from(model: KubeProxy) -> dict[tuple[str, str], bool]:
    """Where no routes tell, the packet comes from a pod on another node, so not out of lo or a bridge of Docker on this one."""
    table = model.rules.tables.get("filter")
    rules = table.rules() if table else ()
    names = {match.value for rule in rules for match in rule.matches if match.option == "i"}
    return {("i", name): False for name in names if name == "lo" or name.startswith(("docker", "br-"))} | {("o", "lo"): False}


def _device(host: Host, address: str) -> str | None:
    hop = host.node.route(address, "", "", 0) if host.node.route else None
    return hop.dev if hop else None


def refuses_pods(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K24, K25: FORWARD refuses what kube-proxy's own rules do not accept."""
    chain = model.rules.chain("filter", "FORWARD")
    known = any(model.rules.chain("filter", name) or model.references.get(("filter", name)) for name in _KUBE)
    if chain is None or not known or ("filter", "FORWARD") in host.unreliable:
        return
    if not model.rules.visible("filter", "FORWARD", _NEVER_ACCEPT_NEW):
        return
    ends = forwarded(model, host)
    refused = bool(ends) and all(end.verdict in ("DROP", "REJECT") for end in ends)
    whole = model.rules.complete or model.rules.listing
    reached = model.rules.chain("filter", "KUBE-FORWARD") or model.references.get(("filter", "KUBE-FORWARD"))
    if chain.policy == "DROP" and not reached and whole:
        yield from _without_kube_forward(model, chain, ends, refused=refused)
    elif ends and refused:
        yield _refused(model, ends[0])


def _without_kube_forward(model: KubeProxy, chain: Chain, ends: list[Branch], *, refused: bool) -> Iterator[Fault]:
    say = "the policy of FORWARD is DROP and there is no KUBE-FORWARD"
    if refused:
        yield Fault("K24", Verdict.CRIT, f"{say}: service traffic between nodes is dropped", declared(model, chain))
    elif not ends or any(end.verdict != "ACCEPT" for end in ends):
        say = f"{say}; whether another rule accepts pods' traffic depends on what the rules alone do not show"
        yield Fault("K24", Verdict.UNKNOWN, say, declared(model, chain), reason=Reason.MISSING)


def _refused(model: KubeProxy, end: Branch) -> Fault:
    deciding = end.path[-1]
    known = {pick.ip for service in model.by_suffix.values() for pick in service.picks}
    who = f"pod {end.packet.src} to pod {end.packet.dst}" if end.packet.src in known else "one pod to another"
    say = f"FORWARD ends with {end.verdict} for a new packet from {who}"
    line = Line(model.rules.section, deciding.line, end.verdict if end.verdict in deciding.text else "")
    accepts = [rule for rule in model.rules.rules_of("filter", "KUBE-FORWARD") if rule.target == "ACCEPT"]
    return Fault("K25", Verdict.CRIT, say, (line, *(at(model, rule, "ACCEPT") for rule in accepts[:2])))


CHECKS = (refuses_pods,)
