"""The supervisor starts, revives and stops its children, and leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kb.supervisor import Child, Supervisor

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def _until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def said() -> list[str]:
    return []


def _supervisor(tmp_path: Path, said: list[str], *children: Child) -> Supervisor:
    return Supervisor(children, tmp_path, dict(os.environ), said.append)


def test_it_stops_every_child_and_its_children(tmp_path: Path, said: list[str]) -> None:
    family = [sys.executable, "-c", "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(600)", *SLEEPER]
    child = Child("family", family, grace_s=1)
    supervisor = _supervisor(tmp_path, said, child)
    assert supervisor.start(child)
    assert child.process is not None
    group = child.process.pid
    assert _until(lambda: len(_members(group)) == 2)
    supervisor.stop()
    assert _until(lambda: not _members(group))


def _members(group: int) -> list[int]:
    """The living processes of a process group, from /proc: a small machine has no ps."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgid = stat.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue  # it has just ended
        if int(pgid) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


def test_it_kills_a_child_that_ignores_the_polite_signal(tmp_path: Path, said: list[str]) -> None:
    child = Child("stubborn", STUBBORN, ready=lambda: "up" in (tmp_path / "stubborn.log").read_text(), grace_s=0.3)
    supervisor = _supervisor(tmp_path, said, child)
    assert supervisor.start(child)
    supervisor.stop()
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


def test_it_starts_a_child_again_that_was_killed(tmp_path: Path, said: list[str]) -> None:
    child = Child("worker", SLEEPER)
    supervisor = _supervisor(tmp_path, said, child)
    assert supervisor.start(child)
    assert child.process is not None
    first = child.process.pid
    watcher = threading.Thread(target=supervisor.watch)
    watcher.start()
    os.kill(first, signal.SIGKILL)
    revived = _until(lambda: child.process is not None and child.process.pid != first and child.running)
    supervisor.stop()
    watcher.join()
    assert revived
    assert "worker ended" in said[0]


def test_it_says_that_a_child_did_not_get_ready(tmp_path: Path, said: list[str]) -> None:
    child = Child("broken", [sys.executable, "-c", "print('no such table'); raise SystemExit(3)"], ready=lambda: False)
    supervisor = _supervisor(tmp_path, said, child)
    assert not supervisor.start(child)
    assert "no such table" in supervisor.log_of(child).read_text()


def test_it_leaves_no_child_when_it_is_killed_itself(tmp_path: Path) -> None:
    code = """
import os, sys, time
from pathlib import Path
from kb.supervisor import Child, Supervisor
child = Child("child", [sys.executable, "-c", "import time; time.sleep(600)"])
Supervisor([child], Path(sys.argv[1]), dict(os.environ), print).start(child)
print(child.process.pid, flush=True)
time.sleep(600)
"""
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True, cwd=root)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert _alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert _until(lambda: not _alive(pid))
