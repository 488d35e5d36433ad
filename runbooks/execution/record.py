"""Outcomes into the database, whatever it takes: tried again while it restarts, one by one when it refuses one of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from django.db import DataError, IntegrityError

from checks.results import Reason
from runbooks.choices import StepState
from runbooks.execution.close import Outcome, close, without_evidence
from runbooks.execution.held import hold
from runbooks.execution.steady import steady

log = logging.getLogger(__name__)


def record(run_id: UUID, outcomes: Sequence[Outcome], still_open: int | None = None) -> set[int]:
    """End the steps in one transaction; the ids of those that were still ours.

    A result that the database will not take must not take the others with it: then each is recorded by itself, and that one
    ends as an error.
    """
    if not outcomes:
        return set()

    def put() -> set[int]:
        with hold(run_id) as held:
            return close(held, outcomes, still_open=still_open) if held else set()

    try:
        return steady(put)
    except (DataError, IntegrityError) as error:
        log.exception("run %s: a result could not be stored", run_id)
        if len(outcomes) > 1:
            return {step_id for outcome in outcomes for step_id in record(run_id, [outcome], still_open)}
        say = f"the result could not be stored ({type(error).__name__})"
        result = without_evidence(outcomes[0].result.probe, Reason.FAILED, say)
        if outcomes[0].result == result:
            raise
        return record(run_id, [replace(outcomes[0], state=StepState.ERROR, result=result)], still_open)
