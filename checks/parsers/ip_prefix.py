"""Addresses and prefixes as numbers: a route table of a full BGP feed is searched without making an object per comparison.

>>> net = Prefix.parse("172.19.1.0/26")
>>> net.holds(Address.parse("172.19.1.10")), net.holds(Address.parse("172.19.1.64")), str(net)
(True, False, '172.19.1.0/26')
>>> str(Prefix.parse("default", family=6)), str(Prefix.parse("10.1.2.3"))
('::/0', '10.1.2.3/32')
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from checks.errors import ParseError

BITS = {4: 32, 6: 128}
_EVERYTHING = ("default", "all", "any")


@dataclass(frozen=True, slots=True)
class Address:
    """An IPv4 or IPv6 address."""

    family: int
    value: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that ``text`` writes. Raises ParseError for anything else."""
        family = 6 if ":" in text else 4
        try:
            packed = socket.inet_pton(socket.AF_INET6 if family == 6 else socket.AF_INET, text.partition("%")[0])
        except (OSError, ValueError):
            raise ParseError(f"{text[:60]!r} is not an IP address") from None
        return cls(family, int.from_bytes(packed, "big"))

    def __str__(self) -> str:
        kind = socket.AF_INET6 if self.family == 6 else socket.AF_INET
        return socket.inet_ntop(kind, self.value.to_bytes(BITS[self.family] // 8, "big"))

    def within(self, *networks: str) -> bool:
        """True when one of the written networks holds it."""
        return any(Prefix.parse(network).holds(self) for network in networks)


@dataclass(frozen=True, slots=True)
class Prefix:
    """A network: ``value`` has no bits beyond ``length``."""

    family: int
    value: int
    length: int

    @classmethod
    def parse(cls, text: str, family: int = 4, length: int | None = None) -> Prefix:
        """Read ``10.0.0.0/8``, a bare host, or a word for everything (of ``family``). Raises ParseError for anything else."""
        if text in _EVERYTHING:
            return cls(family, 0, 0)
        host, slash, bits = text.partition("/")
        address = Address.parse(host)
        full = BITS[address.family]
        size = full if length is None else length
        if slash:
            size = int(bits) if re.fullmatch("[0-9]{1,3}", bits) else -1
        if not 0 <= size <= full:
            raise ParseError(f"{text[:60]!r} is not a network")
        return cls.around(address, size)

    @classmethod
    def around(cls, address: Address, length: int) -> Prefix:
        """The network of that length that holds the address."""
        spare = BITS[address.family] - length
        return cls(address.family, address.value >> spare << spare, length)

    def holds(self, address: Address) -> bool:
        """True when the address is in the network."""
        spare = BITS[self.family] - self.length
        return self.family == address.family and address.value >> spare == self.value >> spare

    def covers(self, other: Prefix) -> bool:
        """True when ``other`` lies in this network."""
        return self.length <= other.length and self.holds(Address(other.family, other.value))

    @property
    def is_host(self) -> bool:
        """True for a single address."""
        return self.length == BITS[self.family]

    @property
    def is_multicast(self) -> bool:
        """True inside 224.0.0.0/4 or ff00::/8."""
        return (
            (self.value >> 28 == 0xE and self.length >= 4)
            if self.family == 4
            else (self.value >> 120 == 0xFF and self.length >= 8)
        )

    @property
    def is_link_local(self) -> bool:
        """True inside fe80::/10, which every IPv6 device has."""
        return self.family == 6 and self.value >> 118 == 0x3FA and self.length >= 10

    def __str__(self) -> str:
        return f"{Address(self.family, self.value)}/{self.length}"
