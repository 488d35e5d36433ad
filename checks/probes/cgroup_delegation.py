"""cgroup.delegation: does a controller reach that cgroup, or why has it no cpu.max?

Knowledge: Documentation/admin-guide/cgroup-v2.rst, sections on enabling controllers and on the no-internal-process constraint;
measured in the writeup on cgroup v2. ``cgroup.controllers`` is what a cgroup may hand down, ``cgroup.subtree_control`` what it
does hand down.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from checks.collectors.cgroup_target import DELEGATION, TARGET_PARAMS
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.cgroup_tree import Level
from checks.parsers.reading import whole_lines
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.cgroup_rt_group import FACT, RT_GROUP, RULE, judge_rt_group
from checks.probes.cgroup_target import TARGET_FACTS, absent, tree
from checks.results import Evidence, Reason, Verdict


@dataclass(frozen=True)
class Step:
    """One cgroup on the way from the root to the target. ``processes`` is None where the kernel refuses to list them."""

    level: Level
    available: list[str]
    handed_down: list[str]
    type: str
    processes: int | None

    @property
    def path(self) -> str:
        return self.level.path


def judge(report: Report) -> None:
    found = tree(report, "delegation")
    if not found.levels:
        absent(report, hidden=found.hidden)
        return
    wanted = report.params.get("controller") or "cpu"
    levels = [level for level in reversed(found.levels) if not found.pasted or "cgroup.controllers" in level.files]
    way = [_step(level, pasted=found.pasted) for level in levels]
    if not way:
        raise EvidenceError("no cgroup.controllers was pasted", Reason.MISSING, "delegation")
    report.fact("path", found.leaf.path)
    report.fact("cgroup_version", found.version)
    report.fact("pid", found.pid)
    report.fact("controller", wanted)
    report.fact("has_controller", wanted in way[-1].available)
    report.fact("way", [_fact(step) for step in way])
    for step in way:
        if step.type == "domain invalid":
            say = f"{step.path} is invalid: a domain below a threaded cgroup can hold no process"
            report.find("invalid", Verdict.CRIT, say, evidence=_lines(report, step, "cgroup.type"))
    if found.pasted and not _told_by_paste(report, way, wanted):
        seen = " and ".join(step.path for step in way)
        say = f"of the way to the cgroup only {seen} was pasted: whether {wanted} reaches it is open"
        report.unknown(Reason.MISSING, say, _lines(report, way[-1], "cgroup.subtree_control"), rule="handed_down")
        return
    _judge_way(report, way, wanted, pasted=found.pasted)


def _told_by_paste(report: Report, way: list[Step], wanted: str) -> bool:
    """True when the pasted part of the way decides: the controller is at its end, or a pasted pair of neighbours stops it."""
    if way[0].path == "/" and wanted in way[0].available and wanted not in way[0].handed_down and _shows(way[0]):
        return True
    if wanted in way[-1].available:
        return way[-1].path != "/"
    for parent, child in pairwise(way):
        direct = child.path.rpartition("/")[0] == parent.path.rstrip("/")
        if direct and wanted in parent.available and wanted not in child.available:
            return True
    return way[0].path == "/" and wanted not in way[0].available


def _shows(step: Step) -> bool:
    return "cgroup.subtree_control" in step.level.files


def _step(level: Level, *, pasted: bool) -> Step:
    if "cgroup.controllers" not in level.files or ("cgroup.subtree_control" not in level.files and not pasted):
        raise EvidenceError(f"{level.path} is no cgroup of version 2", Reason.MISSING, level.section)
    return Step(
        level,
        " ".join(level.read("cgroup.controllers", whole_lines) or []).split(),
        " ".join(level.read("cgroup.subtree_control", whole_lines) or []).split(),
        " ".join(level.read("cgroup.type", whole_lines) or []),
        len(level.read("cgroup.procs", whole_lines) or []) if "cgroup.procs" in level.files else None,
    )


def _fact(step: Step) -> dict[str, object]:
    return {"path": step.path, "available": step.available, "handed_down": step.handed_down, "processes": step.processes}


def _lines(report: Report, step: Step, *names: str) -> list[Evidence]:
    return [report.evidence("delegation", step.level.lines[name]) for name in names if name in step.level.lines]


def _judge_way(report: Report, way: list[Step], wanted: str, *, pasted: bool) -> None:
    root, leaf = way[0], way[-1]
    files = ("cgroup.controllers", "cgroup.subtree_control")
    if wanted in leaf.available and not (pasted and leaf.path == "/"):
        say = f"the {wanted} controller reaches {leaf.path}"
        report.find("handed_down", Verdict.OK, say, evidence=_lines(report, leaf, "cgroup.controllers"))
        return
    if wanted not in root.available:
        say = f"cgroup v2 has no {wanted} controller here: it is mounted as v1, switched off, or the kernel is too old"
        report.find("unavailable", Verdict.CRIT, say, evidence=_lines(report, root, "cgroup.controllers"))
        return
    stop = next(step for step in way if wanted in step.available and wanted not in step.handed_down)
    child = way[way.index(stop) + 1].path if stop is not leaf else f"what is below {leaf.path}"
    say = f"{stop.path} has the {wanted} controller but does not hand it down, so {child} has no {wanted} files"
    report.find("handed_down", Verdict.WARN, say, evidence=_lines(report, stop, *files))
    if stop is not root and stop.processes:
        say = f"{stop.path} itself holds {stop.processes} processes, so handing a controller down fails with EBUSY"
        report.find("inner_processes", Verdict.WARN, say, value=stop.processes, evidence=_lines(report, stop, "cgroup.procs"))
    if wanted == "cpu":
        judge_rt_group(report, stop.path, _lines(report, stop, "cgroup.subtree_control"))


PROBES: tuple[Probe, ...] = (
    Probe(
        id="cgroup.delegation",
        title="Controllers handed down (cgroup v2)",
        question="Does a controller reach that cgroup, or why has it no cpu.max?",
        collectors=(DELEGATION, RT_GROUP),
        judge=judge,
        params=(
            *TARGET_PARAMS,
            Param("controller", "enum", "cpu", "the controller", choices=("cpu", "cpuset", "memory", "pids", "io", "hugetlb")),
        ),
        facts=(
            *TARGET_FACTS,
            FactSpec("controller", "str", "the controller asked for"),
            FactSpec("has_controller", "bool", "the cgroup has that controller's files"),
            FactSpec("way", "list", "from the root: path, available and handed-down controllers, number of processes"),
            FACT,
        ),
        rules=(
            Rule(
                "handed_down",
                "a cgroup above has the controller and does not hand it down",
                "Documentation/admin-guide/cgroup-v2.rst, Enabling and Disabling",
                "from the top down to the parent: echo +cpu > cgroup.subtree_control; for a unit Delegate=yes",
            ),
            Rule(
                "unavailable",
                "cgroup v2 does not have the controller at its root",
                "Documentation/admin-guide/cgroup-v2.rst",
                "boot with cgroup v2 alone on kernel 5.8 or newer; look at cgroup.mode",
            ),
            Rule(
                "invalid",
                "a cgroup on the way is of type domain invalid",
                "Documentation/admin-guide/cgroup-v2.rst, Threads",
                "write threaded to its cgroup.type, or move it out of the threaded subtree",
            ),
            Rule(
                "inner_processes",
                "a cgroup that should hand a controller down holds processes itself",
                "Documentation/admin-guide/cgroup-v2.rst, No Internal Process Constraint",
                "move its processes into a child first",
            ),
            RULE,
        ),
        sources=("Documentation/admin-guide/cgroup-v2.rst", "writeup on cgroup v2"),
    ),
)
