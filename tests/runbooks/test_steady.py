"""A database that is away for a while costs no result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError

from runbooks.execution import steady as module
from runbooks.execution.steady import PATIENCE_S, steady


class Clock:
    """Time that passes only while someone sleeps; also the connection that is closed after each failure."""

    in_atomic_block = False

    def __init__(self) -> None:
        self.now = 0.0
        self.closed = 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "connection", clock)
    return clock


def failing(times: float, error: Exception) -> Callable[[], str]:
    left = [times]

    def work() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return "done"

    return work


@pytest.mark.parametrize("error", [OperationalError("restarting"), InterfaceError("closed")])
def test_it_tries_again_until_the_database_is_back(clock: Clock, error: Exception) -> None:
    assert steady(failing(5, error)) == "done"
    assert clock.closed == 5
    assert 1 < clock.now < 15


def test_it_gives_up_after_a_minute(clock: Clock) -> None:
    with pytest.raises(OperationalError):
        steady(failing(float("inf"), OperationalError("gone")))
    assert PATIENCE_S - 5 <= clock.now <= PATIENCE_S


def test_it_does_not_repeat_what_the_database_refused(clock: Clock) -> None:
    with pytest.raises(IntegrityError):
        steady(failing(1, IntegrityError("no")))
    assert clock.now == 0


def test_it_does_not_repeat_a_part_of_a_transaction(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "in_atomic_block", True)
    with pytest.raises(OperationalError):
        steady(failing(1, OperationalError("gone")))


def test_it_records_what_was_found_while_the_database_was_away(
    start: Any, script: Any, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    from runbooks.execution import execute, record

    real, fails = record.close, [3]

    def close(*args: Any, **options: Any) -> Any:
        fails[0] -= 1
        if fails[0] >= 0:
            raise OperationalError("the server closed the connection")
        return real(*args, **options)

    monkeypatch.setattr(record, "close", close)
    run = start()
    execute(run.pk, list(run.hosts.values_list("pk", flat=True)))
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("finished", "ok")
    assert {step.attempt for step in run.steps.all()} == {1}
