"""The roll-up of verdicts: over hosts, over checks, over both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from checks.results import Verdict
from runbooks import verdicts
from runbooks.document.parse import parse
from runbooks.execution import execute
from runbooks.models import Run

COMPARING = """---
title: Alike
kind: incident
---

```check
id: first
probe: toy.number
confirms: true
compare: {all_equal: value, then: crit}
```
"""


@pytest.mark.parametrize(
    ("confirming", "results", "verdict"),
    [
        ({"a"}, [("a", "ok"), ("b", "crit")], "ok"),
        ({"a", "b"}, [("a", "ok"), ("b", "warn")], "warn"),
        ({"a", "b"}, [("a", "unknown"), ("b", "warn")], "warn"),
        ({"a", "b"}, [("a", "unknown"), ("b", "ok")], "unknown"),
        ({"a", "b"}, [("a", "skipped"), ("b", "ok")], "ok"),
        ({"a"}, [("a", "skipped"), ("b", "ok")], "skipped"),
        ({"a"}, [("a", "info"), ("b", "ok")], "info"),
        (set(), [("a", "ok"), ("b", "crit")], "crit"),
        ({"z"}, [("a", "ok")], "ok"),
        ({"a"}, [], "unknown"),
    ],
)
def test_it_rolls_a_run_up(confirming: set[str], results: list[tuple[str, str]], verdict: str) -> None:
    assert verdicts.of_run(confirming, results) == verdict


def test_it_rolls_a_check_up_over_hosts() -> None:
    assert verdicts.over_hosts(["ok", "unknown", "ok"]) == Verdict.UNKNOWN
    assert verdicts.over_hosts(["ok", "unknown", "crit"]) == Verdict.CRIT


def test_it_compares_the_hosts_to_which_a_check_applies() -> None:
    document = parse(COMPARING)
    told: list[Any] = [("first", "a", "ok", {"value": 1}), ("first", "b", "ok", {"value": 1}), ("first", "c", "skipped", {})]
    assert verdicts.compared(document, told)["first"].verdict == Verdict.OK
    told.append(("first", "d", "unknown", {}))
    assert verdicts.compared(document, told)["first"].verdict == Verdict.UNKNOWN
    told.append(("first", "e", "ok", {"value": 2}))
    assert verdicts.compared(document, told)["first"].odd == ("e",)


def test_it_counts_a_difference_between_hosts(start: Callable[..., Run], script: Any, toy_host: Any) -> None:
    hosts = [toy_host() for _ in range(3)]
    script.answers[hosts[1].name] = b"6\n"
    run = start(COMPARING, hosts=hosts)
    execute(run.pk, [host.pk for host in hosts])
    run.refresh_from_db()
    assert run.verdict == "crit"
