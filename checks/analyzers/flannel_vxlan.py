"""Flannel with VXLAN: each peer needs a permanent neighbour (its endpoint's hardware address) and a forwarding entry."""

from __future__ import annotations

from collections.abc import Collection

from checks.analyzers.ip_fault import Fault
from checks.analyzers.route_faults import place
from checks.parsers.ip_fdb import FdbEntry
from checks.parsers.ip_neigh import Neighbours
from checks.parsers.ip_route import Route
from checks.results import Verdict

_BY_HAND = frozenset({"PERMANENT", "NOARP"})


def endpoint_faults(dev: str, peers: Collection[Route], table: Neighbours, fdb: Collection[FdbEntry]) -> list[Fault]:
    """R27, one finding per peer that packets cannot reach."""
    nodes = {entry.mac: entry for entry in fdb if entry.dev in (dev, "") and entry.dst}
    faults = []
    for route in peers:
        for hop in route.nexthops:
            entry = table.find(hop.gateway, dev) if hop.gateway and hop.dev == dev else None
            here = place(route, str(route.prefix))
            if hop.dev != dev or not hop.gateway:
                continue
            if entry is None or entry.state not in _BY_HAND:
                state = f"only a {entry.state} one" if entry else "none"
                says = f"peer {route.prefix} needs a permanent neighbour {hop.gateway} on {dev}; there is {state}"
                lines = (here, ("neigh", entry.line, entry.state)) if entry else (here,)
                faults.append(Fault("R27", Verdict.CRIT, says, lines, hop.gateway, needs="" if entry else "neigh"))
            elif entry.lladdr not in nodes:
                says = f"peer {route.prefix}: no forwarding entry for {entry.lladdr} on {dev}, so its node is not known"
                lines = (here, ("neigh", entry.line, entry.lladdr))
                faults.append(Fault("R27", Verdict.CRIT, says, lines, entry.lladdr, needs="fdb"))
    return faults
