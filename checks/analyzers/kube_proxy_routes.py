"""Rules that join services with routing: endpoints no route reaches, service addresses without a way out (K13, K14, K44)."""

from __future__ import annotations

from collections.abc import Iterator

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_fault import Fault, Host, Limits, Line, at
from checks.analyzers.kube_proxy_services import Pick, Service
from checks.analyzers.packet import Hop
from checks.results import Verdict

_DEAD = ("none", "unreachable", "prohibit", "blackhole")


def reach(host: Host, ip: str) -> tuple[str, Hop | None]:
    """Whether routing reaches an address: ok, no_route, blackhole, unreachable, neigh_failed or unknown."""
    hop = host.node.route(ip, "", "", 0) if host.node.route else None
    if hop is None or hop.kind == "unknown":
        return "unknown", hop
    if hop.kind in _DEAD:
        return {"none": "no_route", "prohibit": "unreachable"}.get(hop.kind, hop.kind), hop
    next_hop = (hop.gateway or ip, hop.dev or "")
    return ("neigh_failed" if next_hop in host.failed_neighbours else "ok"), hop


def _line(hop: Hop) -> tuple[Line, ...]:
    return (Line(*hop.line),) if hop.line else ()


def unreachable_endpoints(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K13, K14: a share of a service's connections goes to an endpoint that no route reaches."""
    if host.node.route is None:
        return
    for service in model.services:
        balancing = service.main
        if balancing is None or not balancing.readable:
            continue
        for pick, share in zip(balancing.picks, balancing.shares, strict=True):
            state, hop = reach(host, pick.ip) if pick.ip else ("unknown", None)
            if hop and state not in ("ok", "unknown"):
                yield _unreachable(model, host, service, pick, share, state, hop)


def _unreachable(model: KubeProxy, host: Host, service: Service, pick: Pick, share: float, state: str, hop: Hop) -> Fault:
    dnat = [rule for rule, ip, _ in model.endpoint_chain(pick.chain) if ip == pick.ip]
    lines = tuple(at(model, rule, pick.ip) for rule in dnat[:1]) + _line(hop)
    part = f"{share:.1%} of the connections to {service.label} go to {pick.ip}:{pick.port}"
    if state == "blackhole" and hop.prefix in host.own_blocks:
        say = f"{part}, an address of this node's own block {hop.prefix} that no pod has: a stale endpoint"
        return Fault("K14", Verdict.CRIT, say, lines, round(share, 4))
    if state == "neigh_failed":
        failed = host.failed_neighbours[hop.gateway or pick.ip, hop.dev or ""]
        say = f"{part}, but its next hop {hop.gateway or pick.ip} on {hop.dev} does not answer (FAILED)"
        return Fault("K13", Verdict.CRIT, say, (*lines, failed), round(share, 4))
    where = f" by the route {hop.prefix}" if hop.prefix else ""
    words = {
        "no_route": "but no route leads there",
        "blackhole": f"which is dropped{where}",
        "unreachable": f"which is refused{where}",
    }
    return Fault("K13", Verdict.CRIT, f"{part}, {words[state]}", lines, round(share, 4))


def no_way_to_services(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K44: host processes are refused before any rule runs, because no route covers the service addresses."""
    if host.node.route is None:
        return
    for service in model.services:
        for front in service.fronts:
            if front.kind != "cluster" or not front.ip:
                continue
            hop = host.node.route(front.ip, "", "", 0)
            if hop and hop.kind in ("none", "unreachable", "prohibit"):
                say = (
                    f"no route covers the service address {front.ip}: processes of this host get ENETUNREACH before any rule runs"
                )
                yield Fault("K44", Verdict.CRIT, say, (at(model, front.rule, front.ip), *_line(hop)))
                return


CHECKS = (unreachable_endpoints, no_way_to_services)
