"""Addresses, from ``ip -j addr``, the text of iproute2 (``-o`` too) and busybox, or /proc/net/if_inet6 and fib_trie.

insights' reader drops dadfailed, tentative, deprecated and the lifetimes; jc's ``ip_address`` reads no command at all.

>>> found = parse_addresses('''2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP group default qlen 1000
...     inet 192.0.2.10/24 brd 192.0.2.255 scope global dynamic eth0
...        valid_lft 42sec preferred_lft 42sec
...     inet6 2001:db8::2/64 scope global tentative dadfailed
...        valid_lft forever preferred_lft forever
... ''')
>>> [(a.ip, a.plen, a.dev, sorted(a.flags), a.valid_s, a.line) for a in found.addresses]
[('192.0.2.10', 24, 'eth0', ['dynamic'], 42, 2), ('2001:db8::2', 64, 'eth0', ['dadfailed', 'tentative'], None, 4)]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checks.errors import ParseError
from checks.parsers.ip_addr_text import FLAGS, read_addr_lines, read_proc_addresses
from checks.parsers.ip_link import Link, link_from
from checks.parsers.ip_link_text import refuse_cut
from checks.parsers.ip_output import Element, built, guarded, read_output
from checks.parsers.ip_prefix import Address as Ip
from checks.parsers.ip_prefix import Prefix

FOREVER = 0xFFFFFFFF


@dataclass(frozen=True)
class Address:
    """An address of a device. Lifetimes in seconds, None for ever; ``flags`` as iproute2 names them."""

    ip: str
    plen: int
    dev: str
    scope: str = "global"
    flags: frozenset[str] = frozenset()
    valid_s: int | None = None
    preferred_s: int | None = None
    peer: str = ""
    line: int = 0

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.ip else 4

    @property
    def network(self) -> Prefix:
        """The network it makes the host a member of: that of its peer on a point-to-point device."""
        return Prefix.around(Ip.parse(self.peer or self.ip), self.plen)


@dataclass(frozen=True)
class Addresses:
    """All addresses, and the devices as far as the dump shows them (``ip -o addr`` and /proc show none)."""

    tool: str
    framed: bool
    addresses: tuple[Address, ...]
    links: tuple[Link, ...] = ()

    def of(self, dev: str) -> list[Address]:
        """The addresses of one device."""
        return [address for address in self.addresses if address.dev == dev]

    def owner(self, ip: str) -> Address | None:
        """The entry of that address."""
        wanted = Ip.parse(ip)
        return next((address for address in self.addresses if Ip.parse(address.ip) == wanted), None)


@guarded
def parse_addresses(text: str) -> Addresses:
    """All addresses. Raises ParseError when the text was cut or is not what ``ip addr`` prints."""
    output = read_output(text)
    if output.tool == "json":
        return _from_json(output.elements)
    if output.tool == "procfs":
        objects = read_proc_addresses(output)
        return Addresses(output.tool, output.framed, tuple(built(line, _address, dev, data) for line, dev, data in objects))
    heads, objects = read_addr_lines(output.lines)
    refuse_cut(output)
    links = tuple(built(line, link_from, data) for line, data in heads)
    addresses = tuple(built(line, _address, dev, data) for line, dev, data in objects)
    return Addresses(output.tool, output.framed, addresses, links)


def _from_json(elements: tuple[Element, ...]) -> Addresses:
    links, addresses = [], []
    for element in elements:
        if "addr_info" not in element:
            raise ParseError(f"line {element.line} is not of ip addr", line=element.line)
        link = built(element.line, link_from, element.data)
        links.append(link)
        for data in element["addr_info"]:
            if data:
                line = element.line_of("local", str(data.get("local", "")))
                addresses.append(built(line, _address, link.name, data))
    return Addresses("json", framed=True, addresses=tuple(addresses), links=tuple(links))


def _address(line: int, dev: str, data: Mapping[str, Any]) -> Address:
    if "local" not in data or "prefixlen" not in data:
        raise ParseError(f"line {line} is not an address", line=line)
    network = Prefix.parse(str(data["local"]), length=int(data["prefixlen"]))
    return Address(
        ip=str(data["local"]),
        plen=network.length,
        dev=dev,
        scope=str(data.get("scope", "global")),
        flags=frozenset(flag for flag in FLAGS if data.get(flag)),
        valid_s=_lifetime(data.get("valid_life_time")),
        preferred_s=_lifetime(data.get("preferred_life_time")),
        peer=str(data.get("address", "")) if data.get("family", "inet").startswith("inet") else "",
        line=line,
    )


def _lifetime(value: Any) -> int | None:
    return None if value is None or int(value) == FOREVER else int(value)
