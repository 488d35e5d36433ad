"""Whether a packet is in a set of ipset: yes, no, or not to be told.

The words behind a set's name say for each part of its entries where to look: ``dst,dst`` is destination address and port.
"""

from __future__ import annotations

from collections.abc import Mapping

from checks.analyzers.packet import Packet, inside
from checks.parsers.ipset import AddressSet

_DEEPEST = 4


def holds(sets: Mapping[str, AddressSet], name: str, flags: str, packet: Packet, depth: int = 0) -> bool | None:
    """True when the set holds the packet; None when the set, or what it looks at, is not known."""
    found = sets.get(name)
    words = flags.split(",")
    if found is None or depth > _DEEPEST or len(words) < len(found.kinds):
        return None
    if found.kinds == ("set",):
        members = [part for entry in (*found.single, *found.wide) for part in entry]
        answers = [holds(sets, member, flags, packet, depth + 1) for member in members]
        return True if True in answers else None if None in answers or not found.whole else False
    values = [_value(kind, word, packet) for kind, word in zip(found.kinds, words, strict=False)]
    if None in values:
        return None
    looked = [value for value in values if value is not None]
    if any(_in(found.kinds, entry, looked) for entry in found.excluded):
        return False if found.whole else None
    if tuple(looked) in found.single or any(_in(found.kinds, entry, looked) for entry in found.wide):
        return True if found.whole or not _may_exclude(found) else None
    return False if found.whole else None


def _value(kind: str, word: str, packet: Packet) -> str | None:
    source = word == "src"
    if kind in ("ip", "net"):
        return packet.src if source else packet.dst
    if kind == "port":
        number = packet.sport if source else packet.dport
        return f"{packet.protocol}:{number}" if number is not None else None
    return (packet.iif if source else packet.oif) if kind == "iface" else None


def _in(kinds: tuple[str, ...], entry: tuple[str, ...], values: list[str]) -> bool:
    return len(entry) == len(values) and all(map(_part, kinds, entry, values))


def _part(kind: str, part: str, value: str) -> bool:
    if kind in ("ip", "net"):
        return bool(inside(value, part))
    return part in (value, value.rpartition(":")[2])


def _may_exclude(found: AddressSet) -> bool:
    """A set of networks may still except a part of one in a line that is not here."""
    return "net" in found.kinds
