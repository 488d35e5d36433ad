"""Established connections, as ``ss -tino`` prints them: two lines each, the second with the kernel's tcp_info.

>>> one = parse_connections('''0      296    127.0.0.1:45618 127.0.0.1:48793 timer:(on,204ms,0)
... 	 ts sack cubic wscale:10,10 rto:220 rtt:19.748/23.663 ato:40 mss:32768 cwnd:18 unacked:1 notsent:168 minrtt:0.002
... ''')[0]
>>> one.name, one.send_queue, one.number("notsent"), one.milliseconds("rtt"), one.milliseconds("minrtt")
('127.0.0.1:45618 127.0.0.1:48793', 296, 168, 19.748, 0.002)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.reading import whole_lines, whole_number
from checks.results import Reason

_SOCKET = re.compile(r"^(?:(?:tcp +)?([A-Z][A-Z0-9-]+) +)?([0-9]+) +([0-9]+) +(\S+:[\w*-]+) +(\S+:[\w*-]+)(?: .*)?$")
_INFO = re.compile(r"\s|(?:\S+ )*(?:rto|cwnd):")


@dataclass(frozen=True)
class Connection:
    """One connection at one moment. ``info`` holds the words of its second line by key; a bare word has an empty value."""

    name: str
    send_queue: int
    line: int
    info: dict[str, str] = field(default_factory=dict)

    def number(self, key: str) -> int | None:
        """A whole number of the second line."""
        return whole_number(self.info[key]) if key in self.info else None

    def milliseconds(self, key: str) -> float | None:
        """A time of the second line; of ``rtt:19.7/23.6`` the first."""
        first = self.info.get(key, "").split("/")[0]
        return float(first) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", first) else None


def parse_connections(text: str) -> list[Connection]:
    """Read the established connections of one look. Raises ParseError when one lacks its second line.

    Pages that show it may have lost the second line's indent; sockets in other states are passed over.
    """
    found: list[Connection] = []
    lines = whole_lines(text)
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip() or line.startswith(("Recv-Q", "State", "Netid")):
            continue
        match = _SOCKET.match(line.rstrip())
        if not match:
            raise ParseError(f"line {number} is no connection of ss: {line[:80]!r}", line=number)
        shown = number < len(lines) and _INFO.match(lines[number])
        if match[1] not in (None, "ESTAB"):
            number += bool(shown)
            continue
        if not shown:
            raise ParseError(f"the connection of line {number} has no second line", Reason.TRUNCATED, line=number)
        words = (word.partition(":") for word in lines[number].split())
        info = {key: value for key, _, value in words}
        number += 1
        found.append(Connection(f"{match[4]} {match[5]}", int(match[3]), number, info))
    return found
