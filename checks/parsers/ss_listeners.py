"""Listening TCP sockets with their kind: IPv4, IPv6 only, both families, or IPv6 of unknown kind.

Forms: ``ss -ltn`` (with ``-e`` it names v6only), ``netstat -ltn``, /proc/net/tcp and tcp6. A socket that takes both families
prints as ``*:80``, one for IPv6 only as ``[::]:80`` (measured, iproute2 6.1). The ss of CentOS 7 prints ``*:80`` for IPv4 and,
like netstat, ``:::80`` for both kinds of IPv6; a text without a row that shows which ss it was leaves ``*:80`` unknown.

>>> found = parse_listeners('''LISTEN 0 511       *:80        *:* ino:12 sk:3 v6only:0 <->
... LISTEN 0 511    [::]:443    [::]:* ino:13 sk:4 v6only:1 <->
... LISTEN 0 511 0.0.0.0:22  0.0.0.0:* users:(("sshd",pid=812,fd=3))
... ''')
>>> [(socket.address, socket.port, socket.kind, socket.pid, socket.line) for socket in found]
[('::', 80, 'dual', None, 1), ('::', 443, 'v6only', None, 2), ('0.0.0.0', 22, 'v4', 812, 3)]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.files import split_files
from checks.parsers.ip_prefix import Address
from checks.parsers.reading import whole_lines
from checks.results import Reason

KINDS = ("v4", "v6only", "dual", "v6_unknown", "unknown")
_SS = re.compile(r"LISTEN\s+\d+\s+\d+\s+(\S+):(\d{1,5})\s+(\S+):\*(?:\s(.*))?$", re.ASCII)
_NETSTAT = re.compile(r"(tcp6?)\s+\d+\s+\d+\s+(\S+):(\d{1,5})\s+(\S+):\*\s+LISTEN(?:\s+(.*))?$", re.ASCII)
_PROC = re.compile(r"\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) ")
_HEADINGS = re.compile(r"State\s+Recv-Q|Netid\s+State|Active Internet|Proto\s+Recv-Q|\s*sl\s+local_address|\(.*\)$|\s*$")
_PID = re.compile(r"pid=(\d+)|^(\d+)/")
_LISTEN = "0A"


@dataclass(frozen=True)
class Listener:
    """One socket. ``address`` is ``::`` for all addresses of an IPv6 socket; ``zone`` is the device of a link-local one."""

    address: str
    port: int
    kind: str
    zone: str = ""
    pid: int | None = None
    line: int = 0

    @property
    def is_everywhere(self) -> bool:
        """True when it takes connections to every address."""
        return self.address in ("0.0.0.0", "::")  # noqa: S104  a comparison, nothing is bound

    @property
    def is_loopback(self) -> bool:
        """True when only this host reaches it."""
        return Address.parse(self.address).within("127.0.0.0/8", "::1/128")

    @property
    def is_link_local(self) -> bool:
        """True when only the same network segment reaches it."""
        return Address.parse(self.address).within("fe80::/10")


def parse_listeners(text: str) -> list[Listener]:
    """The sockets. Raises ParseError when the section was cut or a line is none of the known forms."""
    if not text.startswith(("== ", "!! ")):
        return _read_lines(list(enumerate(whole_lines(text), 1)))
    files = split_files(text)
    if not files.complete:
        raise ParseError("the list of sockets was cut: its closing line is missing", Reason.TRUNCATED)
    if not any(path.startswith(("ss ", "/proc/net/tcp")) for path in files):
        raise ParseError("the output holds neither ss nor /proc/net/tcp", Reason.MISSING)
    found: list[Listener] = []
    for path in files:
        if path.startswith(("ss ", "/proc/net/tcp")):
            lines = files.text(path).split("\n")[:-1]
            found += _read_lines(list(enumerate(lines, files.line_of(path))))
    if "/proc/net/tcp" in files and files.absent.get("/proc/net/tcp6") == "unreadable":
        files.need("/proc/net/tcp6")
    return found


def _read_lines(lines: list[tuple[int, str]]) -> list[Listener]:
    brackets = any(re.search(r"(?<=\s)(?:\[|0\.0\.0\.0:|.*\bv6only:)", text) for _, text in lines if text.startswith("LISTEN"))
    colons = any(":::" in text for _, text in lines)
    star = "dual" if brackets else "v4" if colons else "unknown"
    return [found for number, text in lines for found in _read_line(number, text, star)]


def _read_line(number: int, text: str, star: str) -> Iterator[Listener]:
    line = text.removeprefix("tcp").lstrip() if re.match(r"tcp\s+LISTEN\b", text) else text
    if match := _SS.match(line):
        yield _listener(number, match[1], match[2], match[4] or "", star)
    elif match := _NETSTAT.match(text):
        yield _listener(number, match[2], match[3], match[5] or "", "v4")
    elif match := _PROC.match(text):
        if match[3] == _LISTEN:
            yield _listener(number, _decode(match[1]), str(int(match[2], 16)), "", "v4")
    elif not _HEADINGS.match(text) and not re.match(r"(?:udp6?|unix|u_\w+|tcp6?)\s", text):
        raise ParseError(f"line {number} is not a listening socket: {text[:80]!r}", line=number)


def _listener(number: int, address: str, port: str, rest: str, star: str) -> Listener:
    bare, _, zone = address.partition("%")
    if not zone and bare.startswith("[") and "]" in bare:
        bare = bare[1:].partition("]")[0]
    elif bare.startswith("["):
        bare = bare[1:].rstrip("]")
    zone = zone.rstrip("]")
    said = re.search(r"\bv6only:([01])", rest)
    pid = _PID.search(rest)
    owner = int((pid[1] or pid[2])[:9]) if pid else None
    if bare == "*":
        kind = {"0": "dual", "1": "v6only"}[said[1]] if said else star
        return Listener("0.0.0.0" if kind == "v4" else "::", int(port), kind, zone, owner, number)  # noqa: S104
    value = Address.parse(bare)
    if value.within("::ffff:0:0/96"):
        return Listener(str(Address(4, value.value & 0xFFFFFFFF)), int(port), "v4", zone, owner, number)
    if value.family == 4:
        return Listener(bare, int(port), "v4", zone, owner, number)
    bracketed = address.startswith("[")
    kind = {"0": "dual", "1": "v6only"}[said[1]] if said else "v6only" if bracketed else "v6_unknown"
    return Listener(str(value), int(port), kind, zone, owner, number)


def _decode(word: str) -> str:
    """An address of /proc/net: 32-bit words in the byte order of x86 and arm64.

    >>> _decode("0000000000000000FFFF00000100007F"), _decode("0100007F")
    ('::ffff:127.0.0.1', '127.0.0.1')
    """
    raw = b"".join(bytes.fromhex(word[at : at + 8])[::-1] for at in range(0, len(word), 8))
    return str(Address(6 if len(raw) == 16 else 4, int.from_bytes(raw, "big")))
