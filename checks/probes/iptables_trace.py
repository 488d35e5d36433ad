"""The probe that follows one packet: every way it can take through the rules, with the probability of each."""

from __future__ import annotations

from dataclasses import replace

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_fault import Host, some
from checks.analyzers.kube_proxy_forwarding import assumed_node
from checks.analyzers.kube_proxy_outcome import fronts_at, node_port, outcomes
from checks.analyzers.packet import Node, Packet
from checks.analyzers.packet_state import Branch
from checks.analyzers.packet_trace import Tracer
from checks.collectors.iptables import KNOBS, KUBE_PROXY, NFT_CHAINS, SAVES
from checks.collectors.ipvs import IPSETS
from checks.params import Param
from checks.probes.base import FactSpec, Probe, Report
from checks.probes.iptables import ROUTE_SECTIONS, main_model, mode_of
from checks.probes.iptables_facts import branch_fact
from checks.probes.iptables_host import host_of
from checks.probes.iptables_routes import join_routes
from checks.probes.iptables_rules import RULES, SOURCES
from checks.probes.iptables_sections import CAPTURE, models, tell_incomplete
from checks.probes.iptables_tell import tell
from checks.results import Reason, Verdict

MOST_BRANCHES = 200
"""How many branches the fact lists, failing ones first of all; ``branch_count`` counts them all."""
SOME_PASSING = 20

_SOON = 1e-9


def _node(model: KubeProxy, host: Host, packet: Packet) -> tuple[Node, str]:
    """What is known of the node, and what had to be assumed of it."""
    node = assumed_node(model, host.node)
    if node.local is not None:
        return node, ""
    if packet.origin == "host":
        return replace(node, own=node.own | {packet.src}), ""
    own = not fronts_at(model, packet.dst) and packet.dst not in node.elsewhere
    if own and (packet.origin == "external" or node_port(model, packet)):
        say = f"the node's addresses are not in this capture: {packet.dst} is taken as its own"
        return replace(node, own=node.own | {packet.dst}), say
    return node, ""


def _with_interface(packet: Packet, host: Host) -> Packet:
    """The interface by which the source is reached, when routes are known: its packets come in there."""
    if packet.iif is None and packet.origin != "host" and host.node.route:
        hop = host.node.route(packet.src, "", "", 0)
        packet.iif = hop.dev if hop and hop.kind == "unicast" else None
    return packet


def _judge(report: Report) -> None:
    params = report.params
    packet = Packet(
        params["src"], params["dst"], params["dport"], params["proto"], origin=params["origin"], iif=params.get("iif")
    )
    found = models(report)
    host = host_of(report)
    join_routes(report, host)
    model = main_model(found, 6 if ":" in packet.dst else 4)
    if model is None:
        family = 6 if ":" in packet.dst else 4
        report.unknown(Reason.MISSING, f"there are no IPv{family} rules in this capture to follow {packet.dst} through")
        return
    tell_incomplete(report, [model])
    node, assumed = _node(model, host, packet)
    branches = Tracer(model.rules, node).trace(_with_interface(packet, host))
    _facts(report, model, packet, branches, assumed)
    faults = list(outcomes(model, host, packet, branches))
    if mode_of(found, host) == "ipvs" and _served_by_ipvs(model):
        report.unknown(
            Reason.NOT_APPLICABLE, "kube-proxy runs in ipvs mode, which picks endpoints outside these rules: ask ipvs.state"
        )
    elif not (model.rules.complete and (model.rules.ended or {"nat", "filter"} <= model.rules.tables.keys())):
        faults = [replace(fault, verdict=Verdict.INFO) if fault.verdict is Verdict.CRIT else fault for fault in faults]
    tell(report, faults)
    _say_path(report, model, packet, branches)


def _served_by_ipvs(model: KubeProxy) -> bool:
    return any(rule.match("match-set") for rule in model.rules.rules_of("nat", "KUBE-SERVICES"))


