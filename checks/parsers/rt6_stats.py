"""``/proc/net/rt6_stats``: seven hexadecimal words; the sixth counts what the limit ``route/max_size`` is compared with.

>>> parse_rt6_stats("0009 0006 001f 0007 0000 0a00 0000\\n")
Rt6Stats(routes=7, entries=2560)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines


@dataclass(frozen=True)
class Rt6Stats:
    """``routes`` in the tables, ``entries`` of the destination cache."""

    routes: int
    entries: int


def parse_rt6_stats(text: str) -> Rt6Stats:
    """Read the row. Raises ParseError for anything else."""
    rows = [line for line in whole_lines(text) if line.strip()]
    words = rows[0].split() if len(rows) == 1 else []
    if len(words) != 7 or not all(re.fullmatch("[0-9a-f]{4,16}", word) for word in words):
        raise ParseError("this is not /proc/net/rt6_stats", line=1)
    return Rt6Stats(int(words[3], 16), int(words[5], 16))
