"""One cgroup's CPU quota and how it was throttled, in one vocabulary for v1 and v2.

The CPUs of a quota are quota / period, whatever the host has; throttled_time is in nanoseconds on v1, throttled_usec in
microseconds on v2. Counters of files that were pasted once count from the making of the cgroup.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.analyzers.counters import growth
from checks.errors import EvidenceError, ParseError
from checks.parsers.cgroup_tree import Level
from checks.parsers.keyed import Counter, parse_flat_keyed
from checks.results import Reason


@dataclass(frozen=True)
class CpuUse:
    """One level: its quota in CPUs, and how it was throttled (0 periods when it has no quota); ``lines`` are (section, line)."""

    path: str
    quota: float | None
    periods: int
    throttled: int
    throttled_ms: float
    lines: tuple[tuple[str, int], ...]

    @property
    def ratio(self) -> float:
        return self.throttled / self.periods if self.periods else 0.0

    @property
    def at(self) -> str:
        return f" at {self.quota:.3g} CPUs" if self.quota is not None else ""


def cpu_use(before: Level, after: Level) -> CpuUse:
    """Read a level in both samples. Raises EvidenceError when cpu.stat is missing, not whole or was reset."""
    old, new = before.read("cpu.stat", parse_flat_keyed), after.read("cpu.stat", parse_flat_keyed)
    quota = _quota(after)
    if old is None or new is None or "nr_periods" not in new or "nr_periods" not in old:
        if quota is not None:
            raise EvidenceError(f"{after.path} has a quota but no cpu.stat", Reason.MISSING, after.section)
        return CpuUse(after.path, None, 0, 0, 0.0, ())
    unit = "throttled_time" if "throttled_time" in new else "throttled_usec"
    if unit not in new or unit not in old:
        raise EvidenceError(f"cpu.stat of {after.path} is not whole", Reason.TRUNCATED, after.section, after.lines["cpu.stat"])
    first, once = after.lines["cpu.stat"], before is after
    grown = {name: _grown(name, after, Counter(0, 1) if once else old[name], new[name], first) for name in (*_NAMES, unit)}
    samples = ((after, new),) if once else ((before, old), (after, new))
    lines = tuple((level.section, level.lines["cpu.stat"] + stat["nr_throttled"].line - 1) for level, stat in samples)
    milliseconds = grown[unit] / (1e6 if unit == "throttled_time" else 1e3)
    return CpuUse(after.path, quota, grown["nr_periods"], grown["nr_throttled"], milliseconds, lines)


_NAMES = ("nr_periods", "nr_throttled")


def _grown(name: str, after: Level, old: Counter, new: Counter, first: int) -> int:
    return growth(f"{name} of {after.path}", old, new, after.section, first)


def _quota(level: Level) -> float | None:
    """The CPUs that the level's quota gives, or None when it has none."""
    if "cpu.max" in level.files:
        return level.read("cpu.max", _cpu_max)
    quota, period = level.number("cpu.cfs_quota_us"), level.number("cpu.cfs_period_us")
    return quota / period if quota is not None and quota >= 0 and period else None


def _cpu_max(text: str) -> float | None:
    match = re.fullmatch(r"(max|\d+) (\d+)\n", text)
    if not match:
        raise ParseError("this is not a quota and a period", line=1)
    return None if match[1] == "max" else int(match[1]) / max(int(match[2]), 1)
