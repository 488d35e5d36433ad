"""Runs come to their end without any broker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management import call_command

from runbooks.choices import RunState
from runbooks.clock import db_now
from runbooks.models import Run, Step
from runbooks.sweeper import drain

TWO_WAVES = """---
title: Two waves
kind: incident
---

```check
id: first
probe: toy.number
```

```check
id: second
probe: toy.number
when: first == ok
```
"""


def age(run: Run, seconds: float) -> None:
    Step.objects.filter(run=run).update(queued_at=db_now() - timedelta(seconds=seconds))


def test_it_does_what_has_waited_too_long(start: Callable[..., Run], toy_host: Any, script: Any) -> None:
    script.broker_up = False
    run = start(hosts=[toy_host(), toy_host()])
    age(run, 11)
    assert drain() == 4
    run.refresh_from_db()
    assert (run.state, run.verdict) == (RunState.FINISHED, "ok")
    assert {name.partition("@")[0] for name in Step.objects.values_list("worker", flat=True)} == {"drain"}


def test_it_is_idle_while_all_is_well(start: Callable[..., Run]) -> None:
    run = start()
    age(run, 5)
    call_command("drain", once=True)
    run.refresh_from_db()
    assert run.state == RunState.QUEUED


def test_it_takes_the_next_wave_too(start: Callable[..., Run]) -> None:
    run = start(TWO_WAVES)
    assert sorted(run.steps.values_list("wave", flat=True)) == [0, 1]
    age(run, 11)
    assert drain() == 2
