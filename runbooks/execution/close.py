"""Ending steps: the state, the single result row, the raw output and the event, in one transaction, whoever ends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from checks import catalog
from checks.errors import CheckError
from checks.results import ProbeResult, Reason, Verdict
from runbooks.choices import StepState
from runbooks.execution import store
from runbooks.execution.held import Held
from runbooks.execution.settle import settle
from runbooks.models import Attempt, Step
from runbooks.rows import cleaned, moment, values_list

_ATTEMPT = ("step_id", "number", "fence", "worker", "started_at", "ended_at", "outcome")


@dataclass(frozen=True)
class Outcome:
    """How a step ended. It counts only while the step still has that fence and is still in the state ``found``."""

    step_id: int
    fence: int
    state: StepState
    result: ProbeResult
    found: StepState = StepState.RUNNING


def without_evidence(probe_id: str, reason: Reason, say: str, verdict: Verdict = Verdict.UNKNOWN) -> ProbeResult:
    """The result of a step that no probe has judged."""
    try:
        version = catalog.get(probe_id).version
    except CheckError:
        version = 0
    return ProbeResult(probe=probe_id, version=version, verdict=verdict, reason=reason, finding=say)


def close(held: Held, outcomes: Sequence[Outcome], *, still_open: int | None = None) -> set[int]:
    """End the steps; the ids of those that were still ours. The last one settles the run.

    ``still_open`` is a step that the caller believes to be open, which spares the search for one.
    """
    if not outcomes:
        return set()
    ended = _end(held, outcomes)
    accepted = [outcome for outcome in outcomes if outcome.step_id in ended]
    if accepted:
        _note_attempts([outcome.step_id for outcome in accepted if _needs_attempt(outcome)])
        store.results(held, [(outcome.step_id, outcome.fence, outcome.result) for outcome in accepted])
        for outcome in accepted:
            held.step_is(outcome.state, outcome.step_id)
        settle(held, still_open)
    for outcome in outcomes:
        if outcome.step_id not in ended:
            _keep_late(outcome)
    return ended


def _needs_attempt(outcome: Outcome) -> bool:
    """A step that is done tells of its last attempt itself. Any other end may not be its owner's, who may still bring more."""
    return outcome.found == StepState.RUNNING and outcome.state != StepState.DONE


def _note_attempts(step_ids: Sequence[int]) -> None:
    if step_ids:
        steps = Step.objects.filter(pk__in=step_ids).order_by("pk")
        said = steps.values_list("pk", "attempt", "fence", "worker", "started_at", "finished_at", "state")
        Attempt.objects.bulk_create(Attempt(**dict(zip(_ATTEMPT, row, strict=True))) for row in said)


def _end(held: Held, outcomes: Sequence[Outcome]) -> set[int]:
    """The steps that were still ours."""
    values, parameters = values_list([(o.step_id, o.fence, str(o.found), str(o.state)) for o in outcomes])
    sql = f"""
        UPDATE runbooks_step SET state = ended.column4, finished_at = %s, lease_until = NULL FROM ({values}) AS ended
        WHERE runbooks_step.id = ended.column1 AND runbooks_step.fence = ended.column2
        AND runbooks_step.state = ended.column3 AND runbooks_step.state IN ('queued', 'running')
        RETURNING id
    """  # noqa: S608  placeholders and fixed text only
    with connection.cursor() as cursor:
        cursor.execute(sql, [moment(held.now), *parameters])
        return {step_id for (step_id,) in cursor.fetchall()}


def _keep_late(outcome: Outcome) -> None:
    """Another owner has this step now. What came too late is kept as evidence beside the attempt; the verdict stays single.

    A result that was recorded, but whose commit was never confirmed to us, is not late.
    """
    late = cleaned(outcome.result.as_json()) | {"state": str(outcome.state)}
    attempts = Attempt.objects.filter(step=outcome.step_id, fence=outcome.fence, late__isnull=True)
    attempts.exclude(step__result__fence=outcome.fence).update(late=late)
