"""How many runs may be at a host at once: its sshd has few slots, and people need some of them."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.conf import settings
from django.db.models import Count

from runbooks.choices import StepState
from runbooks.models import Host, Step


def taken(run_id: UUID, host_ids: Collection[int]) -> set[int]:
    """Those of the hosts that ``HOST_RUNS_MAX`` other runs are at. A dead worker's steps count until they are reaped."""
    at_work = Step.objects.filter(state=StepState.RUNNING).exclude(run=run_id).order_by().values("host")
    full = at_work.annotate(runs=Count("run", distinct=True)).filter(runs__gte=settings.HOST_RUNS_MAX)
    return set(full.values_list("host", flat=True)).intersection(host_ids)


def free(run_id: UUID, host_ids: Collection[int]) -> list[int]:
    """The hosts with a slot for this run, locked until the transaction ends, so that two runs cannot take the last one."""
    locked = Host.objects.filter(pk__in=host_ids).order_by("pk").select_for_update(no_key=True)
    found = list(locked.values_list("pk", flat=True))
    full = taken(run_id, found)
    return [host_id for host_id in found if host_id not in full]
