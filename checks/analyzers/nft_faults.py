"""What is wrong with kube-proxy's nftables table: services and endpoints that lead nowhere, choices that lose connections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from checks.analyzers.kube_proxy_fault import Fault, Line
from checks.analyzers.nft_kube_proxy import NftProxy, NftService, expressions, target_of
from checks.parsers.nft_listing import NftObject
from checks.results import Verdict


def _reached(proxy: NftProxy, hook: str) -> Iterator[NftObject]:
    """The rules that a packet at that hook can meet, by jumps and by gotos."""
    waiting = [chain.name for chain in proxy.chains.values() if chain.hook == hook and chain.kind == "nat"]
    seen = set(waiting)
    while waiting:
        for rule in proxy.chains[waiting.pop()].rules:
            yield rule
            targets = [target_of({kind: body}) for kind, body in expressions(rule)]
            fresh = [name for name in targets if name in proxy.chains and name not in seen]
            seen.update(fresh)
            waiting += fresh


def _unhooked(proxy: NftProxy) -> Iterator[Fault]:
    """K03, K22: no packet gets to the services, or none is masqueraded."""
    for hook in ("prerouting", "output"):
        if not any(
            kind == "vmap" and "@service-ips" in str(body) for rule in _reached(proxy, hook) for kind, body in expressions(rule)
        ):
            lines = tuple(Line(proxy.section, chain.line) for chain in proxy.chains.values() if chain.hook == hook)
            say = f"nothing at {hook} looks into service-ips: the services are never reached"
            yield Fault("K03", Verdict.CRIT, say, (*lines, Line(proxy.section, proxy.map_line("service-ips"))))
    if not any(kind in ("masquerade", "snat") for rule in _reached(proxy, "postrouting") for kind, _ in expressions(rule)):
        lines = tuple(Line(proxy.section, chain.line) for chain in proxy.chains.values() if chain.hook == "postrouting")
        yield Fault("K22", Verdict.CRIT, "nothing at postrouting masquerades: marked traffic keeps its source", lines)


def faults(proxy: NftProxy) -> Iterator[Fault]:
    """What is wrong with the table."""
    if proxy.present:
        yield from _unhooked(proxy)
    by_name: dict[tuple[str, str], list[NftService]] = defaultdict(list)
    for service in proxy.services:
        for ip in service.cluster_ips:
            by_name[ip, f"{service.port}/{service.protocol}"].append(service)
        if service.refused:
            continue
        yield from _service_faults(proxy, service)
    for (ip, port), services in by_name.items():
        if len(services) > 1 and any(each.refused for each in services) and not all(each.refused for each in services):
            lines = tuple(Line(proxy.section, each.line) for each in services)
            say = f"{services[0].name} at {ip}:{port} is both sent to endpoints and refused for having none"
            yield Fault("K17", Verdict.CRIT, say, lines)


def _service_faults(proxy: NftProxy, service: NftService) -> Iterator[Fault]:
    chain = proxy.chains.get(service.chain)
    lines = (Line(proxy.section, chain.line), *(Line(proxy.section, rule.line) for rule in chain.rules[-1:])) if chain else ()
    if service.modulus is None:
        say = f"{service.name} leads to a chain that picks no endpoint: its packets go on without DNAT"
        yield Fault("K07", Verdict.CRIT, say, (*lines, Line(proxy.section, service.line)))
        return
    if len(service.endpoints) != service.modulus:
        missing = 1 - len(service.endpoints) / service.modulus if service.modulus else 1.0
        picks = f"picks one of {service.modulus} but knows {len(service.endpoints)}"
        say = f"{service.name} {picks}: {missing:.1%} of the connections are lost"
        yield Fault("K08", Verdict.CRIT, say, lines, round(missing, 6))
    for endpoint in service.endpoints:
        if not endpoint.ip:
            held = proxy.chains.get(endpoint.chain)
            where = (Line(proxy.section, held.line),) if held else lines
            say = f"{endpoint.chain} has no DNAT: {endpoint.share:.1%} of the connections to {service.name} are lost"
            yield Fault("K10", Verdict.CRIT, say, where, round(endpoint.share, 6))
