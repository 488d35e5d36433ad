"""What readers of a run are told: every change, in order, without gaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from runbooks import live
from runbooks.dispatch import cancel
from runbooks.execution import execute
from runbooks.execution.claim import claim
from runbooks.execution.held import hold
from runbooks.models import Run


def run_all(run: Run) -> Run:
    execute(run.pk, list(run.hosts.values_list("pk", flat=True)))
    run.refresh_from_db()
    return run


def told(run: Run) -> list[tuple[int, str]]:
    return [(event.seq, event.kind) for event in run.events.all()]


def test_it_tells_every_change_in_order(start: Callable[..., Run]) -> None:
    run = run_all(start())
    events = told(run)
    assert [seq for seq, _ in events] == list(range(1, len(events) + 1))
    assert run.last_seq == len(events)
    kinds = [kind for _, kind in events]
    assert kinds[0] == "run.running"
    assert kinds[-1] == "run.finished"
    assert sorted(kinds[1:-1]) == ["done", "done", "running", "running"]
    assert {event.step_id for event in run.events.exclude(step=None)} == {step.pk for step in run.steps.all()}


def test_it_tells_that_a_run_is_stopped(start: Callable[..., Run], on_call: Any) -> None:
    run = cancel(start(), on_call)
    assert [kind for _, kind in told(run)] == ["run.cancelling", "cancelled", "cancelled", "run.cancelled"]


def test_it_publishes_the_newest_number_after_the_commit(
    start: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(live, "publish", lambda run_id, seq: sent.append((run_id, seq)))
    run = start()
    with django_capture_on_commit_callbacks(execute=True), hold(run.pk) as held:
        assert held
        claim(held, list(run.hosts.values_list("pk", flat=True)), "worker@test:1")
        assert sent == []
    assert sent == [(run.pk, 3)]


def test_it_loses_no_step_to_a_live_channel_that_fails(
    start: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    def fail(run_id: Any, seq: int) -> None:
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(live, "publish", fail)
    with django_capture_on_commit_callbacks(execute=True):
        run = run_all(start())
    assert run.verdict == "ok"


class Client:
    """A Redis client that counts, or fails."""

    def __init__(self, fail: bool = False) -> None:
        self.fail = fail
        self.sent: list[tuple[str, str]] = []

    def publish(self, channel: str, message: str) -> None:
        self.sent.append((channel, message))
        if self.fail:
            raise redis.TimeoutError("hung")


def test_it_leaves_a_hung_channel_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(fail=True)
    monkeypatch.setattr(redis.Redis, "from_url", lambda *args, **options: client)
    channel = live._Channel()
    for seq in range(10):
        channel.publish("run:x", str(seq))
    assert client.sent == [("run:x", "0")]
    channel.quiet_until = 0
    client.fail = False
    channel.publish("run:x", "11")
    assert client.sent[-1] == ("run:x", "11")
