"""cgroup.freezer: is that cgroup frozen, or stuck on the way there?

Knowledge: Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst and cgroup-v2.rst. A task frozen by v1 shows state D, so it
looks like a hang on a disk and is none. A paused container is a frozen cgroup.
"""

from __future__ import annotations

from checks.collectors.cgroup_target import FREEZER, TARGET_PARAMS
from checks.errors import EvidenceError
from checks.parsers.cgroup_tree import Level
from checks.parsers.keyed import parse_flat_keyed
from checks.parsers.reading import whole_lines
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.cgroup_target import TARGET_FACTS, samples
from checks.results import Evidence, Reason, Verdict

_STATES = ("THAWED", "FREEZING", "FROZEN")


def judge(report: Report) -> None:
    pair = samples(report, "freezer")
    if pair is None:
        return
    levels = list(zip(pair[0].levels, pair[1].levels, strict=True))
    states = [(_state(before), _state(after)) for before, after in levels]
    report.fact("state", states[0][1])
    cause = next((after.path for _, after in reversed(levels) if _asked(after)), None)
    report.fact("frozen_by", cause)
    lines = _lines(report, levels[0])
    path = pair[1].leaf.path
    if pair[0] is pair[1] and states[0][0] == "FREEZING":
        say = f"{path} is being frozen; whether something holds it up takes a second look, ten seconds later"
        report.unknown(Reason.MISSING, say, lines, rule="stuck")
    elif states[0] == ("FREEZING", "FREEZING"):
        say = f"{path} is being frozen in both samples: a task that cannot be interrupted (D) holds it up"
        report.find("stuck", Verdict.WARN, say, value="FREEZING", evidence=lines)
    elif states[0][1] == "FROZEN":
        by = f" by {cause} above it" if cause and cause != path else ""
        say = f"{path} is frozen{by}: its tasks stand still, and with cgroup v1 they show state D"
        report.find("frozen", Verdict.CRIT, say, value="FROZEN", evidence=lines)
    else:
        say = f"{path} is not frozen" if states[0][1] == "THAWED" else f"{path} changes its state just now"
        report.find("frozen", Verdict.OK, say, value=states[0][1], evidence=lines)


def _state(level: Level) -> str:
    """THAWED, FREEZING or FROZEN in the words of v1; the root cannot be frozen and has no files."""
    if "freezer.state" in level.files:
        state = " ".join(level.read("freezer.state", whole_lines) or [])
        if state not in _STATES:
            raise EvidenceError(f"freezer.state of {level.path} is {state[:40]!r}", Reason.UNPARSED, level.section)
        return state
    if level.path == "/" and "cgroup.events" not in level.files:
        return "THAWED"
    events = level.read("cgroup.events", parse_flat_keyed)
    wanted = level.number("cgroup.freeze")
    if events is None or "frozen" not in events or wanted is None:
        raise EvidenceError(f"{level.path} has no freezer files (cgroup v2 has them since 5.2)", Reason.MISSING, level.section)
    if events["frozen"]:
        return "FROZEN"
    return "FREEZING" if wanted else "THAWED"


def _asked(level: Level) -> bool:
    """True when this cgroup itself was told to freeze, not one above it."""
    return (level.number("freezer.self_freezing") or level.number("cgroup.freeze")) == 1


def _lines(report: Report, pair: tuple[Level, Level]) -> list[Evidence]:
    """The line that tells the state, in each sample."""
    found = []
    for level in pair if pair[0] is not pair[1] else pair[:1]:
        events = level.read("cgroup.events", parse_flat_keyed) or {}
        if "freezer.state" in level.lines:
            found.append(report.evidence(level.section, level.lines["freezer.state"]))
        elif "frozen" in events:
            found.append(report.evidence(level.section, level.lines["cgroup.events"] + events["frozen"].line - 1))
    return found


PROBES: tuple[Probe, ...] = (
    Probe(
        id="cgroup.freezer",
        title="Frozen cgroup",
        question="Is that cgroup frozen, or stuck on the way there?",
        collectors=(FREEZER,),
        judge=judge,
        params=TARGET_PARAMS,
        facts=(
            *TARGET_FACTS,
            FactSpec("state", "str", "THAWED, FREEZING or FROZEN"),
            FactSpec("frozen_by", "str", "the cgroup that was told to freeze: itself or one above it"),
        ),
        rules=(
            Rule(
                "frozen",
                "the cgroup is frozen",
                "Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst",
                "find who froze it (docker pause, a checkpoint, a backup); docker unpause, or thaw the cgroup named",
            ),
            Rule(
                "stuck",
                "the cgroup is being frozen in both samples",
                "Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst",
                "look for a task in state D in it, and at the disk or network file system it waits for",
            ),
        ),
        sources=("Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst", "Documentation/admin-guide/cgroup-v2.rst"),
    ),
)
