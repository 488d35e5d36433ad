"""Routes, from ``ip -j route``, iproute2's text (4.11 and later, also ``-o``), busybox's text, or /proc/net.

jc and insights drop what matters here (the destination of a blackhole, table, onlink, weights, nexthops), so this reader is
our own. A word it does not know is kept in ``extra``, never taken for something else.

>>> table = parse_routes('''default via 192.0.2.1 dev eth0 proto static metric 100
... blackhole 172.19.1.0/26 proto bird
... 10.7.0.0/16
... \\tnexthop via 192.0.2.1 dev eth0 weight 3
... \\tnexthop via 192.0.2.9 dev eth1 weight 1
... ''')
>>> [(str(route.prefix), route.type, route.metric, len(route.nexthops), route.line) for route in table.routes]
[('0.0.0.0/0', 'unicast', 100, 1, 1), ('172.19.1.0/26', 'blackhole', 0, 0, 2), ('10.7.0.0/16', 'unicast', 0, 2, 3)]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from checks.errors import ParseError
from checks.parsers.ip_output import built, guarded, read_output
from checks.parsers.ip_prefix import Prefix
from checks.parsers.ip_route_proc import is_route_n, read_proc, read_route_n
from checks.parsers.ip_route_text import TYPES, read_lines

ERRORS = {"blackhole": "EINVAL", "unreachable": "EHOSTUNREACH", "prohibit": "EACCES", "throw": "EAGAIN"}
"""Route types that are an error, and the errno a sender sees."""

_TABLES = {"255": "local", "254": "main", "253": "default"}


@dataclass(frozen=True, slots=True)
class Nexthop:
    """One way out: a device, perhaps through a gateway."""

    dev: str
    gateway: str = ""
    weight: int = 1
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Route:
    """One route. ``metric`` 0 of IPv4 is what no metric means; ``line`` is 1-based in the section."""

    prefix: Prefix
    type: str = "unicast"
    table: str = "main"
    metric: int = 0
    tos: int = 0
    scope: str = "global"
    proto: str = ""
    src: str = ""
    pref: str = ""
    nexthops: tuple[Nexthop, ...] = ()
    mtu: int | None = None
    expires_s: int | None = None
    nhid: int | None = None
    source: str = ""
    extra: tuple[str, ...] = ()
    line: int = 0

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.prefix.family

    @property
    def is_default(self) -> bool:
        """True for the route to everywhere."""
        return self.prefix.length == 0

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices it leaves by."""
        return tuple(dict.fromkeys(hop.dev for hop in self.nexthops if hop.dev))

    @property
    def name(self) -> str:
        """Its type and destination, as ip writes them."""
        words = [self.type] if self.type != "unicast" else []
        return " ".join([*words, "default" if self.is_default else str(self.prefix)])

    def __str__(self) -> str:
        ways = [f"via {hop.gateway} dev {hop.dev}" if hop.gateway else f"dev {hop.dev}" for hop in self.nexthops if hop.dev]
        return f"{self.name} {' or '.join(ways)}" if ways and self.type not in ERRORS else self.name


@dataclass(frozen=True)
class Routes:
    """A dump of routes of one family. ``tool`` says how much it could tell: busybox and procfs hide nexthops and protocols."""

    tool: str
    framed: bool
    routes: tuple[Route, ...]

    @property
    def has_local(self) -> bool:
        """True when the table of the host's own addresses is in the dump (``table all``)."""
        return any(route.table == "local" for route in self.routes)

    @property
    def shows_its_end(self) -> bool:
        """True when nothing can be missing below: the collector's closing line, or the local table, which comes last."""
        return self.framed or self.has_local

    def in_table(self, table: str) -> list[Route]:
        """The routes of one table."""
        return [route for route in self.routes if route.table == table]


@guarded
def parse_routes(text: str, family: int = 4) -> Routes:
    """All routes of one family. Raises ParseError when the text was cut or is not what ``ip route`` prints."""
    output = read_output(text)
    if output.tool == "json":
        objects = [(element.line, element.data) for element in output.elements]
    elif output.tool == "procfs":
        objects = read_proc(output, family)
    elif is_route_n(output.lines):
        objects, output = read_route_n(output.lines), replace(output, tool="procfs")
    else:
        objects = read_lines(output.lines)
    routes = [built(line, build_route, data, family) for line, data in objects if built(line, _family, data, family) == family]
    # A kernel before 4.11 lists its own "nothing matches" entry, in no table of any rule.
    return Routes(output.tool, output.framed, tuple(route for route in routes if route.table != "unspec"))


def build_route(line: int, data: Mapping[str, Any], family: int = 4) -> Route:
    """A route from the object that ``ip -j`` prints. Raises ParseError for an object that is no route."""
    kind = data.get("type", "unicast")
    if "dst" not in data or kind not in TYPES or "state" in data:
        raise ParseError(f"line {line} is not a route", line=line)
    prefix = Prefix.parse(str(data["dst"]), family)
    metrics = (data.get("metrics") or [{}])[0]
    hops = tuple(_nexthop(hop) for hop in data.get("nexthops", ()))
    if not hops and kind != "throw" and (data.get("dev") or _gateway(data)):
        hops = (_nexthop(data),)
    return Route(
        prefix=prefix,
        type=kind,
        table=table_name(str(data.get("table", "main"))),
        metric=_number(data.get("metric", 1024 if prefix.family == 6 else 0)) & 0xFFFFFFFF,
        tos=_number(data.get("tos", 0)),
        scope=str(data.get("scope", "global")),
        proto=str(data.get("protocol", "")),
        src=str(data.get("prefsrc", "")),
        pref=str(data.get("pref", "")),
        nexthops=hops,
        mtu=_number(metrics["mtu"]) if "mtu" in metrics else None,
        expires_s=_number(data["expires"]) if "expires" in data else None,
        nhid=_number(data["nhid"]) if "nhid" in data else None,
        source=str(data.get("from", "")),
        extra=tuple(data.get("extra", ())),
        line=line,
    )


def table_name(table: str) -> str:
    """One name for a table: the kernel's own three by name, others as printed; busybox writes large ids as negative numbers."""
    if re.fullmatch(r"-\d+", table, re.ASCII):
        table = str(int(table) & 0xFFFFFFFF)
    return _TABLES.get(table, table)


def _family(_line: int, data: Mapping[str, Any], asked: int) -> int:
    """The family of a row; ``default`` tells it only by what stands beside it, and a dump of all tables may hold both."""
    dst, first = str(data.get("dst", "")), (data.get("nexthops") or [data])[0]
    if dst != "default":
        return 6 if ":" in dst else 4
    if "via" in first:
        return 4
    if gateway := str(first.get("gateway", "")):
        return 6 if ":" in gateway else 4
    if data.get("pref") or data.get("error"):
        return 6
    return 4 if data.get("scope", "global") != "global" else asked


def _nexthop(data: Mapping[str, Any]) -> Nexthop:
    flags = frozenset(data.get("flags", ()))
    return Nexthop(str(data.get("dev", "")), _gateway(data), _number(data.get("weight", 1)), flags)


def _gateway(data: Mapping[str, Any]) -> str:
    via = data.get("via")
    return str(via.get("host", "")) if isinstance(via, Mapping) else str(data.get("gateway", ""))


def _number(value: Any) -> int:
    """A number as JSON or text writes it: 100, "0x10", "2999sec"; -1 for a word such as a name of a TOS value."""
    if isinstance(value, int):
        return value
    match = re.match(r"(0x[0-9a-fA-F]+|-?\d+)", str(value), re.ASCII)
    return int(match[1], 0) if match else -1
