"""/proc/net/stat/arp_cache and ndisc_cache: a header, then one row of hexadecimal counters per CPU.

``entries`` is the size of the one global table, of all network namespaces together, repeated in every row; the other columns are
each CPU's own and add up. Old kernels lack the last columns.

>>> stat = parse_arp_cache('''entries  allocs destroys hash_grows  lookups hits  res_failed  forced_gc_runs table_fulls
... 0000000f  00000010 00000001 00000000  00000008 00000002  00000001  00000000 00000001
... 0000000f  00000002 00000001 00000000  00000008 00000002  00000003  00000000 00000000
... ''')
>>> stat.entries, stat.sums["res_failed"], stat.sums["table_fulls"]
(15, 4, 1)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines


@dataclass(frozen=True)
class NeighbourStat:
    """``entries`` of the whole table, and the sums over CPUs of every other column. ``line`` is that of the first row."""

    entries: int
    sums: Mapping[str, int]
    line: int = 2


def parse_arp_cache(text: str) -> NeighbourStat:
    """Read the file. Raises ParseError when a row has not the header's columns."""
    lines = [line.split() for line in whole_lines(text)]
    header, rows = lines[0] if lines else [], lines[1:]
    if header[:1] != ["entries"] or not rows:
        raise ParseError("this is not /proc/net/stat/arp_cache: no header and rows of entries", line=1)
    for number, row in enumerate(rows, 2):
        if len(row) != len(header) or not all(re.fullmatch(r"[0-9a-f]{8,16}", word) for word in row):
            raise ParseError(f"line {number} has not the {len(header)} columns of its header", line=number)
    sums = {name: sum(int(row[column], 16) for row in rows) for column, name in enumerate(header) if column}
    return NeighbourStat(int(rows[0][0], 16), sums)
