r"""What stands before each line of an output and is no part of it: a quoting mail's >, line numbers, a page's indentation.

>>> without_margin("1:default via 192.0.2.1 dev eth0\n2:192.0.2.0/24 dev eth0\n")
'default via 192.0.2.1 dev eth0\n192.0.2.0/24 dev eth0\n'
>>> without_margin("1: lo: <LOOPBACK,UP>\n2: eth0: <BROADCAST,UP>\n")
'1: lo: <LOOPBACK,UP>\n2: eth0: <BROADCAST,UP>\n'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_SAMPLE = 50
"""So many lines are looked at before all of them are."""
_NUMBERED = (
    re.compile(r"\s*(\d{1,7})\t()"),  # cat -n
    re.compile(r"(\d{1,7}):()"),  # grep -n
    re.compile(r" *(\d{1,7})(?=( [^ ]| {2,}[^ \d]))"),  # an editor
)
_EQUAL = (
    re.compile(r"> ?"),
    re.compile(r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*(?:Z|[+-]\d\d:?\d\d)?\]? "),
    re.compile(r"\[\d\d:\d\d:\d\d\] "),
    re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]+ [\w./-]+(?:\[\d+\])?: "),
    re.compile(
        r"(?!(?:cpu|Tcp|Ip|Udp|TcpExt|IpExt|Icmp)\d*:)([a-zA-Z][\w.-]*\d[\w.-]*): "
    ),  # pdsh: the host, which is the same in all lines
)
_RUN = re.compile(r"(?:> ?)+| {4,}|\t+")


def without_margin(text: str) -> str:
    """The text without what stands before every line of it; the number of lines stays."""
    lines = text.split("\n")
    begin = [line for line in lines[:_SAMPLE] if line.strip()]
    if len(begin) < 2:
        return text
    for margin in _EQUAL:
        if all(map(margin.match, begin)) and (cut := _equal(margin, lines)):
            return "\n".join(cut)
    for margin in _NUMBERED:
        if all(map(margin.match, begin)) and (cut := _numbered(margin, lines)):
            return "\n".join(cut)
    return text


def _equal(margin: re.Pattern[str], lines: Sequence[str]) -> list[str] | None:
    found = [margin.match(line) for line in lines if line.strip()]
    if not all(found) or len({match[1] for match in found if match and margin.groups}) > 1:
        return None
    return [line[match.end() :] if (match := margin.match(line)) else "" for line in lines]


def _numbered(margin: re.Pattern[str], lines: Sequence[str]) -> list[str] | None:
    """The lines without their numbers, when these count every line."""
    known = list(lines[: len(lines) - (not lines[-1])])
    found = [margin.match(line) or re.match(r"\s*(\d{1,7})[:\t]?(\s*)$", line) for line in known]
    if not all(found):
        return None
    if all(match and line[match.end(1) : match.end(1) + 2] == ": " for line, match in zip(known, found, strict=True)):
        return None  # ip -o numbers the devices
    numbers = [int(match[1]) for match in found if match]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return None
    cut = [
        line[match.end(1) + (line[match.end(1) :][:1] in ("\t", ":", " ")) :]
        for line, match in zip(known, found, strict=True)
        if match
    ]
    return cut + list(lines[len(known) :])


def without_runs(lines: list[str], heads: Callable[[str], bool]) -> list[str]:
    """The lines, those runs without their margin whose first line is a head behind it: a session quoted or indented in prose."""
    number = 0
    while number < len(lines):
        margin = _RUN.match(lines[number])
        if not margin or not heads(lines[number][margin.end() :]):
            number += 1
            continue
        width = margin.end()
        while number < len(lines) and (lines[number].startswith(margin[0]) or not lines[number].strip("> \t")):
            lines[number] = lines[number][width:]
            number += 1
    return lines
