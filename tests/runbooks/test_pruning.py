"""Old runs go, and with them the output that nothing else names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.db import connection

from runbooks.clock import db_now
from runbooks.dispatch import rerun
from runbooks.execution import execute
from runbooks.models import Output, ProcessTick, Result, Run, Step
from runbooks.pruning import prune
from runbooks.rows import key, moment


def finished(run: Run, days_ago: float) -> Run:
    execute(run.pk, list(run.hosts.values_list("pk", flat=True)))
    with connection.cursor() as cursor:
        at = moment(db_now() - timedelta(days=days_ago))
        cursor.execute("UPDATE runbooks_run SET finished_at = %s WHERE id = %s", [at, key(run.pk)])
    run.refresh_from_db()
    return run


def age_outputs() -> None:
    Output.objects.update(created_at=db_now() - timedelta(days=1))


def test_it_deletes_what_is_older_than_the_retention_time(
    start: Callable[..., Run], script: Any, toy_host: Any, settings: Any, on_call: Any
) -> None:
    settings.RETENTION_DAYS = 30
    host = toy_host()
    script.answers[host.name] = b"7\n"
    old = finished(start(hosts=[host]), 31)
    again = rerun(old, on_call)
    script.answers[host.name] = b"8\n"
    finished(again, 29)
    age_outputs()
    assert prune() == (1, 1)
    again.refresh_from_db()
    assert again.repeats is None
    assert list(Run.objects.all()) == [again]
    assert set(Step.objects.values_list("run", flat=True)) == {again.pk}
    assert Result.objects.count() == 2
    assert Output.objects.count() == 1


def test_it_keeps_open_runs_and_output_that_is_named(start: Callable[..., Run]) -> None:
    waiting = start()
    finished(start(), 0.01)
    age_outputs()
    assert prune(days=0) == (1, 1)
    assert list(Run.objects.all()) == [waiting]


def test_it_keeps_young_output_that_a_result_may_be_about_to_name(db: None) -> None:
    Output.objects.create(sha256="a" * 64, data=b"", size=0)
    assert prune() == (0, 0)


def test_it_forgets_processes_that_went_away(db: None) -> None:
    ProcessTick.objects.create(name="worker@gone:1", kind="worker", at=db_now() - timedelta(days=2))
    out = StringIO()
    call_command("prune", stdout=out)
    assert not ProcessTick.objects.exists()
    assert "0 runs and 0 outputs deleted" in out.getvalue()
