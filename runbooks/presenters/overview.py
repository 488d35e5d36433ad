"""The answer that heads a run page: what it is, what to do, what was not seen; or which steps decide and are still open."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from checks.results import Verdict
from runbooks.choices import UNREACHED
from runbooks.presenters.answer import Answer
from runbooks.presenters.database import Cell, RunRows
from runbooks.presenters.differing import differing
from runbooks.presenters.hints import needs_key_decision
from runbooks.presenters.over_hosts import shown_over_hosts
from runbooks.presenters.shown import LABELS, Shown
from runbooks.presenters.words import number, visible

NAMED = 3


@dataclass(frozen=True)
class CheckLink:
    """A check, as a link with its verdict."""

    check: str
    number: int
    title: str
    shown: Shown
    label: str


@dataclass(frozen=True)
class Advice:
    """A sentence of the author; ``commands`` stood in back quotes at its end and are shown to copy."""

    say: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unseen:
    """A host that was not seen, and why. ``host`` is set where its page decides about its key."""

    name: str
    say: str
    host: int | None = None


@dataclass(frozen=True)
class OverviewView:
    """``settled`` is False while an open step could still overturn the answer."""

    title: str
    lead: str
    settled: bool
    do: Advice | None = None
    fix: Advice | None = None
    next: Advice | None = None
    deciding: tuple[CheckLink, ...] = ()
    open_checks: tuple[CheckLink, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    unseen_more: int = 0


def overview(rows: RunRows, answer: Answer | None, titles: Mapping[str, tuple[int, str]]) -> OverviewView:
    """The overview of a run. ``answer`` is what the runbook's conclusions say, None when it has none."""
    links = {check: link(check, cells, titles) for check, cells in rows.cells.items() if check in titles}
    unseen, more = _unseen(rows)
    if answer and answer.conclusion:
        said = answer.conclusion
        return OverviewView(
            title=visible(said.say),
            lead=_spread_of(rows, answer.hosts) if len(rows.hosts) > 1 else "",
            settled=not said.unsettled or rows.finished,
            do=advice(said.do),
            fix=advice(said.fix),
            next=advice(said.next),
            open_checks=() if rows.finished else tuple(links[check] for check in said.unsettled if check in links),
            unseen=unseen,
            unseen_more=more,
        )
    deciding = tuple(links[check] for check in (answer.deciding if answer else links) if check in links)
    still_open = tuple(links[check] for check in (answer.open if answer else ()) if check in links)
    title, lead = _part_of_a_run(rows) or _without_answer(rows, answer)
    return OverviewView(title, lead, rows.finished, None, None, None, deciding, still_open, unseen, more)


def link(check: str, cells: Mapping[int, Cell], titles: Mapping[str, tuple[int, str]]) -> CheckLink:
    """A check with its verdict so far."""
    word = shown_over_hosts(list(cells.values()))
    return CheckLink(check, *titles[check], word, str(LABELS[word]))


_LAST_COMMAND = re.compile(r"\s*`([^`]+)`\s*[.;]?\s*$")


def advice(text: str) -> Advice | None:
    """The sentence, with a command in back quotes at its end taken out to stand on its own line.

    >>> advice("Drop the caches: `echo 3 > /proc/sys/vm/drop_caches`")
    Advice(say='Drop the caches', commands=('echo 3 > /proc/sys/vm/drop_caches',))
    """
    if not text:
        return None
    text = visible(text.strip())
    match = _LAST_COMMAND.search(text)
    if not match:
        return Advice(text)
    return Advice(text[: match.start()].rstrip(" :,;"), (match[1],))


def _part_of_a_run(rows: RunRows) -> tuple[str, str] | None:
    """The heading of an ended run that repeats some checks only: what the last of them says. It explains nothing as a whole."""
    asked, all_checks = len(rows.cells), len(rows.document.steps)
    if not rows.finished or asked == all_checks or not any(cell.answered for cell in rows.all_cells()):
        return None
    said = [cell.finding for cell in list(rows.cells.values())[-1].values() if cell.finding]
    lead = ngettext("%(n)s of %(m)s check was asked again.", "%(n)s of %(m)s checks were asked again.", asked)
    return visible(said[0]) if said else _("A part of the writeup"), lead % {"n": number(asked), "m": number(all_checks)}


