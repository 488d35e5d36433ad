"""``/etc/gai.conf``: the order in which glibc tries addresses.

One ``precedence`` line replaces the whole built-in table (gai.conf(5)); only ::/0 keeps its 40.

>>> order = parse_gai_conf("#precedence ::1/128 50\\nprecedence ::ffff:0:0/96  100\\n")
>>> order.precedence("192.0.2.1"), order.precedence("2001:db8::1"), order.line("192.0.2.1")
(100, 40, 2)
>>> parse_gai_conf("# nothing set\\n").precedence("192.0.2.1")
10
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.ip_prefix import Address, Prefix
from checks.parsers.reading import whole_lines

_LINE = re.compile(r"\s*(?:#.*|(?:label|precedence|scopev4)\s+\S+\s+\S+\s*(?:#.*)?|reload\s+\S+\s*(?:#.*)?)?$")
_PRECEDENCE = re.compile(r"\s*precedence\s+(\S+)\s+(\d{1,9})\s*(?:#.*)?$", re.ASCII)
_DEFAULTS = (("::1/128", 50), ("::/0", 40), ("2002::/16", 30), ("::/96", 20), ("::ffff:0:0/96", 10))


@dataclass(frozen=True)
class Order:
    """Precedences by network, with the line each stands on (0: built in)."""

    rows: tuple[tuple[Prefix, int, int], ...]

    def _row(self, ip: str) -> tuple[Prefix, int, int]:
        address = Address.parse(f"::ffff:{ip}" if ":" not in ip else ip)
        return max((row for row in self.rows if row[0].holds(address)), key=lambda row: row[0].length)

    def precedence(self, ip: str) -> int:
        """The greater one is tried first."""
        return self._row(ip)[1]

    def line(self, ip: str) -> int:
        """The line that decides, 0 when nothing in the file does."""
        return self._row(ip)[2]


def parse_gai_conf(text: str) -> Order:
    """Read the file; an empty one means the built-in table. Raises ParseError for text that is no gai.conf."""
    rows = []
    for number, line in enumerate(whole_lines(text) if text else [], 1):
        if not _LINE.match(line):
            raise ParseError(f"line {number} is not of gai.conf: {line[:60]!r}", line=number)
        if match := _PRECEDENCE.match(line):
            rows.append((Prefix.parse(match[1], 6), int(match[2]), number))
    if not rows:
        rows = [(Prefix.parse(network, 6), value, 0) for network, value in _DEFAULTS]
    if all(row[0].length for row in rows):
        rows.append((Prefix.parse("::/0"), 40, 0))
    return Order(tuple(rows))
