"""Flannel without encapsulation: every node's pod network is a route through that node, all nodes in one layer 2 network.

Knowledge: flannel's host-gw backend; the bridge cni0 holds the first address of the node's pod network.
"""

from __future__ import annotations

from collections.abc import Iterable

from checks.analyzers.ip_fault import Fault
from checks.analyzers.neighbour_table import NextHop
from checks.analyzers.route_faults import gateways_off_link, place, without_route
from checks.parsers.ip_addr import Address, Addresses
from checks.parsers.ip_link import Links
from checks.parsers.ip_neigh import Neighbour
from checks.parsers.ip_prefix import Address as Ip
from checks.parsers.ip_prefix import Prefix
from checks.parsers.ip_route import Route, Routes
from checks.results import Verdict


def bridge_address(addresses: Addresses, bridge: str) -> Address | None:
    """The bridge's IPv4 address."""
    return next((address for address in addresses.of(bridge) if address.family == 4), None)


def bridge_faults(links: Links, address: Address | None, bridge: str) -> list[Fault]:
    """The bridge must be up (without a pod it has no carrier) and hold the network's first address."""
    link = links.find(bridge)
    if link is None:
        says = f"there is no bridge {bridge}: no pod was ever started here, or its plugin failed"
        return [Fault("hostgw", Verdict.CRIT, says, needs="link")]
    line = (("link", link.line, bridge),)
    if not link.up:
        return [Fault("hostgw", Verdict.CRIT, f"{bridge} is DOWN", line)]
    if address is None:
        says = f"{bridge} has no address: the pods' default gateway is nobody"
        return [Fault("hostgw", Verdict.CRIT, says, line, needs="addr")]
    first = Ip(4, address.network.value + 1)
    if Ip.parse(address.ip) != first:
        says = f"{bridge} has {address.ip}, the pods' gateway should be {first}"
        return [Fault("hostgw", Verdict.WARN, says, (("addr", address.line, address.ip),))]
    return []


def peers(routes: Routes, mine: Prefix | None, cluster: Prefix | None) -> list[Route]:
    """The routes to other nodes' pod networks: those of the cluster's network, else those as large as this node's beside it."""

    def is_peer(route: Route) -> bool:
        if route.type != "unicast" or route.is_default or not any(hop.gateway for hop in route.nexthops):
            return False
        if cluster:
            return cluster.covers(route.prefix)
        near = mine and Prefix.around(Ip(4, mine.value), max(mine.length - 8, 0))
        return bool(mine and near and route.prefix.length == mine.length and near.covers(route.prefix))

    return [route for route in routes.in_table("main") if is_peer(route)]


def route_faults(routes: Routes, found: list[Route], wanted: Iterable[Prefix]) -> list[Fault]:
    """R07: a peer's network has no route; R08: a next hop that is not on a connected network, or behind a tunnel."""
    faults = []
    missing = without_route(wanted, routes)
    if missing:
        names = ", ".join(str(prefix) for prefix in missing[:5])
        faults.append(
            Fault(
                "R07",
                Verdict.CRIT,
                f"{len(missing)} peers' pod networks have no route: {names}",
                (),
                len(missing),
                needs="route4",
            )
        )
    only = Routes(routes.tool, routes.framed, tuple(found))
    connected = [route for route in routes.routes if not any(hop.gateway for hop in route.nexthops)]
    off = gateways_off_link(only, connected)
    return faults + [Fault("R08", Verdict.CRIT, fault.say, fault.lines, fault.value, needs="route4") for fault in off]


def next_hops(found: list[Route]) -> list[NextHop]:
    """The nodes that must answer."""
    hops = {(hop.gateway, hop.dev): str(route.prefix) for route in found for hop in route.nexthops if hop.gateway}
    return [NextHop(gateway, dev, f"next hop of {prefix}") for (gateway, dev), prefix in hops.items()]


def silent_fault(hop: NextHop, entry: Neighbour, now: Neighbour) -> Fault:
    """R08: the next hop is unanswered in both looks."""
    says = f"{hop.what} {hop.ip} on {hop.dev} is {entry.state}, and still {now.state} 3 s later: not in one layer 2 network?"
    return Fault("R08", Verdict.CRIT, says, (("neigh", entry.line, entry.state), ("neigh_again", now.line, now.state)), hop.ip)


def first_place(found: list[Route]) -> tuple[tuple[str, int, str], ...]:
    """Where the first of them stands."""
    return (place(found[0], str(found[0].prefix)),) if found else ()
