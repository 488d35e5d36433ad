"""Joining the iptables family with routes, addresses, devices and neighbours of the same capture. No probes of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from checks.analyzers.kube_proxy_fault import Host, Line
from checks.analyzers.packet import Hop
from checks.analyzers.route_lookup import Fib
from checks.analyzers.route_tables import Flow
from checks.errors import EvidenceError, ParseError
from checks.parsers.ip_prefix import Address
from checks.parsers.ip_route import Route
from checks.parsers.ip_rule import plain_rules
from checks.probes.base import Probe, Report
from checks.probes.ip_sections import Tables

T = TypeVar("T")

_POD_DEVICES = ("cni", "cbr0", "flannel", "cali", "tunl", "vxlan", "cilium", "weave", "kube-bridge")


def join_routes(report: Report, host: Host) -> None:
    """Give ``host`` what routes, addresses, devices and neighbours say. Damage is said as ``unknown``."""
    tables = Tables(report)
    links = _ask(report, tables.links)
    if links is not None:
        host.devices = {link.name: Line("link", link.line) for link in links.links}
        host.bridges = frozenset(link.name for link in links.links if link.kind in ("bridge", ""))
    fibs = {family: fib for family in (4, 6) if (fib := _ask(report, partial(_fib, tables, family))) is not None}
    if fibs:
        host.node.route = _lookup(fibs)
        routes = [(f"route{family}", route) for family, fib in fibs.items() for route in fib.routes.routes]
        host.pod_routes = tuple((str(route.prefix), Line(section, route.line)) for section, route in routes if _to_pods(route))
        host.own_blocks = frozenset(str(route.prefix) for _, route in routes if route.type == "blackhole")
    _join_local(report, tables, host, fibs)
    neighbours = _ask(report, tables.neighbours)
    if neighbours is not None:
        failed = [each for each in neighbours.entries if each.state == "FAILED"]
        host.failed_neighbours = {(each.ip, each.dev): Line("neigh", each.line, "FAILED") for each in failed}


def _fib(tables: Tables, family: int) -> Fib | None:
    """Routes with their policy rules; without a capture of the rules, with those every host has."""
    routes = tables.routes(family)
    return Fib(routes, tables.rules(family) or plain_rules(family)) if routes else None


def _ask(report: Report, read: Callable[[], T]) -> T | None:
    try:
        return read()
    except EvidenceError as error:
        line = [report.evidence(error.section, error.line)] if error.section and error.line else []
        report.unknown(error.reason, error.say, line)
        return None


def _join_local(report: Report, tables: Tables, host: Host, fibs: dict[int, Fib]) -> None:
    addresses = _ask(report, tables.addresses)
    own = {address.ip for address in addresses.addresses} if addresses else set()
    for fib in fibs.values():
        own |= {str(route.prefix).partition("/")[0] for route in fib.routes.in_table("local") if route.type == "local"}
    if own:
        host.node.local = frozenset(own)


def _to_pods(route: Route) -> bool:
    """True for a route to a pod network, not to single pods: by its device or by calico's daemon."""
    if route.is_default or route.table != "main" or route.prefix.length >= (32 if route.family == 4 else 128):
        return False
    if route.type not in ("unicast", "blackhole"):
        return False
    return route.proto == "bird" or any(device.startswith(_POD_DEVICES) for device in route.devices)


def _lookup(fibs: dict[int, Fib]) -> Callable[[str, str, str, int], Hop | None]:
    def lookup(dst: str, src: str, iif: str, mark: int) -> Hop | None:
        try:
            address = Address.parse(dst)
            source = Address.parse(src) if src else None
        except ParseError:
            return None
        fib = fibs.get(address.family)
        if fib is None:
            return None
        answer = fib.lookup(Flow(address, source, iif=iif, mark=mark))
        if answer.result == "unknown":
            return None
        hop = answer.nexthops[0] if len(answer.nexthops) == 1 else None
        line = (f"route{address.family}", answer.route.line) if answer.route and answer.route.line else None
        prefix = str(answer.route.prefix) if answer.route else ""
        kind = "unicast" if answer.result in ("broadcast", "multicast", "anycast") else answer.result
        return Hop(kind, hop.dev if hop else None, hop.gateway or None if hop else None, prefix, None, line)

    return lookup


PROBES: tuple[Probe, ...] = ()
