"""``/proc/meminfo`` in bytes, and ``/proc/slabinfo`` by size.

>>> memory = parse_meminfo("MemTotal: 16 kB\\nSUnreclaim: 1 kB\\nVmallocChunk: 0 kB\\nPercpu: 3 kB\\nHugePages_Total: 0\\n")
>>> memory["Percpu"], memory["Percpu"].line, memory["HugePages_Total"]
(3072, 4, 0)
"""

from __future__ import annotations

from dataclasses import dataclass

from jc.parsers import proc_slabinfo

from checks.errors import ParseError
from checks.parsers.keyed import Counter, parse_colon_keyed
from checks.parsers.reading import whole_lines
from checks.results import Reason

# Every kernel prints this row; Percpu (from 4.21 on) would be the next, so a text that ends here says nothing of Percpu.
_BEFORE_PERCPU = "VmallocChunk"


@dataclass(frozen=True)
class Slab:
    """One slab cache: its name, its objects times their size, its line."""

    name: str
    bytes: int
    line: int


def parse_meminfo(text: str) -> dict[str, Counter]:
    """Bytes by name (plain counts for rows without a unit). Raises ParseError for a text that ends before Percpu could come."""
    fields = parse_colon_keyed(text)
    for name in ("MemTotal", "SUnreclaim"):
        if name not in fields:
            raise ParseError(f"this has no row {name}, so it is not the whole of /proc/meminfo", line=1)
    if _BEFORE_PERCPU not in fields or list(fields)[-1] == _BEFORE_PERCPU:
        raise ParseError("/proc/meminfo stops early; its rows after VmallocChunk are missing", Reason.TRUNCATED, line=len(fields))
    return {
        name: Counter(field.number() * (1024 if field.value.endswith(" kB") else 1), field.line) for name, field in fields.items()
    }


def parse_slabinfo(text: str) -> list[Slab]:
    """The slab caches, largest first; empty when this user may not read them."""
    lines = whole_lines(text)
    if lines == ["unreadable"]:
        return []
    if not lines or not lines[0].startswith("slabinfo - version: 2"):
        raise ParseError("this does not begin like /proc/slabinfo, version 2", line=1)
    try:
        rows = proc_slabinfo.parse(text, quiet=True)
        slabs = [Slab(row["name"], row["num_objs"] * row["obj_size"], number) for number, row in enumerate(rows, 3)]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ParseError("a row of /proc/slabinfo is not whole", Reason.TRUNCATED) from error
    return sorted(slabs, key=lambda slab: -slab.bytes)
