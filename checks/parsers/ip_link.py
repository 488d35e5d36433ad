"""Network devices, from ``ip -j -s -d link``, the text of iproute2 and busybox, or /sys/class/net with /proc/net/dev.

>>> links = parse_links('''2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP group default qlen 1000
...     link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
... 3: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
...     link/ipip 0.0.0.0 brd 0.0.0.0
... ''')
>>> [(link.name, link.up, link.carrier, link.mtu, link.kind, link.line) for link in links.links]
[('eth0', True, True, 1500, '', 1), ('tunl0', True, True, 1480, 'ipip', 3)]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from checks.errors import ParseError
from checks.parsers.ip_link_text import read_link_lines, refuse_cut
from checks.parsers.ip_output import Output, built, guarded, read_output

_TUNNEL_LINKS = frozenset({"ipip", "sit", "gre", "tunnel6", "gre6"})
_COUNTERS = {"errors": "errors", "dropped": "dropped", "packets": "packets", "bytes": "bytes"}
_UP, _LOOPBACK, _RUNNING = 0x1, 0x8, 0x40


@dataclass(frozen=True)
class Link:
    """One device. ``operstate`` is empty and ``counters`` are missing when the tool does not print them."""

    name: str
    flags: frozenset[str] = frozenset()
    mtu: int | None = None
    index: int = 0
    operstate: str = ""
    kind: str = ""
    master: str = ""
    address: str = ""
    peer: str = ""
    group: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    line: int = 0

    @property
    def up(self) -> bool:
        """True when an administrator (or agent) switched it on."""
        return "UP" in self.flags

    @property
    def carrier(self) -> bool:
        """True when it is up and the layer below is too."""
        return self.up and "LOWER_UP" in self.flags and "NO-CARRIER" not in self.flags

    @property
    def state(self) -> str:
        """What is wrong with it in words, or ``up``."""
        if not self.up:
            return "DOWN"
        return "up" if self.carrier else "up but without carrier"


@dataclass(frozen=True)
class Links:
    """All devices of a network namespace."""

    tool: str
    framed: bool
    links: tuple[Link, ...]

    def find(self, name: str) -> Link | None:
        """The device of that name."""
        return next((link for link in self.links if link.name == name), None)

    def named(self, *starts: str) -> list[Link]:
        """The devices whose names start with one of these."""
        return [link for link in self.links if link.name.startswith(starts)]


@guarded
def parse_links(text: str) -> Links:
    """All devices. Raises ParseError when the text was cut or is not what ``ip link`` or ``ip addr`` prints."""
    output = read_output(text)
    if output.tool == "json":
        objects = [(element.line, element.data) for element in output.elements]
    elif output.tool == "procfs":
        objects = _read_sys(output)
    else:
        objects = read_link_lines(output.lines)
        refuse_cut(output)
    links = tuple(built(line, link_from, data) for line, data in objects)
    return Links(output.tool, output.framed, links)


def link_from(line: int, data: Mapping[str, Any]) -> Link:
    """A device from the object that ``ip -j link`` prints. Raises ParseError for another object."""
    if "ifname" not in data or not isinstance(data.get("flags"), list):
        raise ParseError(f"line {line} is not a network device", line=line)
    about = data.get("linkinfo") or {}
    kind = str(about.get("info_kind", ""))
    if not kind and data.get("link_type") in _TUNNEL_LINKS:
        kind = str(data["link_type"])
    return Link(
        name=str(data["ifname"]),
        flags=frozenset(data["flags"]),
        mtu=int(data["mtu"]) if "mtu" in data else None,
        index=int(data.get("ifindex", 0)),
        operstate=str(data.get("operstate", "")),
        kind=kind,
        master=str(data.get("master", "")),
        address=str(data.get("address", "")).lower(),
        peer=str(data.get("link") or ""),
        group=str(data.get("group", "")),
        info=about.get("info_data") or {},
        counters=_counters(data.get("stats64") or data.get("stats") or {}),
        line=line,
    )


def _counters(stats: Mapping[str, Any]) -> dict[str, int]:
    return {
        f"{way}_{name}": int(stats[way][name]) for way in ("rx", "tx") if way in stats for name in _COUNTERS if name in stats[way]
    }


def _read_sys(output: Output) -> list[tuple[int, dict[str, Any]]]:
    """Devices of /sys/class/net: flags there know no carrier, operstate tells it."""
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    for path, lines in output.files.items():
        words = path.split("/")
        if path.startswith("/sys/class/net/") and len(words) == 6 and lines:
            data = found.setdefault(words[4], (lines[0][0], {"ifname": words[4]}))[1]
            data[words[5]] = lines[0][1].strip()
    if not found:
        raise ParseError("the output holds no devices of /sys/class/net")
    for _, data in found.values():
        flags, state = int(str(data.get("flags", "0")), 16), str(data.get("operstate", "unknown"))
        names = ["UP"] * bool(flags & _UP) + ["LOOPBACK"] * bool(flags & _LOOPBACK)
        if flags & _UP:
            names.append("LOWER_UP" if state in ("up", "unknown", "dormant") else "NO-CARRIER")
        data |= {"flags": names, "operstate": state.upper()}
    _read_dev(output, found)
    return list(found.values())


def _read_dev(output: Output, found: dict[str, tuple[int, dict[str, Any]]]) -> None:
    for _, line in output.file("/net/dev")[2:]:
        name, _, values = line.partition(":")
        numbers = [int(word) for word in values.split()]
        if name.strip() in found and len(numbers) == 16:
            rx, tx = numbers[:4], numbers[8:12]
            keys = ("bytes", "packets", "errors", "dropped")
            found[name.strip()][1]["stats"] = {"rx": dict(zip(keys, rx, strict=True)), "tx": dict(zip(keys, tx, strict=True))}
