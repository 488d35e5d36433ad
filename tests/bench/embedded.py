"""How long a newcomer waits, and what an idle Sidenote costs: clone, ``make up``, first page; memory and CPU of all processes.

Targets: first page in under 60 s with a cold pip cache, second start under 5 s, idle under 320 MB PSS and 2 % of a core.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
IDLE_S = 20


def family(pid: int) -> list[int]:
    """The process and everything below it."""
    rows = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split("\n")
    pairs = [tuple(map(int, row.split())) for row in rows if row.strip()]
    found = {pid}
    for _ in range(6):
        found |= {child for child, parent in pairs if parent in found}
    return sorted(found)


def pss_mb(pids: list[int]) -> float:
    """Proportional set size of all of them."""
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def cpu_s(pids: list[int]) -> float:
    """CPU time of all of them so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def start(clone: Path, port: int, env: dict[str, str]) -> tuple[subprocess.Popen[str], float]:
    """``make up`` until it says that it is ready."""
    began = time.monotonic()
    process = subprocess.Popen(
        ["make", "up", f"PORT={port}"], cwd=clone, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "Sidenote is ready" in line:
            return process, time.monotonic() - began
    raise SystemExit("Sidenote did not start")


def stop(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, as a person would."""
    for pid in family(process.pid)[1:2] or [process.pid]:
        os.kill(pid, signal.SIGINT)
    process.wait(30)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--port", type=int, default=28123)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sidenote-bench-"))
    env = os.environ | {"PIP_NO_CACHE_DIR": "1", "SIDENOTE_DATA_DIR": str(folder / "data")}
    try:
        began = time.monotonic()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "clone")], check=True)
        process, _ = start(folder / "clone", options.port, env)
        first = time.monotonic() - began
        stop(process)
        process, second = start(folder / "clone", options.port, env)
        time.sleep(8)
        pids = family(process.pid)
        before = cpu_s(pids)
        time.sleep(IDLE_S)
        figures = {
            "clone to ready, cold cache (s)": round(first, 1),
            "second start (s)": round(second, 1),
            "idle PSS, all processes (MB)": round(pss_mb(pids)),
            "idle CPU (% of a core)": round(100 * (cpu_s(pids) - before) / IDLE_S, 2),
        }
        stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(figures) if options.json else "\n".join(f"{name:34} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
