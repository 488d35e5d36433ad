"""One cgroup's memory between two samples, in one vocabulary for v1 and v2.

The working set is usage without inactive file cache, as the kubelet counts it. A v1 limit near 2^63 means none: the kernel rounds
the largest number down to its page size (4 KiB and 64 KiB pages differ). failcnt counts reclaims at the limit, not kills.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from checks.analyzers.counters import growth
from checks.errors import EvidenceError
from checks.parsers.cgroup_tree import Level
from checks.parsers.keyed import Counter, parse_flat_keyed
from checks.parsers.pressure import Pressure, parse_pressure
from checks.results import Reason

_NO_LIMIT = 1 << 62


@dataclass(frozen=True)
class MemoryUse:
    """One level. ``grown`` is growth by event: max (reclaim at the limit), high, oom, oom_kill; ``stat`` only of the target."""

    path: str
    usage: int
    limit: int | None
    grown: dict[str, int]
    lines: dict[str, int]
    section: str
    under_oom: bool = False
    kill_disabled: bool = False
    kmem: int | None = None
    stat: Mapping[str, Counter] = field(default_factory=dict)
    pressure: Pressure | None = None

    @property
    def inactive_file(self) -> int | None:
        """File cache that goes first; v1's key with ``total_`` counts the cgroups below as well."""
        found = self.stat.get("total_inactive_file", self.stat.get("inactive_file"))
        return int(found) if found is not None else None

    @property
    def working_set(self) -> int | None:
        return max(self.usage - self.inactive_file, 0) if self.inactive_file is not None else None


def memory_use(before: Level, after: Level, *, pasted: bool = False) -> MemoryUse | None:
    """Read a level in both samples; None for a root without files. Raises EvidenceError when a file is missing or was reset.

    Of pasted files some may be missing: ``lines`` tells which are there, and counters of one look have not grown.
    """
    second = not {"memory.current", "memory.max", "memory.events"}.isdisjoint(after.files)
    usage_name, limit_name = ("memory.current", "memory.max") if second else ("memory.usage_in_bytes", "memory.limit_in_bytes")
    usage = after.number(usage_name)
    if not pasted and (usage is None or limit_name not in after.files):
        if after.path == "/":
            return None
        raise EvidenceError(f"{after.path} lacks {usage_name} or {limit_name}", Reason.MISSING, after.section)
    limit, names = after.number(limit_name), {"usage": usage_name, "limit": limit_name}
    oom = after.read("memory.oom_control", parse_flat_keyed) or {}
    pressure = after.read("memory.pressure", parse_pressure) or {}
    return MemoryUse(
        path=after.path,
        usage=usage or 0,
        limit=None if limit is None or limit >= _NO_LIMIT else limit,
        grown=_grown(before, after, second=second, pasted=pasted),
        lines=after.lines | {what: after.lines[name] for what, name in names.items() if name in after.lines},
        section=after.section,
        under_oom=oom.get("under_oom", 0) == 1,
        kill_disabled=oom.get("oom_kill_disable", 0) == 1,
        kmem=after.number("memory.kmem.usage_in_bytes"),
        stat=after.read("memory.stat", parse_flat_keyed) or {},
        pressure=pressure.get("full"),
    )


def _grown(before: Level, after: Level, *, second: bool, pasted: bool) -> dict[str, int]:
    if pasted and (before is after or ("memory.events" if second else "memory.failcnt") not in after.files):
        return {}
    return _events_v2(before, after) if second else _events_v1(before, after)


def _events_v2(before: Level, after: Level) -> dict[str, int]:
    old, new = before.read("memory.events", parse_flat_keyed) or {}, after.read("memory.events", parse_flat_keyed) or {}
    if not {"high", "max", "oom_kill"} <= set(old) & set(new):
        raise EvidenceError(f"memory.events of {after.path} is not whole", Reason.TRUNCATED, after.section)
    return {name: _growth(name, old, new, after, "memory.events") for name in new if name in old}


def _events_v1(before: Level, after: Level) -> dict[str, int]:
    failures = before.number("memory.failcnt"), after.number("memory.failcnt")
    if failures[0] is None or failures[1] is None:
        raise EvidenceError(f"{after.path} lacks memory.failcnt", Reason.MISSING, after.section)
    line = after.lines["memory.failcnt"]
    found = {"max": growth(f"failcnt of {after.path}", failures[0], failures[1], after.section, line)}
    old, new = before.read("memory.oom_control", parse_flat_keyed) or {}, after.read("memory.oom_control", parse_flat_keyed) or {}
    if "oom_kill" in old and "oom_kill" in new:  # since 4.13
        found["oom_kill"] = _growth("oom_kill", old, new, after, "memory.oom_control")
    return found


def _growth(name: str, old: Mapping[str, Counter], new: Mapping[str, Counter], after: Level, file: str) -> int:
    return growth(f"{name} of {after.path}", old[name], new[name], after.section, after.lines[file] + new[name].line - 1)
