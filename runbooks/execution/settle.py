"""The end of a run: when its last step has ended, its verdict is computed, once, by whoever ended that step."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction

from checks.results import Verdict
from runbooks import verdicts
from runbooks.choices import STEP_OPEN, RunState
from runbooks.execution.held import Held
from runbooks.models import Result, Revision, Step
from runbooks.parsed import document_of
from runbooks.signals import run_finished


def settle(held: Held) -> None:
    """End the run if it has no open step: cancelled when someone asked for that, expired when the deadline closed its steps."""
    if Step.objects.filter(run=held.run, state__in=STEP_OPEN).exists():
        return
    state = RunState.EXPIRED if held.expiring else RunState.FINISHED
    if held.run.state == RunState.CANCELLING:
        state = RunState.CANCELLED
    held.run_is(state, verdict=str(run_verdict(held)), finished_at=held.now)
    transaction.on_commit(partial(_tell, held.run.pk), robust=True)


def run_verdict(held: Held) -> Verdict:
    """The verdict over everything that the run's steps say."""
    document = document_of(Revision.objects.values_list("text", flat=True).get(pk=held.run.revision_id))
    confirming = {check.id for check in document.steps if check.confirms}
    return verdicts.of_run(confirming, Result.objects.filter(step__run=held.run).values_list("step__check_id", "verdict"))


def _tell(run_id: UUID) -> None:
    run_finished.send_robust(sender=None, run_id=run_id)
