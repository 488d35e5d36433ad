"""Faults of the neighbour table: a next hop that nobody answers for, doubles, changes, a table that is nearly full.

What looks alike and is none: STALE; FAILED for an address nobody uses; one hardware address for all pods of calico
(ee:ee:ee:ee:ee:ee) or for a router's many addresses.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from checks.analyzers.counters import delta
from checks.analyzers.ip_fault import Fault
from checks.parsers.arp_cache import NeighbourStat
from checks.parsers.ip_neigh import Neighbour, Neighbours
from checks.results import Verdict

_SHARED = re.compile(r"^(ee:ee:ee:ee:ee:ee|00:00:00:00:00:00|ff:ff:ff:ff:ff:ff|01:00:5e:.*|33:33:.*|00:00:5e:00:0[12]:..|)$")


@dataclass(frozen=True)
class NextHop:
    """An address that must answer: a gateway, or the destination itself on a connected network."""

    ip: str
    dev: str
    what: str


def silent(hops: Collection[NextHop], table: Neighbours) -> list[tuple[NextHop, Neighbour]]:
    """The next hops whose entry says that nobody has answered. One without an entry was not needed lately."""
    found = [(hop, table.find(hop.ip, hop.dev)) for hop in hops]
    return [(hop, entry) for hop, entry in found if entry and entry.unanswered]


def doubles(table: Neighbours, hosts: Collection[str]) -> list[Fault]:
    """R19. A warning only when two of the addresses are known to be different hosts."""
    owners: dict[tuple[str, str], list[Neighbour]] = {}
    for entry in table.entries:
        if entry.family == 4 and not entry.proxy and not _SHARED.match(entry.lladdr):
            owners.setdefault((entry.dev, entry.lladdr), []).append(entry)
    faults = []
    for (dev, lladdr), same in owners.items():
        if len(same) > 1:
            known = [entry.ip for entry in same if entry.ip in hosts]
            names = ", ".join(known[:4] or [entry.ip for entry in same[:4]])
            says = f"{lladdr} on {dev} answers for {len(same)} addresses: {names}"
            verdict = Verdict.WARN if len(known) > 1 else Verdict.INFO
            faults.append(Fault("R19", verdict, says, tuple(("neigh", entry.line, lladdr) for entry in same[:4]), len(same)))
    return faults


def changes(before: Neighbours, after: Neighbours, section: str) -> list[Fault]:
    """R20, seen from one host: the hardware address of an entry is another one in the second sample."""
    faults = []
    for entry in after.entries:
        old = before.find(entry.ip, entry.dev)
        if old and old.lladdr and entry.lladdr and old.lladdr != entry.lladdr:
            says = f"{entry.ip} on {entry.dev} moved from {old.lladdr} to {entry.lladdr} between the samples"
            places = ((f"{section}_a", old.line, old.lladdr), (f"{section}_b", entry.line, entry.lladdr))
            faults.append(Fault("R20", Verdict.CRIT, says, places, entry.ip))
    return faults


def grown(before: NeighbourStat, after: NeighbourStat, name: str) -> int | None:
    """What a counter grew by; None when the kernel does not have it, or when it was reset."""
    return delta(before.sums[name], after.sums[name]) if name in before.sums and name in after.sums else None
