"""The header of a run: its verdict so far or in the end, what was counted, how long it takes, what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from runbooks import verdicts
from runbooks.choices import RunState
from runbooks.models import Run
from runbooks.presenters.database import RunRows
from runbooks.presenters.overview import CheckLink, link
from runbooks.presenters.shown import LABELS, Shown, of_verdict, worst_seen
from runbooks.presenters.words import clock


@dataclass(frozen=True)
class StatusView:
    """The header: verdict, counts, time, and what can be done with the run."""

    shown: Shown
    label: str
    state: str
    state_say: str
    checks_done: int
    checks: int
    hosts_answered: int
    hosts: int
    collected: int
    collectable: int
    elapsed: str
    started_at: datetime
    ticking: bool
    stoppable: bool
    steps: tuple[CheckLink, ...]


def status_of(rows: RunRows, titles: Mapping[str, tuple[int, str]]) -> StatusView:
    """The header as it is now."""
    run = rows.run
    cells = list(rows.all_cells())
    by_host: dict[int, bool] = dict.fromkeys(rows.hosts, False)
    for cell in cells:
        by_host[cell.host] = by_host.get(cell.host, False) or cell.answered
    collected, collectable = verdicts.collected(cell.verdict for cell in cells if cell.closed)
    word = of_verdict(run.verdict) if rows.finished else _so_far(rows)
    started = run.started_at or run.created_at
    return StatusView(
        shown=word,
        label=str(LABELS[word]),
        state=run.state,
        state_say=_state_say(run),
        checks_done=sum(all(cell.closed for cell in row.values()) for row in rows.cells.values()),
        checks=len(rows.cells),
        hosts_answered=sum(by_host.values()),
        hosts=len(rows.hosts),
        collected=collected,
        collectable=collectable,
        elapsed=clock((run.finished_at or timezone.now()) - started),
        started_at=started,
        ticking=not rows.finished,
        stoppable=run.state in (RunState.QUEUED, RunState.RUNNING),
        steps=tuple(link(check, row, titles) for check, row in rows.cells.items() if check in titles),
    )


def _so_far(rows: RunRows) -> Shown:
    """While a run is open: the worst bad verdict seen over the confirming checks, else that it runs."""
    confirming = {check.id for check in rows.document.steps if check.confirms}
    counted = [cell for cell in rows.all_cells() if cell.closed and (cell.check in confirming or not confirming)]
    worst = worst_seen(cell.shown for cell in counted)
    if worst in (Shown.CRIT, Shown.WARN):
        return worst
    return Shown.QUEUED if rows.run.state == RunState.QUEUED else Shown.RUNNING


def _state_say(run: Run) -> str:
    return {
        RunState.QUEUED: _("waiting for a worker"),
        RunState.CANCELLING: _("stopping"),
        RunState.CANCELLED: _("stopped before its end"),
        RunState.EXPIRED: _("ended at its deadline"),
    }.get(RunState(run.state), "")
