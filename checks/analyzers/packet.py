"""The packet that a trace follows, and what is known of the node it crosses.

``None`` always means "not known": a trace never guesses from it, it tries both answers.
"""

from __future__ import annotations

import copy
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from checks.parsers.ipset import AddressSet
from checks.parsers.iptables_values import mark as read_mark

Origin = Literal["pod", "host", "external"]


@lru_cache(maxsize=65536)
def number(address: str) -> int | None:
    """An address as a number, or None; v4 and v6 never meet in one rule set."""
    try:
        return int(ipaddress.ip_address(address))
    except ValueError:
        return None


@lru_cache(maxsize=65536)
def network(text: str) -> tuple[int, int] | None:
    """Base and mask of an address with or without a prefix or netmask, or None."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return int(found.network_address), int(found.netmask)


def inside(address: str, prefix: str) -> bool | None:
    """True when the address lies in the prefix; None when one of them is no such thing.

    >>> inside("10.244.3.9", "10.244.0.0/16"), inside("fd00::1", "fd00::1/128"), inside("10.0.0.1", "ten")
    (True, True, None)
    """
    wanted, value = network(prefix), number(address)
    if wanted is None or value is None:
        return None
    return value & wanted[1] == wanted[0] and (":" in address) == (":" in prefix)


@dataclass(slots=True)
class Packet:
    """The first packet of a new connection. ``iif`` and ``oif`` are empty where a hook has none, None when not known."""

    src: str
    dst: str
    dport: int
    protocol: str
    origin: Origin = "pod"
    iif: str | None = None
    oif: str | None = None
    sport: int | None = None
    mark: int = 0
    connmark: int = 0
    original_dst: str = ""
    original_dport: int = 0
    dnat: bool = False
    snat: str = ""
    untracked: bool = False
    local_out: bool = False
    assumed: dict[tuple[str, str], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.original_dst = self.original_dst or self.dst
        self.original_dport = self.original_dport or self.dport

    def copy(self) -> Packet:
        """An independent copy: branches never share what changes."""
        other = copy.copy(self)
        other.assumed = dict(self.assumed)
        return other

    def assume(self, question: tuple[str, str], *, value: bool) -> None:
        """Settle an open question for this branch; a named interface that is assumed is then known."""
        self.assumed[question] = value
        kind, name = question
        if value and kind in ("i", "o") and not name.endswith("+"):
            if kind == "i":
                self.iif = name
            else:
                self.oif = name


class Hop(NamedTuple):
    """What routing says: ``kind`` is unicast, local, blackhole, unreachable, prohibit or none."""

    kind: str
    dev: str | None = None
    gateway: str | None = None
    prefix: str = ""
    src: str | None = None
    line: tuple[str, int] | None = None


Lookup = Callable[[str, str, str, int], Hop | None]
"""Answers (dst, src, iif, mark); None when the routes are not known."""


@dataclass(slots=True)
class Node:
    """What is known of the node beside its rules.

    ``own`` and ``elsewhere`` are addresses taken as the node's own, and as not its own, where ``local`` is not known.
    ``bridges`` are the networks behind bridges, told by their masquerade rules.
    """

    local: frozenset[str] | None = None
    route: Lookup | None = None
    route_localnet: bool | None = None
    sets: Mapping[str, AddressSet] = field(default_factory=dict)
    bridges: Mapping[str, str] = field(default_factory=dict)
    known_client: bool = False
    own: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()

    def is_local(self, address: str) -> bool | None:
        """True when the node owns the address; None when its addresses are not known."""
        if is_loopback(address) or address in self.own:
            return True
        if self.local is None:
            return False if address in self.elsewhere else None
        return address in self.local

    def lookup(self, packet: Packet, *, iif: str = "") -> Hop | None:
        """The route of the packet, or None when the routes are not known."""
        return self.route(packet.dst, packet.src, iif, packet.mark) if self.route else None


@lru_cache(maxsize=4096)
def is_loopback(address: str) -> bool:
    """True for 127.0.0.0/8 and ::1."""
    return ipaddress.ip_address(address).is_loopback


def set_mark(mark: int, words: tuple[str, ...]) -> int | None:
    """The mark after a MARK target; None when its words are not known.

    Any form is ``(mark & ~mask) ^ value``; ``--or-mark 0x4000`` is saved as ``--set-xmark 0x4000/0x4000``.

    >>> hex(set_mark(0x10, ("--set-xmark", "0x4000/0x4000"))), set_mark(0x4000, ("--set-xmark", "0x4000/0x0"))
    ('0x4010', 0)
    >>> set_mark(7, ("--set-mark", "0x2")), set_mark(1, ("--glow",))
    (2, None)
    """
    if len(words) != 2:
        return None
    first, _, second = words[1].partition("/")
    value, mask = read_mark(first), read_mark(second or "0xffffffff")
    if value is None or mask is None:
        return None
    if words[0] == "--set-xmark":
        return (mark & ~mask) ^ value
    if words[0] == "--set-mark":
        return mark & ~(mask | value) | value
    return {"--or-mark": mark | value, "--and-mark": mark & value, "--xor-mark": mark ^ value}.get(words[0])


def mark_matches(mark: int, text: str) -> bool | None:
    """Whether ``--mark value/mask`` holds; None when it cannot be read.

    >>> mark_matches(0x4010, "0x4000/0x4000"), mark_matches(0x4010, "0x4000")
    (True, False)
    """
    first, _, second = text.partition("/")
    value, mask = read_mark(first), read_mark(second or "0xffffffff")
    return None if value is None or mask is None else mark & mask == value
