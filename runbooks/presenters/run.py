"""A run as plain data: the page, its fragments and the API read this and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from runbooks.choices import UNREACHED
from runbooks.document.model import Check, Part
from runbooks.presenters.answer import answer_of
from runbooks.presenters.card import CardView, card
from runbooks.presenters.database import (
    Cell,
    Detail,
    HostRow,
    RunRows,
    changed_checks,
    read_details,
    read_run,
    read_sections,
)
from runbooks.presenters.differing import differing
from runbooks.presenters.grid import GridView, grid
from runbooks.presenters.notices import Notice, notices
from runbooks.presenters.over_hosts import HOSTS_MAX, PICKS_OF, WORST_HOST, Choice, chosen, in_order
from runbooks.presenters.overview import OverviewView, overview, unreached_say
from runbooks.presenters.shown import Shown
from runbooks.presenters.status import StatusView, status_of
from runbooks.presenters.words import in_language, language_of, quantity, visible


@dataclass(frozen=True)
class PartView:
    """A stretch of narrative and the card beside it."""

    heading: str
    level: int
    anchor: str
    html: str
    lang: str
    number: int | None = None
    check: str = ""
    card: CardView | None = None


@dataclass(frozen=True)
class RunView:
    """Everything of a run that is shown. ``seq`` is the number of the last event that is in it."""

    id: UUID
    seq: int
    finished: bool
    title: str
    title_lang: str
    slug: str
    revision: int
    origin: str
    started_by: str
    created_at: datetime
    finished_at: datetime | None
    repeats: UUID | None
    params: tuple[tuple[str, str], ...]
    status: StatusView
    overview: OverviewView
    grid: GridView | None
    hosts: tuple[HostRow, ...]
    parts: tuple[PartView, ...]
    notices: tuple[Notice, ...]
    unreached_say: str
    unreached_hosts: int


def present_run(
    run_id: UUID,
    choice: Choice = WORST_HOST,
    *,
    only: Collection[str] | None = None,
    since: int | None = None,
    broker_down: bool = False,
) -> RunView:
    """The run as it is now, in a fixed number of statements.

    ``only`` leaves out the cards of all other checks, ``since`` those without an event after that one. ``seq`` is read before
    everything else: what happens while we read may be shown already, and will be named again by the next ``since``.
    """
    rows = read_run(run_id)
    if since is not None:
        only = changed_checks(run_id, since)
    cards = _cards(rows, choice, only)
    return _view(rows, cards, notices(rows, broker_down=broker_down))


def _view(rows: RunRows, cards: Mapping[str, CardView], said: tuple[Notice, ...]) -> RunView:
    titles = {check.id: (number, check.title or check.id) for number, check in enumerate(rows.document.steps, 1)}
    run = rows.run
    title = in_language(run.revision.runbook.title, run.revision.runbook.title_zh)
    return RunView(
        id=run.pk,
        seq=run.last_seq,
        finished=rows.finished,
        title=title,
        title_lang=language_of(title),
        slug=run.revision.runbook.slug,
        revision=run.revision.number,
        origin=visible(run.origin),
        started_by=visible(run.started_by.get_username()) if run.started_by else "",
        created_at=run.created_at,
        finished_at=run.finished_at,
        repeats=run.repeats_id,
        params=tuple((visible(str(name)), quantity(value)) for name, value in run.params.items() if value is not None),
        status=status_of(rows, titles),
        overview=overview(rows, answer_of(rows), titles),
        grid=grid(rows, titles),
        hosts=tuple(rows.hosts.values()),
        parts=_parts(rows, cards, titles),
        notices=said,
        unreached_say=unreached_say(rows),
        unreached_hosts=len({cell.host for cell in rows.all_cells() if cell.reason in UNREACHED}),
    )


def present_card(run_id: UUID, check_id: str, choice: Choice) -> CardView | None:
    """The card of one check, or None when the run has no such check."""
    return _cards(read_run(run_id), choice, {check_id}).get(check_id)


def _cards(rows: RunRows, choice: Choice, only: Collection[str] | None) -> dict[str, CardView]:
    wanted = [
        (number, check)
        for number, check in enumerate(rows.document.steps, 1)
        if check.id in rows.cells and (only is None or check.id in only)
    ]
    if not wanted:
        return {}
    needed = [_with_detail(list(rows.cells[check.id].values()), choice) for _n, check in wanted]
    details = read_details([cell.step for cells in needed for cell in cells])
    shown_steps = [cell.step for _n, check in wanted if (cell := _shown_cell(rows, check, details, choice))]
    sections = read_sections(shown_steps)
    differs = differing(rows, [check for _n, check in wanted])
    shown = (
        card(check, number, list(rows.cells[check.id].values()), details, sections, rows.hosts, choice)
        for number, check in wanted
    )
    return {one.check: replace(one, differing=differs.get(one.check)) for one in shown}


def _with_detail(cells: list[Cell], choice: Choice) -> list[Cell]:
    """The cells whose bodies a card may need: all of a small run, of a large one only the hosts that can be named."""
    closed = [cell for cell in cells if cell.closed]
    if len(cells) <= HOSTS_MAX or choice.list_all:
        return closed
    named = [cell for cell in closed if cell.host == choice.host]
    for word in Shown:
        named += [cell for cell in closed if cell.shown == word][: PICKS_OF.get(word, 1)]
    return named


def _shown_cell(rows: RunRows, check: Check, details: Mapping[int, Detail], choice: Choice) -> Cell | None:
    cells = list(rows.cells[check.id].values())
    return chosen(in_order(cells, details, rows.hosts), choice)


def _parts(rows: RunRows, cards: Mapping[str, CardView], titles: Mapping[str, tuple[int, str]]) -> tuple[PartView, ...]:
    parts = [part_view(part, titles) for part in rows.document.parts]
    placed = {part.check for part in parts}
    bare = Part()
    for check, (number, title) in titles.items():
        if check not in placed:
            parts.append(replace(part_view(bare, titles), heading=title, number=number, check=check))
    return tuple(replace(part, card=cards.get(part.check)) for part in parts)


def part_view(part: Part, titles: Mapping[str, tuple[int, str]]) -> PartView:
    """A part of the narrative without its card. A second check under one heading is headed by its own title."""
    number, title = titles.get(part.check_id or "", (None, ""))
    heading, anchor = part.heading or title, part.anchor or (f"about-{part.check_id}" if title else "")
    lang = language_of(heading + part.html_before)
    return PartView(heading, part.level or 3, anchor, part.html_before, lang, number, part.check_id or "")
