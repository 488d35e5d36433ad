"""The rules that a trace went by, with their real line numbers, each to be linked to; and the lines that decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runbooks.presenters.evidence import Deciding, Line, SectionView, brief, deciding_lines
from runbooks.presenters.shown import Shown
from runbooks.presenters.trace_ways import Step, Way, bare, jump

LINES_MAX = 200
DECIDING_MAX = 40
_LOUD = ("crit", "warn", "unknown")


def anchor_of(line: int) -> str:
    """The id of a rule's line."""
    return f"rule-{line}"


class Links:
    """Gives the link to a rule's line, and remembers which lines are linked to."""

    def __init__(self) -> None:
        self.lines: set[int] = set()

    def __call__(self, line: int) -> str:
        """The link; every line that was asked for will stand in the log."""
        self.lines.add(line)
        return f"#{anchor_of(line)}"


@dataclass(frozen=True)
class Log:
    """The section that holds the rules: its name, its lines, and those that are linked to."""

    home: str
    lines: Sequence[str]
    linked: Collection[int] = ()


def home_of(steps: Sequence[Step], texts: Mapping[str, Sequence[str]]) -> str:
    """The section in which these rules stand: the first that has each of them at its line."""
    for name, lines in texts.items():
        if all(0 < step.line <= len(lines) and lines[step.line - 1].strip().startswith(step.text) for step in steps[:8]):
            return name
    return next(iter(texts), "")


def rule_log(
    log: Log, ways: Sequence[Way], findings: Iterable[Mapping[str, Any]], commands: Mapping[str, str]
) -> tuple[tuple[SectionView, ...], int]:
    """The log, and how many lines are in it. Loud lines first when there is no room for all."""
    home, lines = log.home, log.lines
    deciding: Deciding = {home: {}} if home else {}
    for section, found in deciding_lines(one for one in findings if one.get("verdict") in _LOUD).items():
        deciding.setdefault(section, {}).update(dict(list(found.items())[:DECIDING_MAX]))
    own = deciding.get(home, {})
    broken = _broken(ways)
    for way in ways:
        for step in way.steps:
            if len(own) >= LINES_MAX and step.line not in own and step.line not in log.linked:
                continue
            text = lines[step.line - 1] if 0 < step.line <= len(lines) else step.text
            _text, marks, verdict = own.get(step.line, ("", set(), "crit" if step in broken else "info"))
            own[step.line] = (text, marks | _tokens(text, way.target), verdict)
    for number in log.linked:
        if number not in own and 0 < number <= len(lines):
            own[number] = (lines[number - 1], _tokens(lines[number - 1]), "info")
    views = brief({section: found for section, found in deciding.items() if found}, commands)
    return tuple(_linked(view) if view.name == home else view for view in views), sum(len(found) for found in deciding.values())


def _broken(ways: Sequence[Way]) -> set[Step]:
    """The rules that only broken ways go by: the pick and the target, not the trunk."""
    good = {step for way in ways if way.shown != Shown.CRIT for step in way.steps}
    bad = [way for way in ways if way.shown == Shown.CRIT]
    if not good:
        return {hop.deciding for way in bad for hop in way.hops[-1:] if hop.deciding}
    return {hop.deciding for way in bad for hop in way.hops if hop.deciding} - good


def _tokens(text: str, target: str = "") -> set[str]:
    """What of the rule decided: the address it writes, else the chain or target it leads to."""
    plain = bare(text)
    for token in (f"--to-destination {target}", f"to:{target}") if target else ():
        if token in plain:
            return {token}
    led = jump(text)
    return {token for token in (f"-j {led}", f"-g {led}", f"goto {led}") if led and token in plain}


def _linked(view: SectionView) -> SectionView:
    pieces = tuple(replace(piece, lines=tuple(_linked_line(line) for line in piece.lines)) for piece in view.pieces)
    return replace(view, pieces=pieces)


def _linked_line(line: Line) -> Line:
    """A line that can be linked to; one that only lies on the way is not tinted."""
    return replace(line, anchor=anchor_of(line.number), shown=None if line.shown == Shown.INFO else line.shown)
