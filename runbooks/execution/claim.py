"""Taking steps, keeping them, giving them back: conditional updates whose returned rows are the answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection

from runbooks.choices import RunState, StepState
from runbooks.document.model import Document
from runbooks.execution import slots
from runbooks.execution.held import Held
from runbooks.models import Attempt, Run, Step
from runbooks.rows import key, marks, moment, values_list
from runbooks.waves import waves


@dataclass(frozen=True)
class Claim:
    """A step that this process owns as long as nobody else raises its fence."""

    step_id: int
    host_id: int
    check_id: str
    wave: int
    fence: int
    attempt: int


READY = """
    state = 'queued' AND NOT EXISTS (
        SELECT 1 FROM runbooks_step earlier
        WHERE earlier.run_id = runbooks_step.run_id AND earlier.host_id IN (runbooks_step.host_id{leaders})
        AND earlier.wave < runbooks_step.wave AND earlier.state IN ('queued', 'running'))
"""
"""A step is ready when no open step of its host, or of a host that answers for all, has a lower wave."""
READY_ON_ITS_HOST = READY.format(leaders="")


def leaders(run: Run, document: Document) -> list[int]:
    """The hosts whose answers other hosts' checks read: where a check with ``fan_out: false`` runs that another one needs."""
    needed = {name for names in waves(document).needs.values() for name in names}
    alone = [check.id for check in document.steps if not check.fan_out and check.id in needed]
    if not alone:
        return []
    return list(Step.objects.filter(run=run, check_id__in=alone).order_by().values_list("host_id", flat=True).distinct())


def anything_queued(run: Run, host_ids: Collection[int]) -> bool:
    """True when some step of those hosts waits, ready or not."""
    return Step.objects.filter(run=run, host__in=host_ids, state=StepState.QUEUED).exists()


def claim(held: Held, host_ids: Collection[int], worker: str, leaders: Collection[int] = ()) -> list[Claim]:
    """Take every ready step of those hosts with a free slot. Empty when another process was first or the run takes no more."""
    if held.run.state not in (RunState.QUEUED, RunState.RUNNING) or held.run.deadline_at <= held.now:
        return []
    host_ids = slots.free(held.run.pk, host_ids)
    if not host_ids:
        return []
    lease = held.now + timedelta(seconds=settings.LEASE_S)
    ready = READY.format(leaders=f", {marks(leaders)}" if leaders else "")
    sql = f"""
        UPDATE runbooks_step SET state = 'running', attempt = attempt + 1, fence = fence + 1,
            lease_until = %s, started_at = %s, worker = %s
        WHERE run_id = %s AND host_id IN ({marks(host_ids)}) AND {ready}
        RETURNING id, host_id, check_id, wave, fence, attempt
    """  # noqa: S608  placeholders and fixed text only
    with connection.cursor() as cursor:
        cursor.execute(sql, [moment(lease), moment(held.now), worker, key(held.run.pk), *host_ids, *leaders])
        claims = [Claim(*row) for row in cursor.fetchall()]
    if claims and held.run.state == RunState.QUEUED:
        held.run_is(RunState.RUNNING, started_at=held.now)
    for taken in claims:
        held.step_is(StepState.RUNNING, taken.step_id)
    return claims


def renew(held: Held, claims: Iterable[Claim]) -> set[int]:
    """Lengthen the leases. The steps that are still ours; any other was taken away and its work is worth nothing now."""
    values, parameters = values_list([(claim.step_id, claim.fence) for claim in claims])
    sql = f"""
        UPDATE runbooks_step SET lease_until = %s FROM ({values}) AS mine
        WHERE runbooks_step.id = mine.column1 AND runbooks_step.fence = mine.column2 AND runbooks_step.state = 'running'
        RETURNING runbooks_step.id
    """  # noqa: S608  placeholders and fixed text only
    with connection.cursor() as cursor:
        cursor.execute(sql, [moment(held.now + timedelta(seconds=settings.LEASE_S)), *parameters])
        return {step_id for (step_id,) in cursor.fetchall()}


def give_back(held: Held, steps: Collection[Step]) -> None:
    """Queue steps again whose owner let the lease run out. The fence stays: the next claim raises it."""
    ids = [step.pk for step in steps]
    Step.objects.filter(pk__in=ids, state=StepState.RUNNING).update(
        state=StepState.QUEUED, lease_until=None, queued_at=held.now, published_at=None
    )
    Attempt.objects.bulk_create(
        Attempt(
            step=step,
            number=step.attempt,
            fence=step.fence,
            worker=step.worker,
            started_at=step.started_at or held.now,
            ended_at=held.now,
            outcome="lease lost",
        )
        for step in steps
    )
    for step_id in ids:
        held.step_is(StepState.QUEUED, step_id)
