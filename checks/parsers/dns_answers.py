"""What dig (or drill, host, getent) answers: questions, their status, and the records.

>>> found = parse_answers(''';; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 4711
... ;; flags: qr rd ra; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1
... ;; QUESTION SECTION:
... ;www.example.org.\\t\\tIN\\tAAAA
...
... ;; ANSWER SECTION:
... www.example.org.\\t300\\tIN\\tCNAME\\tweb.example.org.
... web.example.org.\\t300\\tIN\\tAAAA\\t2001:db8::80
... ''')
>>> [(one.name, one.type, one.status, one.values("AAAA"), one.line) for one in found]
[('www.example.org', 'AAAA', 'NOERROR', ['2001:db8::80'], 4)]
>>> parse_answers("www.example.org has no AAAA record\\n")[0].values("AAAA")
[]
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.reading import whole_lines
from checks.results import Reason

_STATUS = re.compile(r";; ->>HEADER<<- .*?(?:status|rcode): ([A-Z]+)")
_COUNT = re.compile(r";; flags: .*\bANSWER: (\d{1,4})")
_QUESTION = re.compile(r";;? ?(\S+?)\.?\s+IN\s+(AAAA|NS)\s*$")
_RECORD = re.compile(r"(\S+?)\.?\s+\d+\s+IN\s+([A-Z0-9]+)\s+(\S.*?)\.?\s*$")
_HOST = re.compile(r"(\S+) (?:has IPv6 address (?P<address>[0-9A-Fa-f:.]+)|has no AAAA record|is an alias for \S+)$")
_HOST_NONE = re.compile(r"Host (\S+) not found: \d+\((\w+)\)$")
_GETENT = re.compile(r"([0-9A-Fa-f:.]+)\s+(?:STREAM|DGRAM|RAW)\b\s*(\S*)")
_LATE = re.compile(r";; (?:connection timed out|communications error|no servers could be reached)|error: .*timed out", re.I)


@dataclass
class Answer:
    """The answer to one question. ``records`` are type, value and line; ``count`` is how many the header announces."""

    name: str
    type: str
    status: str
    line: int
    count: int | None = None
    records: list[tuple[str, str, int]] = field(default_factory=list)

    def values(self, kind: str) -> list[str]:
        """The values of the records of that type."""
        return list(dict.fromkeys(value for found, value, _ in self.records if found == kind))


def parse_answers(text: str) -> list[Answer]:
    """The answers in order. Raises ParseError when nobody answered, or the text is another one's."""
    found: list[Answer] = []
    status, count = "NOERROR", None
    for number, line in enumerate(whole_lines(text), 1):
        if _LATE.match(line):
            raise ParseError(f"the name server did not answer: {line.strip('; ')[:100]}", Reason.TIMEOUT, line=number)
        if match := _STATUS.match(line):
            status, count = match[1], None
        elif match := _COUNT.match(line):
            count = int(match[1])
        elif match := _QUESTION.match(line):
            found.append(Answer(match[1].lower(), match[2], status, number, count))
        elif found and (match := _RECORD.match(line)):
            value = _address(match[3], number) if match[2] == "AAAA" else match[3].lower()
            found[-1].records.append((match[2], value, number))
        else:
            _read_other(found, line, number)
    if not found:
        raise ParseError("this is no answer of dig, host or getent", Reason.UNPARSED, line=1)
    for one in found:
        if len(one.records) < (one.count or 0):
            say = f"{len(one.records)} of {one.count} records of {one.name} are there"
            raise ParseError(say, Reason.TRUNCATED, line=one.line)
    return found


def _read_other(found: list[Answer], line: str, number: int) -> None:
    """A line of host or getent."""
    if match := _HOST_NONE.match(line):
        found.append(Answer(match[1].lower(), "AAAA", match[2], number))
        return
    match = _HOST.match(line) or _GETENT.match(line)
    if not match:
        return
    by_host = match.re is _HOST
    if not found:
        found.append(Answer((match[1] if by_host else match[2]).lower(), "AAAA", "NOERROR", number))
    value = match["address"] if by_host else match[1]
    if value and not value.lower().startswith("::ffff:") and ":" in value:  # getent makes such ones of IPv4 addresses
        found[-1].records.append(("AAAA", _address(value, number), number))


def _address(text: str, line: int) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise ParseError(f"{text[:60]!r} is no IPv6 address", Reason.UNPARSED, line=line) from None
