"""``/proc/cgroups``: each controller, the hierarchy it is mounted on (0: none, or cgroup v2), and its number of cgroups.

The count includes cgroups whose directory is gone but whose memory is not (proc-cgroups in cgroups(7)). Newest kernels leave out
rows of controllers that exist in cgroup v2 only, so an absent row is no error.

>>> rows = parse_proc_cgroups('''#subsys_name	hierarchy	num_cgroups	enabled
... cpu	1	12	1
... memory	4	469	1
... ''')
>>> rows["memory"]
ControllerRow(name='memory', hierarchy=4, count=469, enabled=True, line=3)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines

_HEADER = "#subsys_name\thierarchy\tnum_cgroups\tenabled"
_ROW = re.compile(r"^(\w+)\s+(\d+)\s+(\d+)\s+([01])$")


@dataclass(frozen=True)
class ControllerRow:
    """One controller of the kernel."""

    name: str
    hierarchy: int
    count: int
    enabled: bool
    line: int


def parse_proc_cgroups(text: str) -> dict[str, ControllerRow]:
    """Rows by controller name, also of rows that grep picked. Raises ParseError when a row is not whole."""
    lines = whole_lines(text)
    headed = bool(lines) and lines[0].split() == _HEADER.split()
    if not headed and not (lines and _ROW.match(lines[0].rstrip())):
        raise ParseError("this does not begin like /proc/cgroups, with #subsys_name hierarchy num_cgroups enabled", line=1)
    rows: dict[str, ControllerRow] = {}
    for number, line in list(enumerate(lines, 1))[headed:]:
        match = _ROW.match(line.rstrip())
        if not match:
            raise ParseError(f"line {number} is no row of /proc/cgroups: {line[:80]!r}", line=number)
        rows[match[1]] = ControllerRow(match[1], int(match[2]), int(match[3]), match[4] == "1", number)
    return rows
