"""Runs as a list, newest first, a page at a time by cursor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from runbooks.choices import RUN_OPEN, RunState
from runbooks.models import Run
from runbooks.presenters.shown import LABELS, Shown, of_verdict
from runbooks.presenters.words import clock, in_language, visible

PAGE = 25


@dataclass(frozen=True)
class RunLine:
    """A run in a list."""

    id: UUID
    title: str
    slug: str
    shown: Shown
    label: str
    hosts: int
    started_by: str
    origin: str
    created_at: datetime
    took: str
    open: bool


@dataclass(frozen=True)
class RunPage:
    """A page of runs; ``next`` is the cursor of the following one, empty on the last."""

    runs: tuple[RunLine, ...]
    next: str = ""


def present_runs(before: str = "", *, size: int = PAGE, slug: str = "") -> RunPage:
    """The runs after that cursor: one statement. A cursor that makes no sense gives the first page."""
    runs: QuerySet[Run] = Run.objects.select_related("revision__runbook", "started_by").defer("revision__text")
    if slug:
        runs = runs.filter(revision__runbook__slug=slug)
    if cursor := _read_cursor(before):
        at, pk = cursor
        runs = runs.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=pk))
    found = list(runs.annotate(host_count=Count("hosts")).order_by("-created_at", "-pk")[: size + 1])
    more = len(found) > size
    return RunPage(tuple(_lines(found[:size])), _cursor(found[size - 1]) if more else "")


def _cursor(run: Run) -> str:
    return f"{run.created_at.timestamp():.6f}~{run.pk}"


def _read_cursor(text: str) -> tuple[datetime, UUID] | None:
    at, _, pk = text.partition("~")
    try:
        return datetime.fromtimestamp(float(at), tz=timezone.get_current_timezone()), UUID(pk)
    except (ValueError, OverflowError, OSError):
        return None


def _lines(runs: Iterable[Run]) -> Iterable[RunLine]:
    now = timezone.now()
    for run in runs:
        is_open = run.state in RUN_OPEN
        word = of_verdict(run.verdict) if not is_open else Shown.QUEUED if run.state == RunState.QUEUED else Shown.RUNNING
        yield RunLine(
            id=run.pk,
            title=in_language(run.revision.runbook.title, run.revision.runbook.title_zh),
            slug=run.revision.runbook.slug,
            shown=word,
            label=str(LABELS[word]),
            hosts=getattr(run, "host_count", 0),
            started_by=visible(run.started_by.get_username()) if run.started_by else "",
            origin=visible(run.origin),
            created_at=run.created_at,
            took=clock((run.finished_at or now) - (run.started_at or run.created_at)),
            open=is_open,
        )
