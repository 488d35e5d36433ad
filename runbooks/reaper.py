"""Ends what nobody else will: steps whose worker went away, runs whose time is over. Needs the database and nothing else.

Several reapers do no harm: each run is looked at under its row's lock, and a run that another process holds is left for the next
round.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from checks.results import Reason
from runbooks.choices import RUN_OPEN, STEP_OPEN, RunState, StepState
from runbooks.clock import db_now
from runbooks.execution.claim import give_back
from runbooks.execution.close import Outcome, close, without_evidence
from runbooks.execution.held import Held, hold
from runbooks.execution.settle import settle
from runbooks.models import Revision, Run, Step
from runbooks.parsed import document_of

BATCH = 500


def reap() -> int:
    """One round; how many steps were ended or given back."""
    return expire_runs() + reap_leases()


def reap_leases() -> int:
    """Steps whose lease ran out are queued again, or lost when they have had their attempts."""
    late = Step.objects.filter(state=StepState.RUNNING, lease_until__lt=db_now()).order_by("lease_until")
    runs = dict.fromkeys(late.values_list("run_id", flat=True)[:BATCH])
    count = 0
    for run_id in runs:
        with hold(run_id, wait=False) as held:
            count += _reap_run(held) if held else 0
    return count


def _reap_run(held: Held) -> int:
    dead = list(Step.objects.filter(run=held.run, state=StepState.RUNNING, lease_until__lt=held.now))
    if held.run.state == RunState.CANCELLING:
        _close(held, dead, StepState.CANCELLED, Reason.CANCELLED, "stopped; the worker that had this check went away")
        return len(dead)
    lost = [step for step in dead if step.attempt >= settings.MAX_ATTEMPTS]
    again = [step for step in dead if step.attempt < settings.MAX_ATTEMPTS]
    if again:
        give_back(held, again)
    say = "the worker went away while it had this check, {attempt} times; the worker's log says why"
    _close(held, lost, StepState.LOST, Reason.WORKER_LOST, say)
    return len(dead)


def expire_runs() -> int:
    """Runs past their deadline: what is open in them ends now."""
    late = Run.objects.filter(state__in=RUN_OPEN, deadline_at__lt=db_now()).order_by("deadline_at")
    count = 0
    for run_id in late.values_list("pk", flat=True)[:BATCH]:
        with hold(run_id, wait=False) as held:
            if held and held.run.state in RUN_OPEN:
                count += _expire_run(held)
    return count


def _expire_run(held: Held) -> int:
    steps = list(Step.objects.filter(run=held.run, state__in=STEP_OPEN))
    worked_on = set(Step.objects.filter(run=held.run, attempt__gt=0).values_list("host_id", flat=True))
    running = [step for step in steps if step.state == StepState.RUNNING]
    waiting = [step for step in steps if step.state == StepState.QUEUED]
    _close(held, running, StepState.TIMEOUT, Reason.EXPIRED, "the run's time was over before it had answered")
    begun = [step for step in waiting if step.host_id in worked_on]
    _close(held, begun, StepState.ERROR, Reason.EXPIRED, "the run's time was over before this check began")
    never = [step for step in waiting if step.host_id not in worked_on]
    say = "no worker took this check before the run's time was over; see that a worker or drain is running"
    _close(held, never, StepState.ERROR, Reason.NO_WORKER, say)
    if not steps:
        settle(held)
    return len(steps)


def _close(held: Held, steps: Iterable[Step], state: StepState, reason: Reason, say: str) -> None:
    text = Revision.objects.values_list("text", flat=True).get(pk=held.run.revision_id)
    document = document_of(text)
    outcomes = []
    for step in steps:
        check = document.step(step.check_id)
        result = without_evidence(check.probe if check else "", reason, say.format(attempt=step.attempt))
        outcomes.append(Outcome(step.pk, step.fence, state, result, found=StepState(step.state)))
    close(held, outcomes)
