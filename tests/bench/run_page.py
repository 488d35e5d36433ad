"""Server time of a run's page, by size: the page as a person gets it, and what one changed check costs the live channel.

Target: 200 hosts × 12 checks under 300 ms, with the same number of SQL statements as for one host.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from page_rig import site  # noqa: E402

SIZES = ((1, 12), (40, 12), (60, 12), (200, 12))
ROUNDS = 9


def measure(hosts: int, checks: int) -> dict[str, Any]:
    """Median times in milliseconds, the page's size in KiB, its SQL statements."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from runbooks.fragments import changes
    from runbooks.watching import Watch

    run = site.make_run(hosts, checks)
    site.answer(run, run.steps.exclude(check_id=f"c{checks - 1}"))
    client = Client(headers={"host": "localhost"})
    client.force_login(get_user_model().objects.get(username="bench"), backend="django.contrib.auth.backends.ModelBackend")
    address = f"/runs/{run.pk}/"
    assert client.get(address).status_code == 200
    times, deltas = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        response = client.get(address)
        times.append((time.perf_counter() - began) * 1000)
    with CaptureQueriesContext(connection) as asked:
        client.get(address)
    for step in run.steps.filter(check_id=f"c{checks - 1}")[:ROUNDS]:
        since = type(run).objects.get(pk=run.pk).last_seq
        site.answer(run, [step])
        began = time.perf_counter()
        changes(Watch(run.pk), since)
        deltas.append((time.perf_counter() - began) * 1000)
    return {
        "hosts": hosts,
        "checks": checks,
        "page_ms": round(statistics.median(times), 1),
        "page_max_ms": round(max(times), 1),
        "change_ms": round(statistics.median(deltas), 1),
        "page_kib": round(len(response.content) / 1024),
        "statements": len(asked),
    }


def main() -> None:
    """Print a line per size, or one JSON list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site.prepare(Path(folder))
        rows = [measure(*size) for size in SIZES]
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
