"""Faults that a host's routes show by themselves: gateways out of reach, dead ways, doubles, missing defaults.

Each function takes tables and returns the faults of one rule. What looks alike and is none: a calico block's blackhole,
``linkdown`` on a connected route that nothing else uses (docker0, a spare NIC), an onlink gateway of a /32 cloud address.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product

from checks.analyzers.cni_devices import TUNNELS, is_node, plugin_of, plugins
from checks.analyzers.ip_fault import Fault, Place
from checks.parsers.ip_link import Links
from checks.parsers.ip_prefix import Address, Prefix
from checks.parsers.ip_route import Nexthop, Route, Routes
from checks.results import Verdict


def place(route: Route, mark: str = "") -> Place:
    """Where the route stands."""
    return (f"route{route.family}", route.line, mark)


GONE = "does not exist"
CALICO_PROTOS = ("bird", "12", "80")


def dead_way(hop: Nexthop, links: Links | None) -> str:
    """Why nothing leaves by this hop, or an empty string."""
    if "dead" in hop.flags:
        return "is dead"
    link = links.find(hop.dev) if links else None
    if links and hop.dev and link is None:
        return GONE
    if link and not link.carrier:
        return f"is {link.state}"
    return "has no carrier" if "linkdown" in hop.flags else ""


def is_connected(route: Route, tool: str) -> bool:
    """True for the route that an address brings with it. busybox and /proc tell no protocol: there every network's is one."""
    if any(hop.gateway for hop in route.nexthops):
        return False
    return route.proto in ("kernel", "ra", "dhcp") or (tool in ("busybox", "procfs") and not route.prefix.is_host)


def gateways_off_link(routes: Routes, others: Iterable[Route] = ()) -> list[Fault]:
    """R02. ``others`` are the other family's routes, for IPv4 routes through an IPv6 gateway."""
    on_dev: dict[str, list[Prefix]] = {}
    for route in (*routes.routes, *others):
        for hop in route.nexthops:
            if not hop.gateway and route.type in ("unicast", "local"):
                on_dev.setdefault(hop.dev, []).append(route.prefix)
    found: dict[tuple[str, str], list[Route]] = {}
    for route in routes.routes:
        for hop in route.nexthops:
            if hop.gateway and not _is_on_link(hop, on_dev.get(hop.dev, ()), text=routes.tool != "json"):
                found.setdefault((hop.gateway, hop.dev), []).append(route)
    return [
        Fault(
            "R02",
            Verdict.CRIT,
            f"gateway {gateway} of {_named(off)} is in no network connected on {dev}, and the route is not onlink",
            tuple(place(route, gateway) for route in off[:3]),
            gateway,
        )
        for (gateway, dev), off in found.items()
    ]


def _is_on_link(hop: Nexthop, connected: Iterable[Prefix], *, text: bool) -> bool:
    """Old text leaves ``onlink`` out on some rows, tunnels' above all."""
    gateway = Address.parse(hop.gateway)
    if "onlink" in hop.flags or gateway.within("fe80::/10") or (text and TUNNELS.match(hop.dev)):
        return True
    return any(prefix.holds(gateway) for prefix in connected)


def dead_ways(routes: Routes, links: Links | None) -> list[Fault]:
    """R03 as far as no destination is asked for: routes that someone made, whose device cannot carry anything."""
    found: dict[tuple[str, str], list[Route]] = {}
    for route in routes.routes:
        if route.type == "unicast" and not is_connected(route, routes.tool) and not route.prefix.is_multicast:
            for hop in route.nexthops:
                if why := dead_way(hop, links):
                    found.setdefault((hop.dev, why), []).append(route)
    return [
        Fault(
            "R03",
            Verdict.WARN,
            f"{_named(dead)} leaves by {dev}, which {why}",
            (*(place(route, dev) for route in dead[:3]), *_link_place(dev, links)),
            dev,
            needs="link" if why == GONE else "",
        )
        for (dev, why), dead in found.items()
    ]


