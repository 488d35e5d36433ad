"""What ``ping -6`` says (iputils and busybox): how many answers came, and who sent what instead.

>>> echo = parse_ping('''PING 2001:db8::1(2001:db8::1) 1452 data bytes
... From 2001:db8:f::1 icmp_seq=1 Packet too big: mtu=1280
...
... --- 2001:db8::1 ping statistics ---
... 3 packets transmitted, 2 received, +1 errors, 33.3333% packet loss, time 2003ms
... rtt min/avg/max/mdev = 11.402/11.913/12.424/0.511 ms
... ''')
>>> echo.address, echo.size, echo.sent, echo.received, echo.mtu, echo.rtt_avg_ms, echo.line
('2001:db8::1', 1452, 3, 2, 1280, 11.913, 5)
>>> parse_ping("ping: connect: Network is unreachable\\n").refused
'Network is unreachable'
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.reading import whole_lines
from checks.results import Reason

_HEAD = re.compile(
    r"PING \S.*?\(([0-9A-Fa-f:.]{2,45})(?:%[\w.@-]{1,15})?\)+:? (?:from .*: )?(\d{1,6})(?:\(\d{1,6}\))? (?:data )?bytes"
)
_COUNTS = re.compile(r"(\d{1,9}) packets transmitted, (\d{1,9}) (?:packets )?received,")
_ROUND_TRIP = re.compile(r"(?:rtt|round-trip) min/avg/max(?:/mdev|/stddev)? = [\d.]{1,20}/(\d{1,12}(?:\.\d{1,6})?)/")
_REFUSED = re.compile(r"(?:ping6?: )?(?:connect|sendto|sendmsg): (.{1,80})")
_INSTEAD = re.compile(r"From \S+ icmp_seq=\d+ (.{1,120})")
_MTU = re.compile(r"(?:Packet too big|message too long)\W+mtu[:=] ?(\d{1,6})", re.I)
_NO_NAME = re.compile(r"ping6?: (?:bad address|unknown host|.*(?:[Nn]ame or service not known|[Tt]emporary failure in name))")


@dataclass
class Echo:
    """One run of ping. ``refused`` is what the own host said before anything was sent; ``instead`` are lines of other answers."""

    address: str = ""
    size: int = 0
    sent: int = 0
    received: int = 0
    rtt_avg_ms: float | None = None
    mtu: int | None = None
    refused: str = ""
    line: int = 0
    instead: list[int] = field(default_factory=list)


def parse_ping(text: str) -> Echo:
    """Read the output. Raises ParseError when it is not ping's, was cut, or went over IPv4."""
    echo = Echo()
    head = 0
    for number, line in enumerate(whole_lines(text), 1):
        if match := _HEAD.match(line):
            echo.address, echo.size, head = match[1], int(match[2]), number
        elif match := _COUNTS.match(line):
            echo.sent, echo.received, echo.line = int(match[1]), int(match[2]), number
        elif match := _ROUND_TRIP.match(line):
            echo.rtt_avg_ms = float(match[1])
        elif match := _REFUSED.match(line):
            echo.refused, echo.line = match[1], echo.line or number
        elif _NO_NAME.match(line):
            raise ParseError(f"ping did not find the address: {line[:100]}", Reason.DNS_FAILED, line=number)
        elif match := _INSTEAD.match(line):
            echo.instead.append(number)
        if match := _MTU.search(line):
            echo.mtu = int(match[1])
    if not head and not echo.refused:
        raise ParseError("this is not the output of ping", Reason.UNPARSED, line=1)
    if ":" not in echo.address and head:
        raise ParseError("this ping went over IPv4; use ping -6", Reason.UNPARSED, line=head)
    if not echo.sent and not echo.refused:
        raise ParseError("ping's last lines with its counts are missing", Reason.TRUNCATED, line=head)
    if echo.received > echo.sent:
        raise ParseError(f"{echo.received} answers to {echo.sent} packets cannot be", Reason.UNPARSED, line=echo.line)
    return echo
