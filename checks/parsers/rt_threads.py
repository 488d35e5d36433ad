"""The real-time threads of a process, as our collector picks them from /proc/PID/task/*/stat (sched(7): 1 is FIFO, 2 is RR).

>>> found = parse_rt_threads("threads 14\\n1491 1 50\\n1502 2 10\\n")
>>> found.threads, found.real_time[0]
(14, RealTimeThread(tid=1491, policy='FIFO', priority=50, line=2))
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines

_THREAD = re.compile(r"([0-9]+) ([12]) ([0-9]{1,2})")
_POLICIES = {"1": "FIFO", "2": "RR"}


@dataclass(frozen=True)
class RealTimeThread:
    """One thread that runs before all ordinary ones."""

    tid: int
    policy: str
    priority: int
    line: int


@dataclass(frozen=True)
class Threads:
    """How many threads were looked at, and which of them are real-time ones."""

    threads: int
    real_time: list[RealTimeThread]


def parse_rt_threads(text: str) -> Threads:
    """Read the section. Raises ParseError for a row that is not whole."""
    lines = whole_lines(text)
    total = re.fullmatch(r"threads ([0-9]+)", lines[0]) if lines else None
    if not total:
        raise ParseError("the number of threads is missing", line=1)
    found = []
    for number, line in enumerate(lines[1:], 2):
        match = _THREAD.fullmatch(line)
        if not match:
            raise ParseError(f"line {number} is no thread, policy and priority: {line[:80]!r}", line=number)
        found.append(RealTimeThread(int(match[1]), _POLICIES[match[2]], int(match[3]), number))
    return Threads(int(total[1]), found)
