"""Which route of one table the kernel takes: longest prefix, then TOS, then metric, leaving out ways that are dead.

Knowledge: fib_table_lookup and fib6_select in the kernel, and generated tables compared with ``ip route get`` in a laboratory.
IPv4 takes TOS before metric, and an error route before anything behind it; a route by a nexthop object that has no way out also
hides the shorter prefixes that begin with the same address. IPv6 has no TOS, takes the narrower source before metric, orders
routers of one metric by preference, and prefers the asked device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from checks.parsers.ip_prefix import BITS, Address, Prefix
from checks.parsers.ip_route import ERRORS, Nexthop, Route

_PREFERENCE = {"high": 2, "medium": 1, "": 1, "low": 0}
_TOS_MASK = 0xFC


@dataclass(frozen=True)
class Flow:
    """A packet to route. Without ``iif`` this host sends it; None is what the asker did not say."""

    dst: Address
    src: Address | None = None
    iif: str = ""
    oif: str = ""
    mark: int = 0
    tos: int = 0
    ipproto: str | None = None
    sport: int | None = None
    dport: int | None = None
    uid: int | None = None


@dataclass(frozen=True)
class Hit:
    """The route that won in a table, and the ways out that are alive."""

    route: Route
    nexthops: tuple[Nexthop, ...] = ()


class Table:
    """One routing table, indexed by prefix length."""

    def __init__(self, routes: Iterable[Route], ignores_linkdown: Callable[[str], bool]) -> None:
        self._by_length: dict[int, dict[int, list[Route]]] = {}
        self._ignores_linkdown = ignores_linkdown
        for route in routes:
            self._by_length.setdefault(route.prefix.length, {}).setdefault(route.prefix.value, []).append(route)
        self._lengths = sorted(self._by_length, reverse=True)

    def candidates(self, dst: Address) -> Iterator[list[Route]]:
        """Routes that hold the address, longest prefix first."""
        for length in self._lengths:
            spare = BITS[dst.family] - length
            found = self._by_length[length].get(dst.value >> spare << spare)
            if found:
                yield found

    def lookup(self, flow: Flow) -> Hit | None:
        """The route the kernel takes, or None when the table has none. A throw route is a Hit too."""
        return self._lookup4(flow) if flow.dst.family == 4 else self._lookup6(flow)

    def _lookup4(self, flow: Flow) -> Hit | None:
        hidden: int | None = None
        for routes in self.candidates(flow.dst):
            if routes[0].prefix.value == hidden:
                continue
            hit = self._choose4(routes, flow)
            if hit and (hit.nexthops or not hit.route.nexthops or hit.route.type in ERRORS):
                return hit
            hidden = routes[0].prefix.value if hit else hidden
        return None

    def _lookup6(self, flow: Flow) -> Hit | None:
        """A network that has routes for some sources is not entered by others, unless they come from a longer prefix within."""
        entered = False
        for routes in self.candidates(flow.dst):
            matching = [route for route in routes if _source_matches(route, flow)]
            told = any(route.source for route in routes) and not any(route.source for route in matching)
            entered = entered or not told or not routes[0].prefix.length
            if entered and (hit := self._choose6(matching, flow)):
                return hit
        return None

    def _choose4(self, routes: list[Route], flow: Flow) -> Hit | None:
        """A Hit whose nexthops are all gone is a nexthop object without a way out: nothing behind it is looked at."""
        for route in sorted(routes, key=lambda route: (-route.tos, route.metric)):
            if route.tos and (route.tos ^ flow.tos) & _TOS_MASK:
                continue
            if route.type in ERRORS:
                return Hit(route)
            hops = [hop for hop in route.nexthops if self._is_alive(hop) and flow.oif in ("", hop.dev)]
            if hops or not route.nexthops or route.nhid:
                return Hit(route, tuple(hops))
        return None

    def _choose6(self, routes: list[Route], flow: Flow) -> Hit | None:
        for same in _in_turn(routes):
            if void := next((route for route in same if route.type == "blackhole" and route.nhid), None):
                return Hit(replace(void, nexthops=()))  # such a nexthop has no device that could be the wrong one
            ways = [(route, hop) for route in same for hop in route.nexthops or (Nexthop(""),) if self._is_usable6(hop, flow)]
            if ways:
                route, _ = max(ways, key=lambda way: _score(way[0], way[1], flow))
                if route.type in ERRORS:
                    return Hit(replace(route, nexthops=()))
                return Hit(route, tuple(hop for other, hop in ways if hop.dev and _shares_load(route, other)))
        return None

    def _is_usable6(self, hop: Nexthop, flow: Flow) -> bool:
        """A sender without a source address is held to the device it demands; with one it only prefers that device.

        Addresses that mean nothing without a device, link-local and multicast ones, hold it in any case.
        """
        free = not flow.oif or (flow.src is not None and not flow.dst.within("fe80::/10", "ff00::/8"))
        return self._is_alive(hop) and (free or hop.dev == flow.oif)

    def _is_alive(self, hop: Nexthop) -> bool:
        return "dead" not in hop.flags and not ("linkdown" in hop.flags and self._ignores_linkdown(hop.dev))


def _score(route: Route, hop: Nexthop, flow: Flow) -> int:
    wanted = flow.oif or flow.iif
    return _PREFERENCE.get(route.pref, 1) * 4 + (2 if wanted and hop.dev == wanted else 0)


def _source_matches(route: Route, flow: Flow) -> bool:
    return not route.source or (flow.src is not None and Prefix.parse(route.source, 6).holds(flow.src))


def _in_turn(routes: list[Route]) -> Iterator[list[Route]]:
    """Routes of one prefix as they are tried: those for the narrowest source first; of them those of the lowest metric, and where
    none of these can be used, all others at once, among which the preference decides before the metric."""
    wide = [(-Prefix.parse(route.source, 6).length if route.source else 0, route) for route in routes]
    for length in sorted({length for length, _ in wide}):
        same = sorted((route for at, route in wide if at == length), key=lambda route: route.metric)
        lowest = [route for route in same if route.metric == same[0].metric]
        yield lowest
        yield same[len(lowest) :]


def _shares_load(route: Route, other: Route) -> bool:
    """Two IPv6 routes through gateways are legs of one route even when an old kernel or tool lists them apart."""
    alike = (route.pref, route.metric) == (other.pref, other.metric)
    return route is other or (alike and _has_gateway(route) and _has_gateway(other))


def _has_gateway(route: Route) -> bool:
    return any(hop.gateway for hop in route.nexthops)