def _link_place(dev: str, links: Links | None) -> list[Place]:
    link = links.find(dev) if links else None
    return [("link", link.line, dev)] if link else []


def _named(routes: list[Route]) -> str:
    first = f"{routes[0].name}" + (f" in table {routes[0].table}" if routes[0].table != "main" else "")
    return first if len(routes) == 1 else f"{first} and {len(routes) - 1} more"


def doubles(routes: Routes) -> list[Fault]:
    """R06, first half: equal prefix, table, metric and TOS, different ways. Two default routes are R21's."""
    found: dict[tuple[str, Prefix, int, int], list[Route]] = {}
    for route in routes.routes:
        if route.type == "unicast" and not route.is_default and not route.prefix.is_link_local and not route.prefix.is_multicast:
            found.setdefault((route.table, route.prefix, route.metric, route.tos), []).append(route)
    return [
        Fault(
            "R06",
            Verdict.WARN,
            f"{len(same)} routes to {same[0].prefix} with metric {same[0].metric}: {', '.join(map(way, same[:3]))}",
            tuple(place(route, str(route.prefix)) for route in same[:4]),
            len(same),
        )
        for same in found.values()
        if len({(route.nexthops, route.proto) for route in same}) > 1 and not _is_old_ecmp(same)
    ]


def _is_old_ecmp(same: list[Route]) -> bool:
    """Old tools list the legs of an IPv6 multipath route as routes of their own."""
    return same[0].family == 6 and all(hop.gateway for route in same for hop in route.nexthops)


def way(route: Route) -> str:
    """Its gateways and devices, as ip writes them."""
    return " or ".join(f"via {hop.gateway} dev {hop.dev}" if hop.gateway else f"dev {hop.dev}" for hop in route.nexthops)


def two_plugins(routes: Routes, links: Links | None) -> list[Fault]:
    """R06, second half: networks of two plugins overlap. The longer prefix wins; if its device is dead, packets are lost."""
    owned: dict[str, dict[tuple[int, int], tuple[Route, str]]] = {}
    for route in routes.in_table("main"):
        for dev in _ways_of_plugins(route):
            if (plugin := plugin_of(dev) or "calico") != "kube-proxy":
                # One /32 in each /24 is enough to see an overlap; a node has hundreds.
                key = (route.prefix.value >> (8 if route.prefix.is_host else 0), route.prefix.length)
                owned.setdefault(plugin, {}).setdefault(key, (route, dev))
    faults = []
    for one, other in combinations(sorted(owned), 2):
        pairs = product(owned[one].values(), owned[other].values())
        found = [
            _overlap((one, *mine), (other, *theirs), links) for mine, theirs in pairs if _meet(mine[0].prefix, theirs[0].prefix)
        ]
        faults += sorted(found, key=lambda fault: fault.verdict != Verdict.CRIT)[:1]
    return faults


def _ways_of_plugins(route: Route) -> list[str]:
    """The plugins' devices that it leaves by; an empty name for the blackhole that calico keeps for a node's block."""
    if route.type == "blackhole" and route.proto in CALICO_PROTOS:
        return [""]
    return [dev for dev in route.devices if plugin_of(dev)] if route.type == "unicast" else []


def _meet(one: Prefix, other: Prefix) -> bool:
    return not (one.is_host and other.is_host and one != other) and (one.covers(other) or other.covers(one))


