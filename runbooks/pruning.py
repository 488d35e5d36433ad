"""Forgetting: runs and traces older than the retention time, raw output that nothing names any more, processes that went away."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef

from runbooks.choices import RUN_TERMINAL
from runbooks.clock import db_now
from runbooks.models import Output, ResultSection, Run, Trace, TraceSection
from runbooks.ticks import forget_old_ticks

BATCH = 100
YOUNG = timedelta(hours=1)  # a result that names an output may be about to be committed


def prune(days: int | None = None) -> tuple[int, int]:
    """Delete what is too old; how many runs and how many outputs went."""
    before = db_now() - timedelta(days=settings.RETENTION_DAYS if days is None else days)
    old = Run.objects.filter(state__in=RUN_TERMINAL, finished_at__lt=before).order_by("finished_at")
    runs = 0
    while ids := list(old.values_list("pk", flat=True)[:BATCH]):
        Run.objects.filter(pk__in=ids).delete()
        runs += len(ids)
    Trace.objects.filter(created_at__lt=before).delete()
    forget_old_ticks()
    return runs, _prune_outputs()


def _prune_outputs() -> int:
    named = ResultSection.objects.filter(stdout=OuterRef("pk"))
    traced = TraceSection.objects.filter(stdout=OuterRef("pk"))
    orphans = Output.objects.filter(~Exists(named), ~Exists(traced), created_at__lt=db_now() - YOUNG)
    count = 0
    while ids := list(orphans.values_list("pk", flat=True)[: BATCH * 5]):
        count += orphans.filter(pk__in=ids).delete()[0]
    return count
