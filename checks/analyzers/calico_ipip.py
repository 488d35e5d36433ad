"""Calico's IPIP between nodes: the tunnel device, the routes of the blocks of other nodes, the way to one peer's pod.

What looks alike and is none: CrossSubnet, where blocks of nodes in the same network go without the tunnel on purpose.
"""

from __future__ import annotations

from checks.analyzers.ip_fault import Fault
from checks.analyzers.link_faults import OVERHEAD
from checks.analyzers.route_faults import place
from checks.parsers.ip_addr import Addresses
from checks.parsers.ip_link import Link, Links
from checks.parsers.ip_prefix import Address
from checks.parsers.ip_route import Route, Routes
from checks.results import Verdict

TUNNEL = "tunl0"
_BIRD = ("bird", "12")


def blocks(routes: Routes) -> list[Route]:
    """The routes to blocks of other nodes, as BIRD makes them. busybox prints no protocol: there the tunnel tells."""
    return [
        route
        for route in routes.in_table("main")
        if route.type == "unicast" and any(hop.gateway for hop in route.nexthops) and not route.is_default
        if route.proto in _BIRD or TUNNEL in route.devices
    ]


def tunnel_faults(links: Links, addresses: Addresses | None, underlay: Link | None) -> list[Fault]:
    """R10 and R11 of the device itself."""
    tunnel = links.find(TUNNEL)
    if tunnel is None:
        says = f"there is no {TUNNEL} among {len(links.links)} devices: the ipip module is not loaded"
        return [Fault("R10", Verdict.CRIT, says, needs="link")]
    line = (("link", tunnel.line, TUNNEL),)
    faults = []
    if not tunnel.up:
        faults.append(Fault("R10", Verdict.CRIT, f"{TUNNEL} is DOWN", line))
    if addresses is not None and not any(address.family == 4 for address in addresses.of(TUNNEL)) and addresses.tool != "procfs":
        says = f"{TUNNEL} has no address: this node's own packets to pods of other nodes get the wrong source"
        faults.append(Fault("R10", Verdict.WARN, says, line, needs="addr"))
    room = underlay.mtu - OVERHEAD["ipip"] if underlay and underlay.mtu else None
    if room is not None and tunnel.mtu is not None and tunnel.mtu > room and underlay:
        says = f"{TUNNEL} has MTU {tunnel.mtu}; {underlay.name} with {underlay.mtu} leaves {room} after IPIP"
        faults.append(Fault("R11", Verdict.WARN, says, (*line, ("link", underlay.line, underlay.name)), tunnel.mtu))
    return faults


def route_faults(routes: Routes, mode: str) -> list[Fault]:
    """R10 of the routes by the tunnel (they must be onlink), and R09 of those without it."""
    faults = []
    found = blocks(routes)
    not_onlink = [route for route in found if TUNNEL in route.devices and not _is_onlink(route)]
    if not_onlink and routes.tool == "json":  # old text leaves the word out
        says = f"{len(not_onlink)} of {len(found)} block routes by {TUNNEL} are not onlink: {not_onlink[0]}"
        faults.append(Fault("R10", Verdict.WARN, says, tuple(place(route, TUNNEL) for route in not_onlink[:3]), len(not_onlink)))
    if mode == "never":
        return faults
    bare = [route for route in found if TUNNEL not in route.devices and not any(dev.startswith("vxlan") for dev in route.devices)]
    far = [route for route in bare if not _is_near(route, routes)]
    wrong = bare if mode == "always" else far if any(TUNNEL in route.devices for route in found) else []
    if wrong:
        why = "although the mode is Always" if mode == "always" else "and its next hop is in another network"
        says = f"block {wrong[0].prefix} goes by {wrong[0].devices[0]} without the tunnel, {why}"
        says += f" ({len(wrong)} such blocks)" if len(wrong) > 1 else ""
        faults.append(Fault("R09", Verdict.WARN, says, tuple(place(route, str(route.prefix)) for route in wrong[:3]), len(wrong)))
    return faults


def _is_onlink(route: Route) -> bool:
    return all("onlink" in hop.flags for hop in route.nexthops if hop.dev == TUNNEL)


def _is_near(route: Route, routes: Routes) -> bool:
    """The next hop lies in a network connected on the same device, and is not the router that leads everywhere."""
    everywhere = {hop.gateway for default in routes.routes if default.is_default for hop in default.nexthops}
    return all(hop.gateway not in everywhere and _connected(hop.gateway, hop.dev, routes) for hop in route.nexthops)


def _connected(gateway: str, dev: str, routes: Routes) -> bool:
    address = Address.parse(gateway)
    links = [route.prefix for route in routes.routes if any(hop.dev == dev and not hop.gateway for hop in route.nexthops)]
    return any(prefix.holds(address) and not prefix.is_host for prefix in links)
