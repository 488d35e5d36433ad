"""Faults of 6in4 tunnels: IPv6 inside IPv4 packets of protocol 41 (sit), and inside IPv6 ones (ip6tnl).

What looks alike and is none: sit0 and ip6tnl0, which the modules make by themselves and nothing uses.
"""

from __future__ import annotations

from collections.abc import Iterable

from checks.analyzers.ip_fault import Fault, Place
from checks.analyzers.ipv6_routes import ways_out
from checks.analyzers.link_faults import OVERHEAD
from checks.analyzers.route_faults import place
from checks.parsers.ip_addr import Addresses
from checks.parsers.ip_link import Link, Links
from checks.parsers.ip_route import Route, Routes
from checks.results import Verdict

_KINDS = frozenset({"sit", "ip6tnl"})
_MADE_BY_MODULES = frozenset({"sit0", "ip6tnl0"})
_ANY = frozenset({"", "any", "0.0.0.0", "::"})  # noqa: S104  an address that is compared, not bound
_IP6TNL_OVERHEAD = 40


def tunnels_of(links: Links) -> list[Link]:
    """The tunnels that somebody set up."""
    return [link for link in links.links if link.kind in _KINDS and link.name not in _MADE_BY_MODULES]


def at(link: Link, section: str, mark: str = "") -> Place:
    """Where the device stands."""
    return (section, link.line, mark or link.name)


def down(tunnels: Iterable[Link], section: str) -> list[Fault]:
    """Tunnels that are switched off."""
    return [
        Fault("down", Verdict.CRIT, f"the tunnel {link.name} is DOWN", (at(link, section),), link.name)
        for link in tunnels
        if not link.up
    ]


def foreign_local(tunnels: Iterable[Link], addresses: Addresses, section: str) -> list[Fault]:
    """Tunnels whose own end is no address of this host: behind NAT that must be the private address."""
    faults = []
    for link in tunnels:
        local = str(link.info.get("local", ""))
        if local not in _ANY and addresses.owner(local) is None:
            says = f"{link.name} sends from {local}, which is no address of this host"
            faults.append(Fault("local", Verdict.CRIT, says, (at(link, section, local),), local))
    return faults


def too_large(tunnels: Iterable[Link], links: Links, below: Route | None, section: str) -> list[Fault]:
    """Tunnels whose MTU does not fit into the device that carries them."""
    under = next((link for dev in below.devices if (link := links.find(dev))), None) if below else None
    faults = []
    for link in tunnels:
        room = under.mtu - (OVERHEAD["sit"] if link.kind == "sit" else _IP6TNL_OVERHEAD) if under and under.mtu else None
        if room is not None and under and link.mtu is not None and link.mtu > room:
            says = f"{link.name} has MTU {link.mtu}, but {under.name} with {under.mtu} leaves room for {room}"
            faults.append(Fault("mtu", Verdict.WARN, says, (at(link, section), at(under, section)), link.mtu))
    return faults


def without_default(tunnels: Iterable[Link], routes: Routes, section: str) -> list[Fault]:
    """No default route at all, although a tunnel is there to carry it; and two that compete."""
    known = list(tunnels)
    names = {link.name for link in known}
    ways = ways_out(routes)
    if not ways:
        says = f"no IPv6 default route goes into {known[0].name}"
        return [Fault("no_default", Verdict.CRIT, says, tuple(at(link, section) for link in known), known[0].name)]
    best = [way for way in ways if (way.table, way.metric) == (ways[0].table, ways[0].metric)]
    devices = {dev for way in best for dev in way.devices}
    if devices & names and devices - names:
        says = f"default routes of one metric ({best[0].metric}) leave by {' and '.join(sorted(devices))}"
        return [Fault("two_defaults", Verdict.WARN, says, tuple(place(way) for way in best), best[0].metric)]
    return []


def one_way(before: Links, after: Links) -> list[Fault]:
    """Tunnels that send and have never received a packet."""
    faults = []
    for link in tunnels_of(after):
        old = before.find(link.name)
        rx, tx = link.counters.get("rx_packets"), link.counters.get("tx_packets")
        if (
            old is not None
            and link.up
            and rx == 0
            and old.counters.get("rx_packets") == 0
            and tx
            and old.counters.get("tx_packets")
        ):
            says = f"{link.name} sent {tx} packets and never received one: protocol 41 is lost on the way"
            faults.append(Fault("one_way", Verdict.CRIT, says, (at(old, "links_a"), at(link, "links_b")), tx))
    return faults


def carries(tunnels: Iterable[Link], routes: Routes) -> str:
    """The tunnel that the default route takes, or an empty string."""
    names = {link.name for link in tunnels}
    return next((dev for way in ways_out(routes)[:1] for dev in way.devices if dev in names), "")
