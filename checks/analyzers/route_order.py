"""What a list of routes proves although nobody closed it: the kernel lists a table by ascending address.

Knowledge: fib_trie, the only IPv4 table since Linux 2.6.39; the hash of older kernels listed the longest prefixes first and the
default route last. A route that covers an address therefore stands above every route beyond that address, and what is not there
by then does not come. A list that shows one kind of routes only may have been filtered, and proves nothing.

>>> from checks.parsers.ip_route import parse_routes
>>> routes = parse_routes('''default via 198.51.100.1 dev eth0
... 192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.10
... 203.0.113.0/24 dev eth1 proto kernel scope link src 203.0.113.7
... ''')
>>> lacks_way_to(routes, "198.51.100.1"), lacks_way_to(routes, "203.0.113.1"), lacks_default(routes)
(True, False, False)
"""

from __future__ import annotations

from itertools import pairwise

from checks.analyzers.cni_devices import plugin_of
from checks.parsers.ip_prefix import Address
from checks.parsers.ip_route import Route, Routes

_NOT_UNDERLAY = ("docker", "br-", "virbr", "cni-podman", "podman", "lxdbr")


def lacks_way_to(routes: Routes, gateway: str) -> bool:
    """True when the list goes beyond the gateway, so that no route that covers it can follow."""
    address = Address.parse(gateway)
    prefixes = [route.prefix for route in routes.routes]
    grows = any(one.length < two.length for one, two in pairwise(prefixes))  # no hash lists a longer prefix below a shorter one
    return address.family == 4 and grows and _is_by_address(routes) and prefixes[-1].value > address.value


def lacks_default(routes: Routes) -> bool:
    """True when a default route would stand above what is there. Asked of Kubernetes nodes only, whose kernels have no hash."""
    underlay = [
        route for route in routes.routes if _is_network(route, routes.tool) and not all(map(_is_local_device, route.devices))
    ]
    others = [route for route in routes.routes if route.type == "blackhole" or any(hop.gateway for hop in route.nexthops)]
    last = routes.routes[-1].prefix.value
    return bool(underlay and others and last) and _is_by_address(routes) and not any(route.is_default for route in routes.routes)


def _is_by_address(routes: Routes) -> bool:
    """Only the main table is listed, in ascending order, networks of this host among it."""
    found = routes.routes
    ascends = all(one.prefix.value <= two.prefix.value for one, two in pairwise(found))
    return (
        ascends
        and any(_is_network(route, routes.tool) for route in found)
        and all(route.family == 4 and route.table == "main" for route in found)
    )


def _is_network(route: Route, tool: str) -> bool:
    """The route of a network that an address of this host lies in. busybox and /proc tell no protocol."""
    told = route.proto == "kernel" or tool == "procfs" or (not route.proto and route.scope == "link" and bool(route.src))
    return told and not route.prefix.is_host and bool(route.devices) and not any(hop.gateway for hop in route.nexthops)


def _is_local_device(dev: str) -> bool:
    return bool(plugin_of(dev)) or dev.startswith(_NOT_UNDERLAY)
