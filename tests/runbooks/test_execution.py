"""A step's way from its claim to its one result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runbooks.choices import RunState, StepState
from runbooks.execution import execute
from runbooks.models import Result, Run


def run_all(run: Run) -> Run:
    execute(run.pk, list(run.hosts.values_list("pk", flat=True)))
    run.refresh_from_db()
    return run


def test_it_brings_every_step_to_a_result(start: Callable[..., Run], script: Any) -> None:
    run = run_all(start())
    assert run.state == RunState.FINISHED
    assert run.verdict == "ok"
    assert [step.state for step in run.steps.all()] == [StepState.DONE, StepState.DONE]
    result = Result.objects.get(step__run=run, step__check_id="first")
    assert (result.verdict, result.facts["value"], result.finding) == ("ok", 5, "the number is 5")
    assert result.fact_lines["value"]["line"] == 1
