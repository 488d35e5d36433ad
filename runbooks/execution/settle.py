"""The end of a run: when its last step has ended, its verdict is computed, once, by whoever ended that step."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from checks.results import Reason
from runbooks import verdicts
from runbooks.choices import STEP_OPEN, RunState
from runbooks.document.comparing import Comparing
from runbooks.document.model import Document
from runbooks.execution.held import Held
from runbooks.models import Result, Revision, Step
from runbooks.parsed import document_of
from runbooks.signals import run_finished

_OUT_OF_TIME = (Reason.EXPIRED, Reason.NO_WORKER)


def settle(held: Held, still_open: int | None = None) -> None:
    """End the run if it has no open step: cancelled when someone asked for that, expired when time closed a step of it."""
    is_open = Step.objects.filter(state__in=STEP_OPEN)
    if (still_open and is_open.filter(pk=still_open).exists()) or is_open.filter(run=held.run).exists():
        return
    results = Result.objects.filter(step__run=held.run).order_by().values_list("step__check_id", "verdict", "reason").distinct()
    state = RunState.FINISHED
    if held.run.state == RunState.CANCELLING:
        state = RunState.CANCELLED
    elif any(reason in _OUT_OF_TIME for _, _, reason in results):
        state = RunState.EXPIRED
    document = document_of(Revision.objects.values_list("text", flat=True).get(pk=held.run.revision_id))
    confirming = {check.id for check in document.steps if check.confirms}
    said = [(check_id, verdict) for check_id, verdict, _ in results]
    said += [(check_id, str(comparing.verdict)) for check_id, comparing in _compared(held, document).items()]
    verdict = verdicts.of_run(confirming, said)
    held.run_is(state, verdict=str(verdict), finished_at=held.now)
    transaction.on_commit(lambda: _tell(held.run.pk), robust=True)


def _compared(held: Held, document: Document) -> dict[str, Comparing]:
    """What checks that compare hosts say of them together; the facts are read only when there is such a check."""
    asked = [check.id for check in document.steps if check.compare]
    if not asked:
        return {}
    rows = Result.objects.filter(step__run=held.run, step__check_id__in=asked).order_by("step__host__name")
    return verdicts.compared(document, rows.values_list("step__check_id", "step__host__name", "verdict", "facts"))


def _tell(run_id: UUID) -> None:
    run_finished.send_robust(sender=None, run_id=run_id)