def _overlap(mine: tuple[str, Route, str], theirs: tuple[str, Route, str], links: Links | None) -> Fault:
    (_, route, dev), (_, rival, _) = mine, theirs
    first = (-route.prefix.length, route.metric) < (-rival.prefix.length, rival.metric)
    _, winner, by = mine if first else theirs
    why = next((why for hop in winner.nexthops if hop.dev == by and (why := dead_way(hop, links))), "")
    end = f"by {by}" if by and not why else f"and {by} {why}" if by else "and drops what is for it"
    ways = [f"{one.name}{f' dev {leaves}' if leaves else ''} ({plugin})" for plugin, one, leaves in (mine, theirs)]
    verdict = Verdict.WARN if by and not why else Verdict.CRIT
    lines = (place(route, dev), place(rival, theirs[2]))
    says = f"{' and '.join(ways)} overlap; {winner.prefix} wins {end}"
    return Fault("R06", verdict, says, lines, by or winner.type, needs="link" if why == GONE else "")


def defaults(routes: Routes) -> list[Route]:
    """The default routes that lead out, of every table a rule may choose, best first; a VPN's two halves count as one."""
    whole = [route for route in routes.routes if route.is_default and route.type == "unicast"]
    halves = [route for route in routes.routes if route.prefix.length == 1 and route.type == "unicast"]
    both = len({(route.prefix.value) for route in halves}) == 2
    return sorted(whole, key=lambda route: (route.table != "main", route.metric)) or (halves[:1] if both else [])


def rival_defaults(routes: Routes, links: Links | None) -> list[Fault]:
    """R21."""
    main = [route for route in defaults(routes) if route.table == "main" and route.is_default and not route.tos]
    if not main:
        return []
    best = [route for route in main if route.metric == main[0].metric]
    faults = []
    if len({route.devices for route in best}) > 1:
        says = (
            f"{len(best)} IPv{routes.routes[0].family} default routes with metric {best[0].metric}: {', '.join(map(way, best))}"
        )
        faults.append(Fault("R21", Verdict.WARN, says, tuple(place(route, "default") for route in best), best[0].metric))
    whys = [dead_way(hop, links) for route in best for hop in route.nexthops]
    if whys and all(whys):
        says = f"the best default route, {way(best[0])} with metric {best[0].metric}, has a device that {whys[0]}"
        needs = "link" if whys[0] == GONE else ""
        faults.append(Fault("R21", Verdict.WARN, says, (place(best[0], "default"),), best[0].metric, needs=needs))
    return faults


def without_route(wanted: Iterable[Prefix], routes: Routes) -> list[Prefix]:
    """R07: those of the wanted networks that no route of their own covers. The default route is none of their own."""
    leading = [route.prefix for route in routes.routes if route.type in ("unicast", "local") and not route.is_default]
    return [prefix for prefix in wanted if not any(known.covers(prefix) for known in leading)]


def no_default(routes: Routes, devs: Iterable[str], services: Prefix | None) -> Fault | None:
    """R01. On a host that is no Kubernetes node the lack of a default route is only told."""
    if defaults(routes):
        return None
    names = {*devs, *(dev for route in routes.routes for dev in route.devices)}
    found = plugins(names)
    if not any(route.type == "unicast" and route.table == "main" for route in routes.routes):
        return Fault("R01", Verdict.INFO, "this host has no IPv4 route to anybody: it speaks IPv6 only, or nothing")
    if not is_node(names):
        return Fault(
            "R01", Verdict.INFO, f"no IPv4 default route among {len(routes.routes)} routes, and no sign of Kubernetes here"
        )
    says = f"no IPv4 default route among {len(routes.routes)} routes on a Kubernetes node"
    seen = tuple(place(route, dev) for route in routes.routes for dev in route.devices if plugin_of(dev))[:1]
    if mistaken := [route for route in routes.routes if route.prefix == Prefix(4, 0, 32)]:
        says, seen = f"{says} (0.0.0.0 is a route to one host: it should be 0.0.0.0/0)", (place(mistaken[0]),)
    if "calico" in found:
        says += ": calico's gateway 169.254.1.1 is not answered for"
    elif services and without_route([services], routes):
        says += f", and no other route covers the services {services}"
    else:
        return Fault("R01", Verdict.WARN, says, seen)
    return Fault("R01", Verdict.CRIT, says, seen)
