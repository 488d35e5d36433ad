"""Flat keyed files: ``key value`` lines (cgroup.stat, cpu.stat, memory.stat, memory.events, vmstat) and ``Key: value`` lines
(/proc/meminfo, /proc/PID/status).

One reader for all of them, because jc's readers of meminfo, vmstat and status stop with a bare ValueError on a cut line, know no
line numbers, and glue the nested process ids of ``NSpid: 2226 13899`` into one number.

>>> stat = parse_flat_keyed("nr_descendants 12\\nnr_dying_descendants 3\\n")
>>> stat["nr_dying_descendants"], stat["nr_dying_descendants"].line
(3, 2)
>>> status = parse_colon_keyed("Name:\\tbash\\nNSpid:\\t2226\\t13899\\n")
>>> status["NSpid"].value, status["NSpid"].line
('2226 13899', 2)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines, whole_number

_FLAT = re.compile(r"^(\S+)\s+(-?\d+)$")
_COLON = re.compile(r"^([^\s:][^:]*):(.*)$")


class Counter(int):
    """A number that knows the line it stood on."""

    line: int

    def __new__(cls, value: int, line: int) -> Counter:
        counter = super().__new__(cls, value)
        counter.line = line
        return counter


@dataclass(frozen=True)
class Field:
    """The text after a colon, blanks made single, and its line."""

    value: str
    line: int

    def number(self) -> int:
        """The leading whole number, as in ``133608 kB``. Raises ParseError when there is none."""
        try:
            return whole_number(self.value.split(" ", 1)[0])
        except ParseError as error:
            raise ParseError(f"line {self.line} holds no number: {self.value[:60]!r}", line=self.line) from error


def parse_flat_keyed(text: str) -> dict[str, Counter]:
    """Numbers by key. Raises ParseError for a line that is not ``key number``, and for a cut last line."""
    found: dict[str, Counter] = {}
    for number, line in enumerate(whole_lines(text), 1):
        match = _FLAT.match(line)
        if not match:
            raise ParseError(f"line {number} is not a name and a number: {line[:80]!r}", line=number)
        found[match[1]] = Counter(int(match[2]), number)
    return found


def parse_colon_keyed(text: str) -> dict[str, Field]:
    """Values by key. Raises ParseError for a line without a colon, and for a cut last line."""
    found: dict[str, Field] = {}
    for number, line in enumerate(whole_lines(text), 1):
        match = _COLON.match(line)
        if not match:
            raise ParseError(f"line {number} is not a name, a colon and a value: {line[:80]!r}", line=number)
        found[match[1]] = Field(" ".join(match[2].split()), number)
    return found