def _facts(report: Report, model: KubeProxy, packet: Packet, branches: list[Branch], assumed: str) -> None:
    named = next((service.label for service, front in fronts_at(model, packet.dst) if front.port == packet.dport), None)
    service = named or ((found := node_port(model, packet)) and found.label) or None
    report.fact("branches", [branch_fact(branch, assumed) for branch in _listed(branches)])
    report.fact("branch_count", len(branches))
    report.fact("sum_probability", round(sum(branch.probability for branch in branches), 9))
    report.fact("accepted_ratio", round(sum(branch.probability for branch in branches if branch.verdict == "ACCEPT"), 6))
    report.fact("dnat_targets", sorted({f"{b.packet.dst}:{b.packet.dport}" for b in branches if b.packet.dnat}))
    report.fact("masqueraded_ratio", round(sum(branch.probability for branch in branches if branch.packet.snat), 6))
    report.fact("service", service)


def _listed(branches: list[Branch]) -> list[Branch]:
    """The branches that the fact has room for, in the order of the rules: failing ones first of all, and some that pass."""
    failing = [branch for branch in branches if branch.verdict != "ACCEPT"]
    passing = [branch for branch in branches if branch.verdict == "ACCEPT"]
    room = min(len(passing), max(SOME_PASSING, MOST_BRANCHES - len(failing)))
    kept = {id(branch) for branch in (*failing[: MOST_BRANCHES - room], *passing[:room])}
    return [branch for branch in branches if id(branch) in kept]


def _say_path(report: Report, model: KubeProxy, packet: Packet, branches: list[Branch]) -> None:
    if any(each.verdict in (Verdict.WARN, Verdict.CRIT, Verdict.UNKNOWN) for each in report.findings):
        return
    targets = some(f"{b.packet.dst}:{b.packet.dport} ({b.probability:.1%})" for b in branches)
    snat = sum(branch.probability for branch in branches if branch.packet.snat)
    masked = "none masqueraded" if snat < _SOON else "all masqueraded" if snat > 1 - _SOON else f"{snat:.1%} masqueraded"
    way = f"{packet.src} to {packet.dst}:{packet.dport}/{packet.protocol}"
    if any(branch.packet.dnat for branch in branches):
        say = f"{way} goes to {targets}, {masked}"
    else:
        say = f"{way} passes all rules and keeps its target, {masked}"
    lines = [report.evidence(model.rules.section, step.line) for step in branches[0].path if step.line]
    report.find("path", Verdict.OK, say, value=len(branches), evidence=lines)


_IDS = ("K08", "K13", "K14", "K15", "K16", "K25", "K44", "K46", "K47", "path")

TRACE = Probe(
    id="iptables.trace",
    title="Way of a packet through iptables",
    question="Where does a new connection to this address go, with what probability, and who answers?",
    collectors=(*SAVES, NFT_CHAINS, KUBE_PROXY, KNOBS, IPSETS, *ROUTE_SECTIONS),
    judge=_judge,
    facts=(
        FactSpec("branches", "list", "probability, dnat_ip, dnat_port, verdict, snat, mark, path, route, notes; 200 at most"),
        FactSpec("branch_count", "int", "ways the packet can take"),
        FactSpec("sum_probability", "float", "sum over all ways, always 1"),
        FactSpec("accepted_ratio", "float", "probability that the packet passes all rules"),
        FactSpec("masqueraded_ratio", "float", "probability that its source is rewritten"),
        FactSpec("dnat_targets", "list", "endpoints it can reach"),
        FactSpec("service", "str?", "service port it is for"),
    ),
    rules=(*(rule for rule in RULES if rule.id in _IDS), CAPTURE),
    sources=SOURCES,
    params=(
        Param("src", "ip", required=True, help="source address of the connection"),
        Param("dst", "ip", required=True, help="address it connects to: a service, a node or a pod"),
        Param("dport", "port", required=True, help="port it connects to"),
        Param("proto", "proto", default="tcp", help="protocol"),
        Param(
            "origin",
            "enum",
            default="pod",
            choices=("pod", "host", "external"),
            help="who connects: a pod, this host, or someone outside",
        ),
        Param("iif", "iface", help="interface it comes in by, when routes do not tell"),
    ),
)

PROBES = (TRACE,)