def _without_answer(rows: RunRows, answer: Answer | None) -> tuple[str, str]:
    """The heading while no conclusion holds: the worst sentence of the checks that decide, and what that leaves open."""
    deciding, other = _worst_cells(rows)
    aside = _("Worth a look: %(finding)s.") % {"finding": visible(other.finding)} if other else ""
    if not rows.finished:
        if deciding is None:
            lead = _("No deciding check has found anything yet. The answer stands here as soon as one holds.")
            return _("Nothing unusual so far"), f"{lead} {aside}".strip()
        return visible(deciding.finding), _("This is the worst finding so far; other checks are still at work.")
    if deciding is not None:
        return visible(deciding.finding), _("No conclusion of this writeup covers what was found.") if answer else ""
    if apart := _apart(rows):
        return apart, _("No conclusion of this writeup covers what was found.") if answer else ""
    if not any(cell.answered for cell in rows.all_cells()):
        if any(cell.reason in UNREACHED for cell in rows.all_cells()):
            return _("Nothing was seen"), _("No host answered, so nothing here speaks for or against this writeup.")
        return _("Nothing was seen"), _("The run ended before any check had an answer.")
    if rows.run.verdict == Verdict.UNKNOWN:
        lead = _("Nothing bad was found, but a deciding check stayed open.")
        return _("Not enough was seen to tell"), f"{lead} {aside}".strip()
    lead = _("Every deciding check that applies is OK.")
    return _("This writeup does not explain it here"), f"{lead} {aside}".strip()


def _worst_cells(rows: RunRows) -> tuple[Cell | None, Cell | None]:
    """The first of the worst cells among the confirming checks, and among the others. Without confirming checks all decide."""
    confirming = {check.id for check in rows.document.steps if check.confirms} or set(rows.cells)
    deciding: Cell | None = None
    other: Cell | None = None
    for word in (Shown.CRIT, Shown.WARN):
        for cell in rows.all_cells():
            if cell.shown == word and cell.check in confirming:
                deciding = deciding or cell
            elif cell.shown == word:
                other = other or cell
    return deciding, other


def _apart(rows: RunRows) -> str:
    """What a confirming check says of hosts that differ, though each of them is well by itself; empty when there is none."""
    if rows.run.verdict not in (Verdict.CRIT, Verdict.WARN):
        return ""
    steps = [check for check in rows.document.steps if check.id in rows.cells]
    said = differing(rows, [check for check in steps if check.confirms] or steps).values()
    return next((f"{one.hosts}: {one.say}" if one.hosts else one.say for one in said if one.shown == rows.run.verdict), "")


def _spread_of(rows: RunRows, hosts: Sequence[int]) -> str:
    """On which of several hosts the conclusion holds."""
    names = [rows.hosts[host].name for host in hosts]
    named = ", ".join(names[:NAMED])
    if len(names) > NAMED:
        named = _("%(names)s and %(n)s more") % {"names": named, "n": number(len(names) - NAMED)}
    return _("It holds on %(n)s of %(m)s hosts: %(names)s.") % {
        "n": number(len(names)),
        "m": number(len(rows.hosts)),
        "names": named,
    }


def _unseen(rows: RunRows) -> tuple[tuple[Unseen, ...], int]:
    """Hosts nobody got into, with the reason, the blocked ones first."""
    found: dict[int, Cell] = {}
    for cell in rows.all_cells():
        if cell.reason in UNREACHED:
            found.setdefault(cell.host, cell)
    ordered: Sequence[Cell] = sorted(found.values(), key=lambda cell: (not needs_key_decision(cell.reason), cell.host))
    made = tuple(
        Unseen(
            rows.hosts[cell.host].name,
            visible(cell.finding).removeprefix(rows.hosts[cell.host].name).lstrip(" :"),
            cell.host if needs_key_decision(cell.reason) else None,
        )
        for cell in ordered[:NAMED]
    )
    return made, max(0, len(ordered) - NAMED)


def unreached_say(rows: RunRows) -> str:
    """The sentence about hosts that did not answer; empty when all did."""
    lost = {cell.host for cell in rows.all_cells() if cell.reason in UNREACHED}
    if not lost:
        return ""
    if len(rows.hosts) == 1:
        return _("The host did not answer. Nothing here says anything about it.")
    return ngettext(
        "%(n)s of %(m)s hosts did not answer. Its column says nothing about it.",
        "%(n)s of %(m)s hosts did not answer. Their columns say nothing about them.",
        len(lost),
    ) % {"n": number(len(lost)), "m": number(len(rows.hosts))}
