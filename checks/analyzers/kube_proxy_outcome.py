"""What the ways of a packet mean for its service: refused, dropped, lost, unreachable, or not to be told."""

from __future__ import annotations

from collections.abc import Iterator

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_fault import Fault, Host, Line, some
from checks.analyzers.kube_proxy_services import Front, Service
from checks.analyzers.packet import Packet
from checks.analyzers.packet_state import Branch
from checks.results import Reason, Verdict

_SOON = 1e-9


def fronts_at(model: KubeProxy, ip: str) -> list[tuple[Service, Front]]:
    """The services that answer at an address."""
    return [(service, front) for service in model.services for front in (*service.fronts, *service.refusals) if front.ip == ip]


def node_port(model: KubeProxy, packet: Packet) -> Service | None:
    """The service whose node port the packet asks for."""
    for service in model.services:
        for front in (*service.fronts, *service.refusals):
            if front.kind == "nodeport" and (front.port, front.protocol) == (packet.dport, packet.protocol):
                return service
    return None


def _line(model: KubeProxy, branch: Branch) -> tuple[Line, ...]:
    route = (
        (Line(*branch.route.line),) if branch.route and branch.route.line and branch.verdict in ("unreachable", "DROP") else ()
    )
    step = branch.doubt or (branch.path[-1] if branch.path else None)
    return ((Line(model.rules.section, step.line),) if step else ()) + route


def outcomes(model: KubeProxy, host: Host, packet: Packet, branches: list[Branch]) -> Iterator[Fault]:
    """What is wrong with each way, one fault per way that fails."""
    for branch in branches:
        part = "all packets" if branch.probability > 1 - _SOON else f"{branch.probability:.1%} of the connections"
        where = f"{branch.packet.dst}:{branch.packet.dport}"
        if branch.verdict == "unknown":
            say = f"{part} to {where}: {branch.notes[-1] if branch.notes else 'the way cannot be told'}"
            yield Fault("path", Verdict.UNKNOWN, say, _line(model, branch), reason=Reason.MISSING)
        elif branch.verdict != "ACCEPT":
            yield _ended(model, host, branch, f"{part} to {where}")
        elif not branch.packet.dnat:
            yield from _untouched(model, packet, branch, part)
    yield from _around(model, host, packet, branches)


def _ended(model: KubeProxy, host: Host, branch: Branch, part: str) -> Fault:
    last = branch.path[-1] if branch.path else None
    text = last.text if last else ""
    lines = _line(model, branch)
    share = round(branch.probability, 6)
    if branch.verdict == "unreachable" or (branch.route and branch.route.kind == "blackhole" and branch.verdict == "DROP"):
        before = not branch.path and not branch.packet.dnat
        stale = branch.route is not None and branch.route.kind == "blackhole" and branch.route.prefix in host.own_blocks
        rule = "K44" if before else "K14" if stale else "K13"
        return Fault(rule, Verdict.CRIT, f"{part}: {branch.notes[-1] if before else _routing_note(branch)}", lines, share)
    if "no endpoints" in text:
        return Fault("K15", Verdict.CRIT, f"{part} are refused: the service has no ready endpoint", lines, share)
    if "no local endpoints" in text or any("no local endpoints" in step.text for step in branch.path):
        say = f"{part} are dropped: the service is for local pods only and none is on this node"
        return Fault("K16", Verdict.CRIT, say, lines, share)
    if last and last.chain.startswith("FORWARD"):
        return Fault("K25", Verdict.CRIT, f"{part} end in FORWARD with {branch.verdict}", lines, share)
    note = f": {branch.notes[-1]}" if branch.verdict == "timeout" and branch.notes else ""
    place = f" in {last.table} {last.chain}" if last else ""
    return Fault("path", Verdict.CRIT, f"{part} end with {branch.verdict}{place}{note}", lines, share)


def _routing_note(branch: Branch) -> str:
    return next(
        (note for note in branch.notes if note.startswith("routing of")), branch.notes[-1] if branch.notes else "no route"
    )


def _untouched(model: KubeProxy, packet: Packet, branch: Branch, part: str) -> Iterator[Fault]:
    """A packet to a service address that no rule rewrote."""
    fronts = fronts_at(model, packet.dst)
    if not fronts or not model.present:
        return
    names = some(dict.fromkeys(service.label for service, _ in fronts))
    asked = [front for _, front in fronts if (front.port, front.protocol) == (packet.dport, packet.protocol)]
    dev = f" by {branch.route.dev}" if branch.route and branch.route.dev else ""
    if asked:
        say = f"{part} to {packet.dst}:{packet.dport} ({names}) reach no endpoint and leave the node{dev} without DNAT"
        lines = (Line(model.rules.section, asked[0].rule.line), *_line(model, branch))
        yield Fault("K08", Verdict.CRIT, say, lines, round(branch.probability, 6))
    else:
        ports = some(f"{front.port}/{front.protocol}" for _, front in fronts)
        say = (
            f"{packet.dport}/{packet.protocol} is no port of the service {packet.dst} ({ports}): packets leave{dev} and time out"
        )
        yield Fault("path", Verdict.CRIT, say, (Line(model.rules.section, fronts[0][1].rule.line),))


def _around(model: KubeProxy, host: Host, packet: Packet, branches: list[Branch]) -> Iterator[Fault]:
    """What the rules alone do not decide: a node port at a foreign address, another nftables table."""
    service = node_port(model, packet)
    own = host.node.local and (packet.dst in host.node.local or packet.dst == "::1" or packet.dst.startswith("127."))
    if service and host.node.local and not own and not fronts_at(model, packet.dst):
        say = f"{packet.dport} is the node port of {service.label}, but {packet.dst} is no address of this node"
        front = next(front for front in (*service.fronts, *service.refusals) if front.kind == "nodeport")
        yield Fault("K47", Verdict.INFO, say, (Line(model.rules.section, front.rule.line),))
    hooks = {step.chain.lower() for branch in branches for step in branch.path}
    for table, hook, line in host.drop_chains:
        if hook in hooks:
            say = f"nftables table {table} has its own chain on {hook} and may drop this packet although iptables accepts it"
            yield Fault("K46", Verdict.WARN, say, (line,))
