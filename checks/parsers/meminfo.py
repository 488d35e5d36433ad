"""``/proc/meminfo`` in bytes, and ``/proc/slabinfo`` by size.

>>> memory = parse_meminfo("MemTotal: 16 kB\\nSUnreclaim: 1 kB\\nVmallocChunk: 0 kB\\nPercpu: 3 kB\\nHugePages_Total: 0\\n")
>>> memory["Percpu"], memory["Percpu"].line, memory["HugePages_Total"]
(3072, 4, 0)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jc.parsers import proc_slabinfo

from checks.errors import ParseError
from checks.parsers.keyed import Counter, parse_colon_keyed
from checks.parsers.reading import whole_lines
from checks.results import Reason

# Every kernel prints this row; Percpu (from 4.21 on) would be the next, so a text that ends here says nothing of it.
_BEFORE_PERCPU = "VmallocChunk"
_SLABTOP = re.compile(r"\d+ +\d+ +\d+% +[\d.]+K +\d+ +\d+ +(\d+)K +(\S+)")


@dataclass(frozen=True)
class Slab:
    """One slab cache: its name, its objects times their size, its line."""

    name: str
    bytes: int
    line: int


def reaches_percpu(memory: dict[str, Counter]) -> bool:
    """True when the rows reach the place where Percpu would stand."""
    return _BEFORE_PERCPU in memory and list(memory)[-1] != _BEFORE_PERCPU


def parse_meminfo(text: str) -> dict[str, Counter]:
    """Bytes by name (plain counts for rows without a unit), of the rows that are there."""
    fields = parse_colon_keyed(text)
    return {
        name: Counter(field.number() * (1024 if field.value.endswith(" kB") else 1), field.line) for name, field in fields.items()
    }


def parse_slabinfo(text: str) -> list[Slab]:
    """The slab caches, largest first, also of slabtop; empty when this user may not read them."""
    lines = whole_lines(text)
    if lines == ["unreadable"]:
        return []
    if lines and lines[0].lstrip().startswith(("Active / Total", "OBJS ACTIVE")):
        return _slabtop(lines)
    if not lines or not lines[0].startswith("slabinfo - version: 2"):
        raise ParseError("this does not begin like /proc/slabinfo, version 2", line=1)
    try:
        rows = proc_slabinfo.parse(text, quiet=True)
        slabs = [Slab(row["name"], row["num_objs"] * row["obj_size"], number) for number, row in enumerate(rows, 3)]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ParseError("a row of /proc/slabinfo is not whole", Reason.TRUNCATED) from error
    return sorted(slabs, key=lambda slab: -slab.bytes)


def _slabtop(lines: list[str]) -> list[Slab]:
    found = [(number, match) for number, line in enumerate(lines, 1) if (match := _SLABTOP.fullmatch(line.strip()))]
    if not found:
        raise ParseError("slabtop shows no cache here", Reason.TRUNCATED, line=len(lines))
    return sorted((Slab(match[2], int(match[1]) << 10, number) for number, match in found), key=lambda slab: -slab.bytes)
