"""A run begins: all of it in one transaction, the doorbells after the commit."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError

from checks.errors import ParamError, TransportError
from checks.results import Reason
from runbooks import dispatch, room, tasks
from runbooks.choices import RunState, StepState
from runbooks.dispatch import IdempotencyConflictError, NothingToRunError, cancel, rerun, rerun_step, rerun_unreached_hosts
from runbooks.execution import execute
from runbooks.models import Result, Run, Step
from runbooks.presenters.run import present_run
from runbooks.signals import run_cancelled, run_finished, run_started

TWO_WAVES = """---
title: Two waves
kind: incident
---

```check
id: alone
probe: toy.number
```

```check
id: first
probe: toy.number
```

```check
id: second
probe: toy.number
expect:
  - {if: "first.value >= 3", then: warn, say: "the first was {first.value}"}
```

```check
id: once
probe: toy.number
fan_out: false
```
"""


Usage = namedtuple("Usage", "total used free")


def run_all(run: Run) -> Run:
    execute(run.pk, list(run.hosts.values_list("pk", flat=True)))
    run.refresh_from_db()
    return run


def test_it_makes_a_step_for_every_check_on_every_host(start: Callable[..., Run], toy_host: Any) -> None:
    run = start(TWO_WAVES, hosts=[toy_host("b"), toy_host("a")])
    steps = [(step.host.name, step.check_id, step.wave) for step in run.steps.order_by("host__name", "position")]
    assert steps == [
        ("a", "alone", 0),
        ("a", "first", 0),
        ("a", "second", 1),
        ("a", "once", 0),
        ("b", "alone", 0),
        ("b", "first", 0),
        ("b", "second", 1),
    ]
    assert {step.state for step in run.steps.all()} == {StepState.QUEUED}


def test_it_rings_after_the_commit_once_per_shard(
    start: Callable[..., Run], toy_host: Any, script: Any, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.SHARD_HOSTS = 2
    hosts = [toy_host() for _ in range(5)]
    with django_capture_on_commit_callbacks(execute=True):
        run = start(hosts=hosts)
        assert script.sent == []
    assert {run_id for run_id, _ in script.sent} == {run.pk}
    assert [len(shard) for _, shard in script.sent] == [2, 2, 1]
    assert sorted(host for _, shard in script.sent for host in shard) == sorted(host.pk for host in hosts)
    assert all(step.published_at for step in run.steps.all())


def test_it_keeps_a_host_in_the_same_shard(settings: Any) -> None:
    settings.SHARD_HOSTS = 3
    assert tasks.shards([5, 1, 4, 2, 3]) == tasks.shards([1, 2, 3, 4, 5]) == [[1, 2, 3], [4, 5]]


def test_it_starts_without_a_broker(start: Callable[..., Run], script: Any, django_capture_on_commit_callbacks: Any) -> None:
    script.broker_up = False
    with django_capture_on_commit_callbacks(execute=True):
        run = start()
    assert run.state == RunState.QUEUED
    assert [step.published_at for step in run.steps.all()] == [None, None]
    assert [one.kind for one in present_run(run.pk).notices] == ["broker_down"]


def test_it_starts_nothing_when_there_is_no_room_for_results(
    start: Callable[..., Run], settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_disk = SimpleNamespace(vendor="sqlite", settings_dict={"NAME": str(tmp_path / "x.sqlite3")})
    monkeypatch.setattr(room, "connection", on_disk)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 40, 0, 12 << 20))
    with pytest.raises(room.StoreFullError, match=r"12 MiB are free in .*, 50 are needed"):
        start()
    assert not Run.objects.exists()
    settings.MIN_FREE_MIB = 10
    assert start().state == RunState.QUEUED


@pytest.mark.parametrize("say", ["database or disk is full", 'could not extend file "base/1": No space left on device'])
def test_it_says_that_the_database_is_full(start: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, say: str) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OperationalError(say)

    monkeypatch.setattr(dispatch, "insert_rows", full)
    with pytest.raises(room.StoreFullError, match="make room there first"):
        start()
    assert not Run.objects.exists()


def test_it_validates_the_parameters(start: Callable[..., Run]) -> None:
    with pytest.raises(ParamError, match="there is no parameter 'wrod'; known parameters: word"):
        start(params={"wrod": "x"})
    assert not Run.objects.exists()
    assert start().params == {"word": "hello"}


def test_it_needs_a_host_and_a_check(start: Callable[..., Run], script: Any, revision: Any, toy_host: Any, on_call: Any) -> None:
    given: dict[str, Any] = {"params": {}, "user": on_call}
    with pytest.raises(NothingToRunError, match="at least one host"):
        dispatch.start_run(revision=revision(), hosts=[], **given)
    with pytest.raises(NothingToRunError, match="no check"):
        dispatch.start_run(revision=revision("---\ntitle: Words\n---\nOnly words.\n"), hosts=[toy_host()], **given)


def test_it_gives_the_same_run_for_the_same_key(start: Callable[..., Run], revision: Any, toy_host: Any, on_call: Any) -> None:
    given = {"revision": revision(), "hosts": [toy_host()], "params": {}, "user": on_call}
    first = dispatch.start_run(**given, idempotency=("token 1", "k", "aa"))
    assert dispatch.start_run(**given, idempotency=("token 1", "k", "aa")).pk == first.pk
    assert dispatch.start_run(**given, idempotency=("token 2", "k", "aa")).pk != first.pk
    assert dispatch.start_run(**given).pk != first.pk
    with pytest.raises(IdempotencyConflictError, match="used for another request"):
        dispatch.start_run(**given, idempotency=("token 1", "k", "bb"))


def test_it_forgets_a_key_after_a_day(start: Callable[..., Run], revision: Any, toy_host: Any, on_call: Any) -> None:
    given = {"revision": revision(), "hosts": [toy_host()], "params": {}, "user": on_call}
    first = dispatch.start_run(**given, idempotency=("token 1", "k", "aa"))
    Run.objects.filter(pk=first.pk).update(created_at="2020-01-01T00:00:00Z")
    assert dispatch.start_run(**given, idempotency=("token 1", "k", "bb")).pk != first.pk


def test_it_settles_a_race_for_a_key(
    start: Callable[..., Run], revision: Any, toy_host: Any, on_call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"revision": revision(), "hosts": [toy_host()], "params": {}, "user": on_call, "idempotency": ("t", "k", "aa")}
    first = dispatch.start_run(**given)
    looks = iter([None, first])
    monkeypatch.setattr(dispatch, "_earlier", lambda asked: next(looks))
    assert dispatch.start_run(**given).pk == first.pk
    assert Run.objects.count() == 1


def test_it_makes_no_run_that_a_listener_refuses(start: Callable[..., Run]) -> None:
    def refuse(**_: Any) -> None:
        raise IntegrityError("no audit row")

    run_started.connect(refuse)
    try:
        with pytest.raises(IntegrityError):
            start()
    finally:
        run_started.disconnect(refuse)
    assert not Run.objects.exists()
    assert not Step.objects.exists()


def test_it_tells_who_listens(start: Callable[..., Run], on_call: Any, django_capture_on_commit_callbacks: Any) -> None:
    heard: list[Any] = []

    def listen(signal: Any, **given: Any) -> None:
        heard.append((signal, given.get("user"), given.get("run_id")))

    for each in (run_started, run_cancelled, run_finished):
        each.connect(listen)
    with django_capture_on_commit_callbacks(execute=True):
        run = start()
        cancel(run, on_call)
    for each in (run_started, run_cancelled, run_finished):
        each.disconnect(listen)
    assert heard == [(run_started, on_call, None), (run_cancelled, on_call, None), (run_finished, None, run.pk)]


def test_it_stops_what_has_not_begun_at_once(start: Callable[..., Run], on_call: Any, script: Any) -> None:
    run = cancel(start(), on_call)
    assert (run.state, run.verdict) == (RunState.CANCELLED, "unknown")
    assert {step.state for step in run.steps.all()} == {StepState.CANCELLED}
    assert set(Result.objects.filter(step__run=run).values_list("reason", flat=True)) == {Reason.CANCELLED}
    assert cancel(run, on_call).state == RunState.CANCELLED
    assert run_all(run).state == RunState.CANCELLED
    assert script.asked == []


def test_it_repeats_a_run(start: Callable[..., Run], toy_host: Any, on_call: Any) -> None:
    old = run_all(start(hosts=[toy_host(), toy_host()], params={"word": "w"}))
    new = rerun(old, on_call, "api")
    assert (new.repeats, new.revision, new.params, new.origin) == (old, old.revision, {"word": "w"}, "api")
    assert set(new.hosts.all()) == set(old.hosts.all())
    assert new.steps.count() == old.steps.count() == 4
    old.refresh_from_db()
    assert old.state == RunState.FINISHED


def test_it_repeats_one_step_with_what_it_needs(start: Callable[..., Run], toy_host: Any, on_call: Any) -> None:
    host = toy_host()
    old = run_all(start(TWO_WAVES, hosts=[host, toy_host()]))
    step = old.steps.get(check_id="second", host=host)
    new = run_all(rerun_step(step, on_call))
    assert [(again.check_id, again.host_id) for again in new.steps.order_by("position")] == [
        ("first", host.pk),
        ("second", host.pk),
    ]
    assert new.repeats == old
    result = Result.objects.get(step__run=new, step__check_id="second")
    assert (result.verdict, result.finding) == ("warn", "the first was 5")


def test_it_repeats_the_hosts_that_were_not_reached(start: Callable[..., Run], script: Any, toy_host: Any, on_call: Any) -> None:
    good, bad = toy_host(), toy_host()
    script.fail[bad.name] = TransportError("nobody answered", Reason.CONNECT_TIMEOUT)
    old = run_all(start(hosts=[good, bad]))
    new = rerun_unreached_hosts(old, on_call)
    assert list(new.hosts.all()) == [bad]
    script.fail.clear()
    assert run_all(new).verdict == "ok"
    with pytest.raises(NothingToRunError, match="every host of this run was reached"):
        rerun_unreached_hosts(new, on_call)


@pytest.mark.parametrize("address", ["redis://127.0.0.1:1/0", "redis+socket:///nowhere/broker.sock"])
def test_it_gives_up_on_a_broker_that_is_away(address: str, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    from uuid import uuid4

    from celery import current_app

    monkeypatch.setitem(current_app.conf, "broker_url", address)
    monkeypatch.setitem(current_app.conf, "broker_write_url", address)
    assert tasks.ring([(uuid4(), [1]), (uuid4(), [2])]) is False
    assert tasks.ring([]) is True
