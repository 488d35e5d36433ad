"""A page asks the database a fixed number of times, however much it shows; ``query_counts.json`` is the number.

A page that needs another number changes the file in the same commit, with the reason in its message.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from runbooks.models import Run, Runbook

BASELINE = json.loads(Path(__file__).with_name("query_counts.json").read_text())


def pages(run: Any) -> dict[str, str]:
    """Every page and fragment that reads the database."""
    step = run.steps.first().pk
    slug = Runbook.objects.order_by("pk").first().slug  # type: ignore[union-attr]
    return {
        "library": "/",
        "library, filtered": "/?q=made&tag=toy",
        "runbook": f"/runbooks/{slug}/",
        "runs": "/runs/",
        "run": f"/runs/{run.pk}/",
        "run, changes": f"/runs/{run.pk}/changes?seq=0",
        "run, nothing new": f"/runs/{run.pk}/changes?seq={Run.objects.get(pk=run.pk).last_seq}",
        "card": f"/runs/{run.pk}/checks/c1/",
        "output": f"/runs/{run.pk}/steps/{step}/output",
        "hosts": "/hosts/",
        "host": f"/hosts/{run.hosts.first().pk}/",
    }


def counts(client: Client, run: Any) -> dict[str, int]:
    found = {}
    for name, address in pages(run).items():
        with CaptureQueriesContext(connection) as asked:
            response = client.get(address)
        assert response.status_code in (200, 204), name
        found[name] = len(asked)
    return found


CONCLUSION = 'conclusions:\n  - {if: "c1.value >= 1000", say: "{c1.value} is a lot"}\n'


@pytest.mark.parametrize(("hosts", "checks"), [(1, 2), (5, 3), (70, 4)])
def test_it_asks_as_often_as_the_baseline_says(
    client: Client, admin_user: Any, made_run: Any, answer: Any, hosts: int, checks: int
) -> None:
    client.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")
    for _ in range(checks):
        run = made_run(hosts=hosts, checks=checks, front=CONCLUSION, group="racks")
    answer(run, "c1", "warn")
    assert counts(client, run) == BASELINE
