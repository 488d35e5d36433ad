"""Sockets of one port, grouped by address as SO_REUSEPORT groups them (socket(7)).

>>> from checks.parsers.sockets import parse_udp_listeners
>>> found = parse_udp_listeners('''UNCONN 0    0 192.0.2.1:53   0.0.0.0:* ino:11 sk:1 <->
... UNCONN 4160 0 192.0.2.1:53   0.0.0.0:* ino:12 sk:2 <->
... UNCONN 0    0 224.0.0.251:53 0.0.0.0:* ino:13 sk:3 <->
... ''')
>>> groups = by_address(found, 53)
>>> {address: (len(rows), copied(rows)) for address, rows in groups.items()}
{'192.0.2.1': (2, False), '224.0.0.251': (1, True)}
>>> usual(groups['192.0.2.1'][1], groups['192.0.2.1']), closed(groups, {})
(0, 3)
"""

from __future__ import annotations

from ipaddress import ip_address
from statistics import median

from checks.parsers.sockets import Listener, Listeners

Groups = dict[str, list[Listener]]


def by_address(found: Listeners, port: int | None) -> Groups:
    """The sockets of the port; an inode that stands in two rows is one socket."""
    groups: Groups = {}
    seen: set[tuple[str, int]] = set()
    for row in found.rows:
        if row.port != port or (row.inode is not None and (row.address, row.inode) in seen):
            continue
        groups.setdefault(row.address, []).append(row)
        if row.inode is not None:
            seen.add((row.address, row.inode))
    return groups


def closed(before: Groups, after: Groups) -> int:
    """How many sockets are in the first sample only."""
    return sum(
        len({row.inode for row in rows} - {row.inode for row in after.get(address, [])}) for address, rows in before.items()
    )


def copied(rows: list[Listener]) -> bool:
    """True for a multicast address: each socket gets a copy of every datagram."""
    try:
        return ip_address(rows[0].address.partition("%")[0].strip("[]")).is_multicast
    except ValueError:  # ss writes * for all addresses
        return False


def usual(row: Listener, rows: list[Listener]) -> float:
    """The median queue of the group; of two sockets that of the other, as half of a long queue would hide it."""
    return median(entry.queue for entry in rows if len(rows) != 2 or entry is not row)
