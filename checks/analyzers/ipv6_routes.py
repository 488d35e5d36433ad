"""The IPv6 routes that lead to the Internet, and whether they are about to vanish.

Some tunnel setups route 2000::/3, all public addresses, instead of ::/0; that is as good. The kernel's own
``unreachable default … metric 4294967295`` is a placeholder that says nothing (the reader leaves it out).

>>> from checks.parsers.ip_route import parse_routes
>>> routes = parse_routes('''2001:db8::/64 dev eth0 proto kernel metric 256 pref medium
... default via fe80::1 dev eth0 proto ra metric 100 expires 40sec pref medium
... ''', 6)
>>> [(str(route), route.expires_s) for route in ways_out(routes)]
[('default via fe80::1 dev eth0', 40)]
"""

from __future__ import annotations

from checks.analyzers.route_faults import defaults
from checks.parsers.ip_prefix import Prefix
from checks.parsers.ip_route import Route, Routes

_ALL_PUBLIC = Prefix.parse("2000::/3")


def ways_out(routes: Routes) -> list[Route]:
    """The default routes that lead out, best first, or the routes to all public addresses."""
    public = [route for route in routes.routes if route.type == "unicast" and route.prefix == _ALL_PUBLIC]
    return defaults(routes) or sorted(public, key=lambda route: route.metric)


def is_advertised(route: Route) -> bool:
    """True for a route that came by router advertisement, whoever read it."""
    return route.proto == "ra" or route.expires_s is not None


def same_way(route: Route, routes: Routes) -> Route | None:
    """That route in a later dump, or None when it is gone."""
    key = (route.prefix, route.table, [(hop.gateway, hop.dev) for hop in route.nexthops])
    ways = ((r.prefix, r.table, [(hop.gateway, hop.dev) for hop in r.nexthops]) for r in routes.routes)
    return next((r for r, way in zip(routes.routes, ways, strict=True) if way == key), None)


def is_renewed(route: Route, again: Routes) -> bool:
    """True when the later dump shows that route with more time left, or for ever."""
    later = same_way(route, again)
    return later is not None and (later.expires_s is None or later.expires_s > (route.expires_s or 0))
