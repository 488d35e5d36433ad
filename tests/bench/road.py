"""What the whole road of a check costs over its bare transport: the worker's processor time per host, 200 hosts, ten checks each.

The hosts are one stub sshd that answers without working, under 200 addresses, so the client's time is all that is measured. Bare
is ``SshTransport.collect`` on the same commands; judged adds the engine, redaction and the probe; the road adds claims, results,
raw output, events and leases in the database. Rounds are interleaved. BENCH_DATABASE_URL names another database than SQLite.
"""

from __future__ import annotations

import argparse
import json
import os
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
        from road_rig.rig import WAYS, Rig

        rig = Rig(Path(folder), TEXT, HOSTS, CHECKS)
        try:
            measured = interleaved(options.rounds, {name: getattr(rig, name) for name in WAYS})
        finally:
            rig.stop()
    report(measured, as_json=options.json)


def interleaved(rounds: int, ways: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Median milliseconds of processor time per host of each way; the first round warms up and does not count."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            seconds = way()
            if number:
                took[name].append(1000 * seconds / HOSTS)
    return {name: statistics.median(values) for name, values in took.items()}


def report(measured: dict[str, float], *, as_json: bool) -> None:
    rows: dict[str, object] = {f"{name}_ms_per_host": round(value, 2) for name, value in measured.items()}
    for name, over in (("road / bare", "bare"), ("road / judged", "judged")):
        ratio = measured["road"] / measured[over]
        rows[name] = f"{ratio:.2f}, target {TARGET}, {'ok' if ratio <= TARGET else 'over'}"
    if as_json:
        print(json.dumps({"road": rows}))
        return
    for name, value in rows.items():
        print(f"{name:26} {value}")


if __name__ == "__main__":
    main()
