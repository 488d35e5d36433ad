"""A small supervisor: starts children in order, restarts one that dies, stops them in the right order and leaves none behind.

Each child leads its own process group and asks the kernel for a SIGTERM when the supervisor dies, so that even kill -9 of the
supervisor leaves no process. Standard library only: ``manage.py up`` prepares everything and then becomes this small program,
which reads its plan (JSON) from an inherited file descriptor: ``supervisor.py FD``.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_BACK_OFF_S = (0, 1, 2, 5, 10, 30)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """A process to keep alive. ``ready`` tells when it serves; ``grace_s`` is its time to end after SIGTERM."""

    name: str
    argv: Sequence[str]
    ready: Callable[[], bool] = lambda: True
    grace_s: float = 5
    process: subprocess.Popen[bytes] | None = None
    died: list[float] = field(default_factory=list)

    def start(self, log: Path, env: dict[str, str]) -> None:
        """Start the process in its own session with its output in ``log``."""
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603  argv is ours
                list(self.argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @property
    def running(self) -> bool:
        """True while the process lives."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """Send the signal to the whole process group."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass  # it has ended, which is what we want

    def stop(self) -> None:
        """SIGTERM to the process, then SIGKILL to its group when the grace is over."""
        if self.process is None:
            return
        if self.running:
            self.process.terminate()
            try:
                self.process.wait(self.grace_s)
            except subprocess.TimeoutExpired:
                pass  # the group is killed next
        self.signal(signal.SIGKILL)
        self.process.wait()


class Supervisor:
    """Starts children in the given order; stops them in reverse."""

    def __init__(self, children: Sequence[Child], log_dir: Path, env: dict[str, str], say: Callable[[str], None]) -> None:
        self.children = list(children)
        self.log_dir = log_dir
        self.env = env
        self.say = say
        self.stopping = False

    def log_of(self, child: Child) -> Path:
        """Where the child's output goes."""
        return self.log_dir / f"{child.name}.log"

    def start(self, child: Child, timeout_s: float = 30) -> bool:
        """Start a child and wait until it is ready. False when it ended or did not get ready in time."""
        child.start(self.log_of(child), self.env)
        until = time.monotonic() + timeout_s
        while time.monotonic() < until and not self.stopping:
            if not child.running:
                return False
            if child.ready():
                return True
            time.sleep(0.05)
        return False

    def watch(self) -> None:
        """Keep the children alive until ``stopping`` is set; a child that dies often waits longer before its next start."""
        while not self.stopping:
            for child in self.children:
                if not child.running and not self.stopping:
                    self._revive(child)
            time.sleep(0.25)

    def _revive(self, child: Child) -> None:
        now = time.monotonic()
        recent = [moment for moment in child.died if now - moment < 60]
        pause = _BACK_OFF_S[min(len(recent), len(_BACK_OFF_S) - 1)]
        if recent and now - recent[-1] < pause:
            return
        child.died = [*recent, now]
        status = child.process.returncode if child.process else None
        self.say(f"{child.name} ended (status {status}); starting it again. Its output: {self.log_of(child)}")
        child.signal(signal.SIGKILL)  # what its group left behind
        child.start(self.log_of(child), self.env)

    def stop(self) -> None:
        """Stop all children, last started first."""
        self.stopping = True
        for child in reversed(self.children):
            child.stop()


def answers_http(url: str) -> bool:
    """True when the address answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310  our own address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def answers_ping(path: str) -> bool:
    """True when the broker on that unix socket answers a ping."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(path)
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


_READY: dict[str, Callable[[str], bool]] = {"http": answers_http, "ping": answers_ping}


def _child(plan: dict[str, Any]) -> Child:
    child = Child(plan["name"], plan["argv"], grace_s=plan.get("grace_s", 5))
    for kind, place in plan.get("ready", {}).items():
        child.ready = partial(_READY[kind], place)
    return child


def _start_all(supervisor: Supervisor, plans: Sequence[dict[str, Any]]) -> str:
    """Start every child; the last words of the one that did not start, or nothing."""
    for child, plan in zip(supervisor.children, plans, strict=True):
        supervisor.say(f"Starting the {child.name}")
        started = supervisor.start(child)
        if not started and "data" in plan and not supervisor.stopping:
            child.stop()
            aside = f"{plan['data']}.unreadable-{int(time.time())}"
            Path(plan["data"]).rename(aside)
            Path(plan["data"]).mkdir(mode=0o700)
            supervisor.say(f"The {child.name} could not read its data; it was moved to {aside}. No run is lost by that")
            started = supervisor.start(child)
        if supervisor.stopping:
            return ""
        if not started:
            words = supervisor.log_of(child).read_text(errors="replace").splitlines()[-8:]
            return f"The {child.name} did not start. Its last words:\n" + "\n".join(words)
    return ""


def main(descriptor: int) -> int:
    """Carry out a plan: ``{children, log_dir, runtime_dir, ready_say, started}``. Returns the exit status."""
    with os.fdopen(descriptor) as file:
        plan = json.load(file)
    say = partial(print, flush=True)
    supervisor = Supervisor([_child(one) for one in plan["children"]], Path(plan["log_dir"]), dict(os.environ), say)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: setattr(supervisor, "stopping", True))
    failure = _start_all(supervisor, plan["children"])
    if failure:
        sys.stderr.write(failure + "\n")
    elif not supervisor.stopping:
        say(plan["ready_say"].format(seconds=time.time() - plan["started"]))
        supervisor.watch()
    say("Stopping")
    supervisor.stop()
    shutil.rmtree(plan["runtime_dir"], ignore_errors=True)
    say("Stopped; no process is left")
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
