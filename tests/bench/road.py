"""What the whole road of a check costs over its bare transport: the worker's processor time per host, 200 hosts, ten checks each.

The hosts are one stub sshd that answers without working, under 200 addresses, so the client's time is all that is measured. What
they print is as long as what ten usual commands do. Bare is ``SshTransport.collect`` of ready commands; judged adds the engine,
redaction and the probe; the road adds claims, results, raw output, events and leases in the database. Cold opens connections.
Ways are interleaved in random order, and ratios are those of one round. BENCH_DATABASE_URL names another database than SQLite.
"""

from __future__ import annotations

import argparse
import json
import operator
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]
os.environ["DJANGO_SETTINGS_MODULE"] = "kb.settings"

HOSTS, CHECKS, TARGET = 200, 10, 1.25
TEXT = "---\ntitle: Road\nkind: incident\n---\n" + "".join(
    f"\n```check\nid: c{number}\nprobe: bench.words\nwith: {{number: {number}}}\nconfirms: true\n```\n"
    for number in range(CHECKS)
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SIDENOTE_DATA_DIR"] = folder
        os.environ["SIDENOTE_DATABASE_URL"] = os.environ.get("BENCH_DATABASE_URL", "")
        import django

        django.setup()
        from django.db import connection
        from road_rig.rig import WAYS, Rig

        rig = Rig(Path(folder), TEXT, HOSTS, CHECKS)
        try:
            took = interleaved(options.rounds, {name: getattr(rig, name) for name in WAYS})
            report(connection.vendor, took, as_json=options.json)
        finally:
            rig.stop()


def interleaved(rounds: int, ways: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Milliseconds of processor time per host of each way in each round; the first round warms up and does not count."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name in random.sample(list(ways), len(ways)):
            seconds = ways[name]()
            if number:
                took[name].append(1000 * seconds / HOSTS)
    return took


def report(database: str, took: dict[str, list[float]], *, as_json: bool) -> None:
    rows: dict[str, object] = {"database": database}
    rows |= {f"{name}_ms_per_host": round(statistics.median(values), 2) for name, values in took.items()}
    for name, over in (("judged_cold", "bare_cold"), ("road_cold", "bare_cold"), ("road_warm", "bare_warm")):
        ratio = statistics.median(map(operator.truediv, took[name], took[over]))  # of the same round: equally disturbed
        rows[f"{name} / {over}"] = f"{ratio:.2f}" + (f", target {TARGET}" if name == "road_cold" else "")
    if as_json:
        print(json.dumps({"road": rows}))
        return
    for name, value in rows.items():
        print(f"{name:26} {value}")


if __name__ == "__main__":
    main()
