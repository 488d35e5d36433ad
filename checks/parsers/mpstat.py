"""``mpstat -P ALL``: how each CPU spent the interval; of several tables the last, which are averages at its end.

>>> rows = parse_mpstat('''Linux 5.10.0 (node-1)  03/02/26  _x86_64_  (2 CPU)
...
... 10:04:33     CPU    %usr   %nice    %sys %iowait    %irq   %soft  %steal  %guest  %gnice   %idle
... 10:04:34     all    2.00    0.00    1.50    0.00    0.00   24.50    0.00    0.00    0.00   72.00
... 10:04:34       0    0.00    0.00    1.00    0.00    0.00   49.00    0.00    0.00    0.00   50.00
... 10:04:34       1    4.00    0.00    2.00    0.00    0.00    0.00    0.00    0.00    0.00   94.00
... ''')
>>> [(row.cpu, row.softirq_share, row.line) for row in rows]
[(0, 0.49, 5), (1, 0.0, 6)]
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines
from checks.results import Reason

_CPUS = re.compile(r"\((\d+) CPU\)")


@dataclass(frozen=True)
class CpuShare:
    """One CPU: the share of its time that it spent in softirqs."""

    cpu: int
    softirq_share: float
    line: int


def parse_mpstat(text: str) -> list[CpuShare]:
    """The rows of the last table. Raises ParseError when a CPU of the machine has no row."""
    column, rows = 0, list[CpuShare]()
    lines = whole_lines(text)
    for number, line in enumerate(lines, 1):
        words = line.split()
        if "%soft" in words and "CPU" in words:
            column, rows = words.index("%soft") - words.index("CPU"), []
        elif column and len(words) > column and (place := _cpu(words)):
            share = words[place + column] if place + column < len(words) else ""
            if not re.fullmatch(r"[0-9]{1,3}[.,][0-9]+", share):
                raise ParseError(f"line {number} is no whole row of mpstat: {line[:80]!r}", line=number)
            rows.append(CpuShare(int(words[place]), round(float(share.replace(",", ".")) / 100, 4), number))
    wanted = _CPUS.search(text)
    if not rows or (wanted and len(rows) < int(wanted[1])):
        raise ParseError("mpstat shows not each CPU here: run it with -P ALL", Reason.TRUNCATED, line=len(lines))
    return rows


def _cpu(words: list[str]) -> int:
    """Where the number of the CPU stands, behind a time of one or two words; 0 for the row of all CPUs and for others."""
    for place in (1, 2):
        if len(words) > place and words[place].isdigit() and not words[0].isdigit():
            return place
    return 0
