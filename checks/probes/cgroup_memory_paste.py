"""Part of cgroup.memory: single files that a person pasted. What they show now is judged; counters of one look only tell "since".

No such paste is ever ok: the cgroups above, and often half of the files, are missing.
"""

from __future__ import annotations

from checks.analyzers.cgroup_memory import MemoryUse, memory_use
from checks.errors import EvidenceError
from checks.parsers.cgroup_tree import Level, Tree
from checks.parsers.keyed import Counter, parse_flat_keyed
from checks.probes.base import Probe, Report
from checks.results import Reason

_SINCE = {
    "oom_kill": ("oom_kill", "{count} processes of {path} were killed for want of memory"),
    "max": ("reclaim", "{path} reclaimed {count} times at its limit"),
    "high": ("above_high", "{path} was slowed down {count} times for being above memory.high"),
}


def pasted_use(report: Report, pair: tuple[Tree, Tree]) -> MemoryUse | None:
    """The use of the pasted cgroup, also without its usage or limit; counters of a single look are told as unknown."""
    before, after = pair[0].leaf, pair[1].leaf
    if before is after:
        _tell_since(report, after)
    return memory_use(before, after, pasted=True)


def _tell_since(report: Report, level: Level) -> None:
    counts: dict[str, Counter] = {}
    for file in ("memory.events", "memory.oom_control"):
        found = level.read(file, parse_flat_keyed) or {}
        if found and file == "memory.events" and "oom_kill" not in found:
            raise EvidenceError(f"memory.events of {level.path} is not whole", Reason.TRUNCATED, level.section)
        counts |= {name: Counter(count, level.lines[file] + count.line - 1) for name, count in found.items()}
    failures = level.number("memory.failcnt")
    if failures is not None:
        counts["max"] = Counter(failures, level.lines["memory.failcnt"])
    for name, (rule, say) in _SINCE.items():
        if count := counts.get(name):
            told = say.format(count=int(count), path=level.path) + " since it was made; whether it goes on takes a second look"
            report.unknown(Reason.MISSING, told, [report.evidence(level.section, count.line, str(int(count)))], rule=rule)


PROBES: tuple[Probe, ...] = ()
