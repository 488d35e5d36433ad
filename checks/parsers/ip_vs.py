"""Virtual servers of ipvs: /proc/net/ip_vs (hexadecimal) and ``ipvsadm -Ln`` (decimal).

>>> found = parse_ip_vs('''IP Virtual Server version 1.2.1 (size=4096)
... Prot LocalAddress:Port Scheduler Flags
...   -> RemoteAddress:Port Forward Weight ActiveConn InActConn
... TCP  0A600001:01BB rr
...   -> C0A80A0B:192B      Masq    1      3          2
... UDP  0A60000A:0035 rr persistent 10800
... == end
... ''')
>>> [(each.protocol, each.ip, each.port, each.scheduler, each.flags, len(each.servers)) for each in found.virtual]
[('tcp', '10.96.0.1', 443, 'rr', '', 1), ('udp', '10.96.0.10', 53, 'rr', 'persistent 10800', 0)]
>>> found.virtual[0].servers[0].ip, found.virtual[0].servers[0].port, found.whole
('192.168.10.11', 6443, True)
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.iptables_values import is_address
from checks.results import Reason

_VIRTUAL = re.compile(r"(TCP|UDP|SCTP)\s+(\S+)\s+(\S+)(?:\s+(.*))?$")
_MARK = re.compile(r"FWM\s+\S+\s+\S+")
_REAL = re.compile(r"->\s+(\S+)\s+(Masq|Route|Tunnel|Local)\s+(-?\d{1,9})\s+(\d{1,12})\s+(\d{1,12})\s*$", re.ASCII)
_HEX4 = re.compile(r"([0-9A-F]{8}):([0-9A-F]{4})$")
_HEX6 = re.compile(r"\[([0-9a-fA-F:]{39})\]:([0-9A-F]{4})$")
_END = re.compile(r"== end$|# End of: [^|]*$")
_SKIPPED = re.compile(r"[.…\s]+$|[\[<(]?snip", re.IGNORECASE)
_PLAIN = re.compile(r"\[?([0-9a-fA-F.:]+?)\]?:(\d{1,5})$", re.ASCII)


@dataclass(frozen=True, slots=True)
class RealServer:
    """One endpoint behind a virtual server."""

    ip: str
    port: int
    weight: int
    active: int
    inactive: int
    line: int


@dataclass(slots=True)
class VirtualServer:
    """One service address."""

    protocol: str
    ip: str
    port: int
    scheduler: str
    flags: str
    line: int
    servers: list[RealServer] = field(default_factory=list)


@dataclass
class IpVs:
    """The whole table. ``whole`` is True when its end mark was seen."""

    virtual: list[VirtualServer] = field(default_factory=list)
    whole: bool = False


def address(text: str) -> tuple[str, int] | None:
    """Address and port in either form, or None.

    >>> address("[fd00:0096:0000:0000:0000:0000:0000:0001]:01BB"), address("10.96.0.1:443"), address("nowhere")
    (('fd00:96::1', 443), ('10.96.0.1', 443), None)
    """
    if match := _HEX4.match(text):
        return str(ipaddress.IPv4Address(int(match[1], 16))), int(match[2], 16)
    if match := _HEX6.match(text):
        return (str(ipaddress.ip_address(match[1])), int(match[2], 16)) if is_address(match[1]) else None
    match = _PLAIN.match(text)
    return (match[1], int(match[2])) if match and is_address(match[1]) else None


def parse_ip_vs(text: str) -> IpVs:
    """Read the table; a last line without its end is left out. Raises ParseError for what is not one.

    Lines that were grepped out of it are read too; they are never the whole.
    """
    lines = [line.strip() for line in text.split("\n")]
    lines.pop()
    headings = [number for number, line in enumerate(lines, 1) if line.startswith("IP Virtual Server version")]
    if not headings and not any(map(_VIRTUAL.match, lines)):
        raise ParseError("this is not the table of ipvs", Reason.UNPARSED if lines else Reason.TRUNCATED, line=1)
    if len(headings) > 1:
        raise ParseError(f"this holds {len(headings)} tables of ipvs: keep the one that counts", line=headings[1])
    found = IpVs()
    marked = skipped = False
    begin = headings[0] if headings else 0
    for number, line in enumerate(lines[begin:], begin + 1):
        if _END.match(line):
            found.whole = bool(headings) and not skipped
        elif _SKIPPED.match(line):
            skipped = True
        elif match := _VIRTUAL.match(line):
            marked = False
            found.virtual.append(_virtual(number, match))
        elif _MARK.match(line):
            marked = True
        elif match := _REAL.match(line):
            if not marked:
                _add(found, number, match)
        elif line and not line.startswith(("Prot ", "-> RemoteAddress", "# ", "--")):
            raise ParseError("this line is neither a virtual nor a real server", line=number)
    return found


def _virtual(number: int, match: re.Match[str]) -> VirtualServer:
    at = address(match[2])
    if at is None:
        raise ParseError("the address of this virtual server cannot be read; ipvsadm -Ln prints numbers", line=number)
    return VirtualServer(match[1].lower(), at[0], at[1], match[3], (match[4] or "").strip(), number)


def _add(found: IpVs, number: int, match: re.Match[str]) -> None:
    at = address(match[1])
    if at is None or not found.virtual:
        raise ParseError("this real server cannot be read, or stands before any virtual one", line=number)
    found.virtual[-1].servers.append(RealServer(at[0], at[1], int(match[3]), int(match[4]), int(match[5]), number))
