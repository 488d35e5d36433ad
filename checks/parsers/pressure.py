"""Pressure stall information: ``/proc/pressure/*`` and a cgroup's ``*.pressure`` (Documentation/accounting/psi.rst).

>>> pressure = parse_pressure('''some avg10=2.04 avg60=0.75 avg300=0.40 total=157656722
... full avg10=0.00 avg60=0.13 avg300=0.20 total=4471245
... ''')
>>> pressure["some"].avg10, pressure["full"].total, pressure["full"].line
(2.04, 4471245, 2)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines

_ROW = re.compile(r"^(some|full) avg10=(\d+\.\d+) avg60=(\d+\.\d+) avg300=(\d+\.\d+) total=(\d+)$")


@dataclass(frozen=True)
class Pressure:
    """One row: per cent of the last 10, 60 and 300 seconds in which some or all tasks waited; microseconds in all."""

    avg10: float
    avg60: float
    avg300: float
    total: int
    line: int


def parse_pressure(text: str) -> dict[str, Pressure]:
    """Rows by ``some`` and ``full``; the cpu file of old kernels has no ``full``. Raises ParseError for anything else."""
    rows = {}
    for number, line in enumerate(whole_lines(text), 1):
        match = _ROW.match(line)
        if not match:
            raise ParseError(f"line {number} is no row of pressure stall information: {line[:80]!r}", line=number)
        averages = (float(match[2]), float(match[3]), float(match[4]))
        rows[match[1]] = Pressure(*averages, int(match[5]), number)
    if "some" not in rows:
        raise ParseError("there is no row of pressure stall information", line=1)
    return rows
