"""cgroup.pids: can that cgroup still start a task?

Knowledge: Documentation/admin-guide/cgroup-v1/pids.rst and cgroup-v2.rst; measured: a fork over the limit gives
"fork: retry: Resource temporarily unavailable" and counts in pids.events. Threads count as well. The root has no limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.analyzers.counters import growth
from checks.collectors.cgroup_target import PIDS, TARGET_PARAMS
from checks.collectors.process import TASKS
from checks.errors import EvidenceError, ParseError
from checks.parsers.cgroup_tree import Level, Tree, parse_number
from checks.parsers.keyed import parse_flat_keyed
from checks.parsers.reading import read_file
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.probes.cgroup_target import TARGET_FACTS, samples, unseen
from checks.results import Reason, Verdict


@dataclass(frozen=True)
class Use:
    """One level: its tasks, its limit (None: none), forks refused between the samples (None: not counted there)."""

    path: str
    current: int
    max: int | None
    refused: int | None
    current_line: int
    max_line: int
    events_line: int
    section: str

    @property
    def ratio(self) -> float:
        return self.current / max(self.max, 1) if self.max is not None else 0.0


@dataclass(frozen=True)
class Host:
    """Tasks of the whole host and the smaller of the two bounds; ``line`` is where the tasks stand."""

    tasks: int
    bound: int
    name: str
    line: int


def judge(report: Report) -> None:
    host = _host(report)
    pair = samples(report, "pids")
    if pair is None:
        return
    levels = zip(pair[0].levels, pair[1].levels, strict=True)
    uses = [use for use in (_use(before, after) for before, after in levels) if use]
    _facts(report, uses)
    if pair[0] is pair[1]:
        _tell_refused(report, pair[1].leaf)
    _judge_refused(report, uses)
    _judge_limit(report, pair[1], uses)
    unseen(report, pair[1], "the limits", "limit")
    if host is None:
        report.unknown(Reason.MISSING, "pid_max, threads-max and the tasks of the host were not collected", rule="host_limit")
        return
    level, limit = report.level(host.tasks / max(host.bound, 1), "host_warn_ratio", "host_crit_ratio")
    say = f"the host runs {host.tasks} tasks of {host.bound} that {host.name} allows"
    evidence = [report.evidence("tasks", host.line, str(host.tasks))]
    report.find("host_limit", level, say, value=round(host.tasks / max(host.bound, 1), 4), limit=limit, evidence=evidence)


def _host(report: Report) -> Host | None:
    if "tasks" not in report.sections:
        return None
    section = report.need("tasks")
    pid_max, _ = read_file(section, "/pid_max", parse_number)
    threads_max, _ = read_file(section, "/threads-max", parse_number)
    tasks, shift = read_file(section, "/proc/loadavg", _tasks)
    if pid_max is None or threads_max is None:
        raise EvidenceError("pid_max or threads-max holds no number", Reason.UNPARSED, "tasks")
    report.fact("tasks", tasks, "tasks", shift + 1)
    report.fact("pid_max", pid_max)
    report.fact("threads_max", threads_max)
    bound, name = min((pid_max, "kernel.pid_max"), (threads_max, "kernel.threads-max"))
    return Host(tasks, bound, name, shift + 1)


def _tasks(text: str) -> int:
    """All tasks of the host: the number after the slash in /proc/loadavg."""
    match = re.fullmatch(r"(?:\d+\.\d\d ){3}\d+/(\d+) \d+\n", text)
    if not match:
        raise ParseError("this is not /proc/loadavg", line=1)
    return int(match[1])


def _use(before: Level, after: Level) -> Use | None:
    current = after.number("pids.current")
    if current is None or "pids.max" not in after.files:
        if after.path != "/":
            raise EvidenceError(f"{after.path} lacks pids.current or pids.max", Reason.MISSING, after.section)
        return None
    old, new = before.read("pids.events", parse_flat_keyed), after.read("pids.events", parse_flat_keyed)
    events_line, refused = after.lines.get("pids.events", 0), None
    if old and new and "max" in old and "max" in new:
        refused = growth(f"pids.events of {after.path}", old["max"], new["max"], after.section, events_line)
    lines = (after.lines["pids.current"], after.lines["pids.max"], events_line)
    return Use(after.path, current, after.number("pids.max"), refused, *lines, after.section)


def _facts(report: Report, uses: list[Use]) -> None:
    limits = [use.max for use in uses if use.max is not None]
    worst = max(uses, key=lambda use: use.ratio, default=None)
    counted = [use.refused for use in uses if use.refused is not None]
    own = uses[0] if uses else None
    section = own.section if own else ""
    report.fact("current", own.current if own else None, section, own.current_line if own else 0)
    report.fact("max", own.max if own else None, section, own.max_line if own else 0)
    report.fact("effective_max", min(limits) if limits else None)
    report.fact("limiting_path", worst.path if worst and worst.max is not None else None)
    report.fact("used_ratio", round(worst.ratio, 4) if worst and worst.max is not None else None)
    report.fact("events_max_delta", max(counted) if counted else None)


def _tell_refused(report: Report, level: Level) -> None:
    """A counter that was pasted once."""
    refused = (level.read("pids.events", parse_flat_keyed) or {}).get("max")
    if refused:
        say = f"{refused} forks were refused in {level.path} since it was made; whether that goes on takes a second look"
        line = report.evidence(level.section, level.lines["pids.events"] + refused.line - 1, "max")
        report.unknown(Reason.MISSING, say, [line], rule="refused")


def _judge_refused(report: Report, uses: list[Use]) -> None:
    for use in uses:
        if use.refused:
            say = f"{use.refused} forks were refused in {use.path} between the samples"
            lines = [report.evidence(f"pids_{end}", use.events_line, "max") for end in "ab"]
            report.find("refused", Verdict.CRIT, say, value=use.refused, evidence=lines)


def _judge_limit(report: Report, tree: Tree, uses: list[Use]) -> None:
    limited = [use for use in uses if use.max is not None]
    if not limited:
        report.find("limit", Verdict.OK, f"neither {tree.path} nor any cgroup above it limits the number of tasks")
        return
    worst = max(limited, key=lambda use: use.ratio)
    level, limit = report.level(worst.ratio, "used_warn_ratio", "used_crit_ratio")
    say = f"{worst.path} runs {worst.current} of {worst.max} tasks ({worst.ratio:.0%})"
    say += ", so the next fork or thread fails" if level == Verdict.CRIT else ""
    lines = [report.evidence(tree.leaf.section, line) for line in (worst.current_line, worst.max_line)]
    report.find("limit", level, say, value=round(worst.ratio, 4), limit=limit, evidence=lines)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="cgroup.pids",
        title="Task limit of a cgroup",
        question="Can that cgroup still start a process or thread?",
        collectors=(PIDS, TASKS),
        judge=judge,
        params=TARGET_PARAMS,
        thresholds=(
            Threshold("used_warn_ratio", 0.9, "of pids.max", "tasks of a cgroup", "judgement"),
            Threshold(
                "used_crit_ratio", 1.0, "of pids.max", "tasks of a cgroup", "Documentation/admin-guide/cgroup-v1/pids.rst", "D"
            ),
            Threshold("host_warn_ratio", 0.9, "of the host's bound", "tasks of the host", "judgement"),
            Threshold("host_crit_ratio", 0.95, "of the host's bound", "tasks of the host", "judgement"),
        ),
        facts=(
            *TARGET_FACTS,
            FactSpec("current", "int", "its tasks; threads count"),
            FactSpec("max", "int", "its own limit; none when it has none"),
            FactSpec("effective_max", "int", "the smallest limit from it up to the root"),
            FactSpec("limiting_path", "str", "the cgroup nearest to its limit"),
            FactSpec("used_ratio", "float", "that cgroup's share of its limit"),
            FactSpec("events_max_delta", "int", "forks refused between the samples"),
            FactSpec("tasks", "int", "tasks of the whole host"),
            FactSpec("pid_max", "int", "kernel.pid_max"),
            FactSpec("threads_max", "int", "kernel.threads-max"),
        ),
        rules=(
            Rule(
                "refused",
                "forks were refused by a pids limit between the samples",
                "Documentation/admin-guide/cgroup-v1/pids.rst, pids.events",
                "raise pids.max (podPidsLimit, TasksMax) of the cgroup that is full, and find what starts so many threads",
            ),
            Rule(
                "limit",
                "the cgroup or one above it is near its limit of tasks",
                "Documentation/admin-guide/cgroup-v1/pids.rst",
                "raise pids.max (podPidsLimit, TasksMax) of the cgroup that is full, and find what starts so many threads",
            ),
            Rule(
                "host_limit",
                "the host is near kernel.pid_max or kernel.threads-max",
                "Documentation/admin-guide/sysctl/kernel.rst",
                "raise kernel.pid_max and kernel.threads-max, and find what starts so many threads",
            ),
        ),
        sources=("Documentation/admin-guide/cgroup-v1/pids.rst", "Documentation/admin-guide/cgroup-v2.rst", "proc(5)"),
    ),
)
