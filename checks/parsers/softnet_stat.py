"""``/proc/net/softnet_stat``: one row per online CPU, hexadecimal columns of eight digits, more of them in newer kernels.

1 processed, 2 dropped, 3 time_squeeze, 4-8 zero, 9 cpu_collision, 10 received_rps, 11 flow_limit_count (3.11), 12 backlog_len,
13 cpu id (5.10, commit 7d58e6555870), 14 input_qlen, 15 process_qlen (6.x).

>>> rows = parse_softnet('''0001a2b3 00000002 00000007 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
... 000059c4 00000000 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000003
... ''')
>>> rows[0].processed, rows[0].dropped, rows[0].time_squeeze, rows[1].cpu, rows[1].line
(107187, 2, 7, 3, 2)
"""  # noqa: E501  (a row of the file is longer than a line of ours)

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines

_ROW = re.compile(r"^[0-9a-f]{8}(?: [0-9a-f]{8}){8,19}$")


@dataclass(frozen=True)
class SoftnetRow:
    """One CPU. ``cpu`` is None where the kernel does not name it: a row's place is its number only while all CPUs are online."""

    line: int
    columns: tuple[int, ...]

    @property
    def processed(self) -> int:
        return self.columns[0]

    @property
    def dropped(self) -> int:
        return self.columns[1]

    @property
    def time_squeeze(self) -> int:
        return self.columns[2]

    @property
    def received_rps(self) -> int:
        return self._column(9) or 0

    @property
    def flow_limit(self) -> int:
        return self._column(10) or 0

    @property
    def backlog_len(self) -> int | None:
        return self._column(11)

    @property
    def cpu(self) -> int | None:
        return self._column(12)

    def _column(self, index: int) -> int | None:
        return self.columns[index] if index < len(self.columns) else None


def parse_softnet(text: str) -> list[SoftnetRow]:
    """All rows. Raises ParseError when a row is not whole or the rows differ in width."""
    rows = []
    for number, line in enumerate(whole_lines(text), 1):
        line = line.strip()
        if not _ROW.match(line):
            raise ParseError(f"line {number} is no row of softnet_stat: {line[:80]!r}", line=number)
        rows.append(SoftnetRow(number, tuple(int(word, 16) for word in line.split())))
    if not rows or len({len(row.columns) for row in rows}) != 1:
        raise ParseError("the rows of softnet_stat differ in width", line=len(rows))
    return rows


def parse_cpu_list(text: str) -> list[int]:
    """CPU numbers, as in /sys/devices/system/cpu/online.

    >>> parse_cpu_list("0-2,8\\n")
    [0, 1, 2, 8]
    """
    cpus: list[int] = []
    for part in " ".join(whole_lines(text)).strip().split(","):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part)
        if not match:
            raise ParseError(f"{part[:40]!r} is no part of a list of CPUs such as 0-3,8", line=1)
        cpus += range(int(match[1]), int(match[2] or match[1]) + 1)
    return cpus
