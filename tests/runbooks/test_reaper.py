"""What nobody else ends, the reaper ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery.signals import worker_ready
from django.core.management import call_command

from checks.results import ProbeResult, Reason, Verdict
from runbooks.choices import RunState, StepState
from runbooks.clock import db_now
from runbooks.dispatch import cancel
from runbooks.execution import execute
from runbooks.execution.claim import claim
from runbooks.execution.close import Outcome
from runbooks.execution.held import hold
from runbooks.execution.record import record
from runbooks.models import Attempt, ProcessTick, Result, Run, Step
from runbooks.reaper import reap
from runbooks.sweeper import sweep


def hosts_of(run: Run) -> list[int]:
    return list(run.hosts.values_list("pk", flat=True))


def take_and_die(run: Run) -> list[Any]:
    """A worker claims the steps, then its lease runs out."""
    with hold(run.pk) as held:
        assert held
        claims = claim(held, hosts_of(run), "worker@dead:1")
    Step.objects.filter(run=run, state=StepState.RUNNING).update(lease_until=db_now() - timedelta(seconds=1))
    return claims


def test_it_queues_a_step_whose_worker_went_away(start: Callable[..., Run], script: Any) -> None:
    run = start()
    take_and_die(run)
    assert reap() == 2
    assert {(step.state, step.attempt, step.published_at) for step in run.steps.all()} == {(StepState.QUEUED, 1, None)}
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"lease lost"}
    assert sweep() == 2
    assert script.sent == [(run.pk, hosts_of(run))]
    execute(run.pk, hosts_of(run))
    run.refresh_from_db()
    assert (run.state, run.verdict) == (RunState.FINISHED, "ok")
    assert {step.attempt for step in run.steps.all()} == {2}


def test_it_leaves_a_lease_that_holds(start: Callable[..., Run]) -> None:
    run = start()
    with hold(run.pk) as held:
        assert held
        claim(held, hosts_of(run), "worker@alive:1")
    assert reap() == 0
    assert {step.state for step in run.steps.all()} == {StepState.RUNNING}


def test_it_gives_a_poison_step_two_attempts(start: Callable[..., Run]) -> None:
    run = start()
    for _ in range(2):
        take_and_die(run)
        reap()
    run.refresh_from_db()
    assert {(step.state, step.attempt) for step in run.steps.all()} == {(StepState.LOST, 2)}
    assert set(Result.objects.values_list("reason", "verdict")) == {(Reason.WORKER_LOST, "unknown")}
    assert "2 times" in Result.objects.all()[0].finding
    assert (run.state, run.verdict) == (RunState.FINISHED, "unknown")


def test_it_keeps_the_late_result_of_a_worker_that_woke_up(start: Callable[..., Run]) -> None:
    run = start()
    late = take_and_die(run)
    reap()
    execute(run.pk, hosts_of(run))
    result = ProbeResult("toy.number", 1, Verdict.CRIT, None, "too late")
    outcomes = [Outcome(taken.step_id, taken.fence, StepState.DONE, result) for taken in late]
    assert record(run.pk, outcomes) == set()
    assert set(Result.objects.values_list("verdict", flat=True)) == {"ok"}
    assert Attempt.objects.filter(late__finding="too late").count() == 2


def test_it_stops_the_steps_of_a_stopped_run(start: Callable[..., Run], on_call: Any) -> None:
    run = start()
    take_and_die(run)
    assert cancel(run, on_call).state == RunState.CANCELLING
    reap()
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert {step.state for step in run.steps.all()} == {StepState.CANCELLED}


def test_it_ends_a_run_whose_time_is_over(start: Callable[..., Run], toy_host: Any, settings: Any) -> None:
    settings.RUN_DEADLINE_S = -1
    run = start(hosts=[toy_host(), toy_host()])
    busy = hosts_of(run)[0]
    Step.objects.filter(run=run, host=busy, check_id="first").update(
        state=StepState.RUNNING, attempt=1, fence=1, started_at=db_now()
    )
    reap()
    run.refresh_from_db()
    assert (run.state, run.verdict) == (RunState.EXPIRED, "unknown")
    said = {(step.host_id == busy, step.check_id): (step.state, step.result.reason) for step in run.steps.all()}
    assert said == {
        (True, "first"): (StepState.TIMEOUT, Reason.EXPIRED),
        (True, "second"): (StepState.ERROR, Reason.EXPIRED),
        (False, "first"): (StepState.ERROR, Reason.NO_WORKER),
        (False, "second"): (StepState.ERROR, Reason.NO_WORKER),
    }
    assert reap() == 0


def test_it_ends_a_stopped_run_whose_time_is_over_as_stopped(start: Callable[..., Run], on_call: Any) -> None:
    run = start()
    take_and_die(run)
    cancel(run, on_call)
    Step.objects.filter(run=run).update(lease_until=db_now() + timedelta(hours=1))
    Run.objects.filter(pk=run.pk).update(deadline_at=db_now() - timedelta(seconds=1))
    reap()
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


def test_it_rings_again_only_for_what_is_silent_and_ready(start: Callable[..., Run], script: Any) -> None:
    run = start()
    assert sweep() == 0
    Step.objects.filter(run=run, check_id="first").update(published_at=db_now() - timedelta(seconds=6))
    assert sweep() == 1
    assert script.sent == [(run.pk, hosts_of(run))]
    assert sweep() == 0


def test_it_does_not_ring_for_a_step_that_waits_for_another(start: Callable[..., Run]) -> None:
    run = start()
    Step.objects.filter(run=run, check_id="second").update(wave=1)
    Step.objects.filter(run=run).update(published_at=None)
    assert sweep() == 1


def test_it_rings_in_shards(start: Callable[..., Run], toy_host: Any, script: Any, settings: Any) -> None:
    settings.SHARD_HOSTS = 2
    run = start(hosts=[toy_host() for _ in range(3)])
    Step.objects.filter(run=run).update(published_at=None)
    assert sweep() == 6
    assert [len(shard) for _, shard in script.sent] == [2, 1]


@pytest.mark.parametrize(("command", "kind"), [("reaper", "reaper"), ("drain", "drain")])
def test_it_shows_that_it_lives(command: str, kind: str, script: Any, db: None) -> None:
    call_command(command, once=True)
    call_command(command, once=True)
    assert list(ProcessTick.objects.values_list("kind", flat=True)) == [kind]


def test_it_shows_that_a_worker_lives(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Timer:
        def call_repeatedly(self, seconds: float, work: Callable[[], None]) -> None:
            rounds.append((seconds, work))

    class Connection:
        closed = 0

        def close(self) -> None:
            self.closed += 1

    rounds: list[tuple[float, Callable[[], None]]] = []
    connection = Connection()
    monkeypatch.setattr("runbooks.tasks.connection", connection)
    sender = type("Consumer", (), {"timer": Timer()})()
    worker_ready.send(sender=sender)
    assert list(ProcessTick.objects.values_list("kind", flat=True)) == ["worker"]
    ((seconds, work),) = rounds
    work()
    assert seconds <= 15
    assert connection.closed == 2  # a child that is forked later inherits no connection
