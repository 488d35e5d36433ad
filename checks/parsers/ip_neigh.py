"""Neighbours, from ``ip -j neigh``, the text of iproute2 and busybox, ``arp -n``, or /proc/net/arp.

STALE, DELAY, PROBE, REACHABLE, PERMANENT and NOARP are healthy states. iproute2 6.1 with ``-s`` glues ``used 0/0/0probes 0``.

>>> neighbours = parse_neighbours('''192.0.2.1 dev eth0 lladdr 02:00:00:00:00:01 used 0/0/0probes 0 STALE
... 192.0.2.9 dev eth0  FAILED
... fe80::1 dev eth0 lladdr 02:00:00:00:00:01 router REACHABLE
... ''').entries
>>> [(entry.ip, entry.state, entry.router) for entry in neighbours]
[('192.0.2.1', 'STALE', False), ('192.0.2.9', 'FAILED', False), ('fe80::1', 'REACHABLE', True)]
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from checks.errors import ParseError
from checks.parsers.arp_text import is_arp, read_arp_lines
from checks.parsers.ip_output import built, guarded, read_output
from checks.parsers.ip_prefix import Address

STATES = frozenset({"INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "NOARP", "PERMANENT", "NONE", "COMPLETE"})
UNANSWERED = frozenset({"INCOMPLETE", "FAILED"})
_ARP_COMPLETE, _ARP_PERMANENT, _ARP_PROXY = 0x02, 0x04, 0x08


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One entry of the neighbour table. ``state`` COMPLETE is all that /proc/net/arp tells of an answered one."""

    ip: str
    dev: str = ""
    lladdr: str = ""
    state: str = "NONE"
    router: bool = False
    proxy: bool = False
    line: int = 0

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.ip else 4

    @property
    def unanswered(self) -> bool:
        """True when nobody has answered for this address."""
        return self.state in UNANSWERED


@dataclass(frozen=True)
class Neighbours:
    """A dump of the neighbour table."""

    tool: str
    framed: bool
    entries: tuple[Neighbour, ...]

    def find(self, ip: str, dev: str = "") -> Neighbour | None:
        """The entry of that address (on that device). ``ip neigh show dev`` does not say the device again."""
        wanted = Address.parse(ip)
        mine = (e for e in self.entries if not e.proxy and (dev == e.dev or not dev or not e.dev))
        return next((entry for entry in mine if Address.parse(entry.ip) == wanted), None)


@guarded
def parse_neighbours(text: str) -> Neighbours:
    """All entries. Raises ParseError when the text was cut or is not what ``ip neigh`` prints."""
    output = read_output(text)
    if output.tool == "json":
        entries = [built(element.line, _from_json, element.data) for element in output.elements]
    elif output.tool == "procfs":
        entries = [built(number, _read_arp, line.split()) for number, line in output.file("/net/arp")[1:] if line.strip()]
    elif is_arp(output.lines):
        entries = [built(number, _from_json, data) for number, data in read_arp_lines(output.lines)]
        output = replace(output, tool="procfs")
    else:
        entries = [built(number, _read_line, line) for number, line in output.lines]
    return Neighbours(output.tool, output.framed, tuple(entries))


def _from_json(line: int, data: dict[str, Any]) -> Neighbour:
    if "dst" not in data or not ({"state", "proxy"} & set(data)):
        raise ParseError(f"line {line} is not a neighbour", line=line)
    Address.parse(str(data["dst"]))
    state = (data.get("state") or ["NONE"])[0]
    if state not in STATES:
        raise ParseError(f"line {line} names an unknown neighbour state {state!r}", line=line)
    return Neighbour(
        ip=str(data["dst"]),
        dev=str(data.get("dev", "")),
        lladdr=str(data.get("lladdr", "")).lower(),
        state=state,
        router="router" in data,
        proxy="proxy" in data,
        line=line,
    )


def _read_line(number: int, line: str) -> Neighbour:
    words = re.sub(r"(\d)probes\b", r"\1 probes", line).split()
    data: dict[str, Any] = {"dst": words[0], "state": []}
    rest = iter(words[1:])
    for word in rest:
        if word in ("dev", "lladdr"):
            data[word] = next(rest, "")
        elif word in ("used", "probes", "ref", "proto", "protocol", "vlan", "vni", "nhid"):
            next(rest, "")
        elif word in STATES:
            data["state"].append(word)
        elif word in ("router", "proxy"):
            data[word] = None
    if not data["state"] and "proxy" not in data:
        raise ParseError(f"line {number} names no neighbour state, so it is not of ip neigh: {line[:80]!r}", line=number)
    return _from_json(number, data)


def _read_arp(number: int, words: list[str]) -> Neighbour:
    if len(words) != 6:
        raise ParseError(f"line {number} is not a row of /proc/net/arp", line=number)
    flags = int(words[2], 16)
    state = "PERMANENT" if flags & _ARP_PERMANENT else "COMPLETE" if flags & _ARP_COMPLETE else "INCOMPLETE"
    proxy = bool(flags & _ARP_PROXY)
    lladdr = "" if state == "INCOMPLETE" or proxy else words[3]
    return Neighbour(words[0], words[5], lladdr, "NONE" if proxy else state, proxy=proxy, line=number)
