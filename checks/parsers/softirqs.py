"""``/proc/softirqs`` and the CPU rows of ``/proc/stat``.

>>> softirqs = parse_softirqs('''                    CPU0       CPU1
...           HI:          0          0
...       NET_RX:       4667       6839
... ''')
>>> softirqs.counts["NET_RX"], softirqs.lines["NET_RX"]
({0: 4667, 1: 6839}, 3)
>>> times = parse_cpu_times("cpu  10 0 20 300 0 0 7 0 0 0\\ncpu0 10 0 20 300 0 0 7 0 0 0\\n")
>>> times[0].softirq, times[0].total
(7, 337)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jc.parsers import proc_softirqs

from checks.errors import ParseError
from checks.parsers.reading import whole_lines
from checks.results import Reason

ALL_CPUS = -1
_CPU = re.compile(r"^cpu(\d+| )((?: \d+){8,10})$")


@dataclass(frozen=True)
class Softirqs:
    """Counts by kind, then CPU; the line of each kind."""

    counts: dict[str, dict[int, int]]
    lines: dict[str, int]


@dataclass(frozen=True)
class CpuTimes:
    """One CPU's time in softirqs and in all states, in ticks; guest time is within user time already."""

    softirq: int
    total: int
    line: int


def parse_softirqs(text: str) -> Softirqs:
    """Read /proc/softirqs. Raises ParseError when a row has not one number for each CPU."""
    lines = whole_lines(text)
    heads = lines[0].split() if lines else []
    if not heads or not all(re.fullmatch(r"CPU\d+", head) for head in heads):
        raise ParseError("this does not begin like /proc/softirqs, with one head for each CPU", line=1)
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        if len(words) != len(heads) + 1 or not all(word.isascii() and word.isdigit() for word in words[1:]):
            raise ParseError(f"line {number} of /proc/softirqs has not one number for each CPU", line=number)
    rows = proc_softirqs.parse(text, quiet=True)
    counts = {row["counter"]: {int(head[3:]): int(row[head]) for head in heads} for row in rows}
    return Softirqs(counts, {row["counter"]: number for number, row in enumerate(rows, 2)})


def parse_cpu_times(text: str) -> dict[int, CpuTimes]:
    """Times by CPU, of the rows ``cpuN`` of /proc/stat, and of ``ALL_CPUS``. Raises ParseError for a row that is not whole."""
    found = {}
    for number, line in enumerate(whole_lines(text), 1):
        match = _CPU.match(line)
        if not match:
            raise ParseError(f"line {number} is no row of CPU times: {line[:80]!r}", line=number)
        values = [int(word) for word in match[2].split()]
        found[ALL_CPUS if match[1] == " " else int(match[1])] = CpuTimes(values[6], sum(values[:8]), number)
    if ALL_CPUS not in found or len(found) < 2:
        raise ParseError("there are no CPU times for all CPUs and for each", Reason.TRUNCATED, line=len(found) or 1)
    return found
