"""Whether plain traffic between pods may be forwarded: a NEW packet without a mark, sent through FORWARD (K24, K25).

KUBE-FORWARD accepts only marked and established traffic, so with a policy of DROP the CNI plugin must accept the rest.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_fault import Fault, Host, Limits, Line, at, declared
from checks.analyzers.kube_proxy_marks import pod_cidr
from checks.analyzers.packet import Node, Packet, inside
from checks.analyzers.packet_state import Branch
from checks.analyzers.packet_trace import Tracer
from checks.results import Verdict

_MOST_PODS = 4
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
    addresses = {front.ip for service in services for front in service.fronts if front.ip and front.kind == "cluster"}
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
        found += [str(each) for each in _others(cidr, found[0])]
    return found


def _others(cidr: str, pod: str) -> Iterator[str]:
    network = ipaddress.ip_network(cidr, strict=False)
    for step in (7, 263, -7):
        other = ipaddress.ip_address(pod) + step
        if other in network:
            yield str(other)
            return


def forwarded(model: KubeProxy, host: Host) -> list[Branch]:
    """What becomes of plain packets between pods in FORWARD; empty when no pod is known."""
    known = pods(model)
    tracer = Tracer(model.rules, assumed_node(model, host.node))
    ends: list[Branch] = []
    for src in known:
        for dst in known:
            if src != dst:
                packet = Packet(src, dst, 8080, "tcp", oif=_device(host, dst), iif=_device(host, src))
                ends += tracer.trace(packet, (("filter", "FORWARD"),))
    return ends


def _device(host: Host, address: str) -> str | None:
    hop = host.node.route(address, "", "", 0) if host.node.route else None
    return hop.dev if hop else None


def refuses_pods(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K24, K25: FORWARD refuses what kube-proxy's own rules do not accept."""
    chain = model.rules.chain("filter", "FORWARD")
    if not model.rules.complete or not model.present or chain is None or ("filter", "FORWARD") in host.unreliable:
        return
    ends = forwarded(model, host)
    accepted = bool(ends) and all(end.verdict == "ACCEPT" for end in ends)
    if chain.policy == "DROP" and model.rules.chain("filter", "KUBE-FORWARD") is None and not accepted:
        say = "the policy of FORWARD is DROP and there is no KUBE-FORWARD: service traffic between nodes is dropped"
        yield Fault("K24", Verdict.CRIT, say, declared(model, chain))
        return
    if not ends or not all(end.verdict in ("DROP", "REJECT") for end in ends):
        return
    end = ends[0]
    deciding = end.path[-1]
    say = f"FORWARD ends with {end.verdict} for a new packet from pod {end.packet.src} to pod {end.packet.dst}"
    lines = (Line(model.rules.section, deciding.line, "DROP" if "DROP" in deciding.text else ""),)
    forward = model.rules.rules_of("filter", "KUBE-FORWARD")
    accepts = [at(model, rule, "ACCEPT") for rule in forward if rule.target == "ACCEPT"]
    yield Fault("K25", Verdict.CRIT, say, (*lines, *accepts[:2]))


CHECKS = (refuses_pods,)
