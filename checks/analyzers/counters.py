"""Two readings of a growing counter: what it grew by, and over how many seconds.

A counter that went down was reset (a reboot, a new namespace), unless it is a 32-bit one that wrapped: then it fell by more than
half of its range.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from checks.errors import EvidenceError, ParseError
from checks.parsers.reading import read, whole_lines
from checks.results import Reason, Section

_RANGE = 1 << 32
_UPTIME = re.compile(r"^([0-9]+\.[0-9]{2}) [0-9]+\.[0-9]{2}\s*$")


def delta(before: int, after: int) -> int | None:
    """What a counter grew by; None when it was reset. A 32-bit counter may have wrapped once.

    >>> delta(10, 25), delta(25, 10), delta(0xFFFFFFF0, 0x10)
    (15, None, 32)
    """
    grown = after - before
    if grown < 0 and before < _RANGE and -grown > _RANGE // 2:
        grown += _RANGE
    return None if grown < 0 else grown


def growth(name: str, before: int, after: int, section: str = "", line: int = 0) -> int:
    """As ``delta``, but a reset raises EvidenceError: nothing can be told from that pair of samples."""
    grown = delta(before, after)
    if grown is None:
        say = f"{name} fell from {before} to {after} between the samples: it was reset, so its growth is not known"
        raise EvidenceError(say, Reason.COUNTER_RESET, section, line)
    return grown


def parse_uptime(text: str) -> float:
    """Seconds since boot: the first number of /proc/uptime.

    >>> parse_uptime("2095.26 4011.70\\n")
    2095.26
    """
    lines = whole_lines(text)
    match = _UPTIME.match(lines[0]) if lines else None
    if not match or any(line.strip() for line in lines[1:]):
        raise ParseError("this is not the two numbers of /proc/uptime", line=1)
    return float(match[1])


def seconds_between(sections: Mapping[str, Section], need: Callable[[str], Section]) -> float | None:
    """Seconds between the samples by the host's own clock; None when /proc/uptime was collected with neither sample.

    Raises EvidenceError when one is missing or damaged, or when the host was booted in between.
    """
    if "uptime_a" not in sections and "uptime_b" not in sections:
        return None
    before, after = (read(need(name), parse_uptime) for name in ("uptime_a", "uptime_b"))
    if after <= before:
        raise EvidenceError("the host was booted between the two samples", Reason.COUNTER_RESET, "uptime_b", 1)
    return after - before
