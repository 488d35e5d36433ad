"""What becomes of a stop signal sent to a container's first process.

The first process of a pid namespace gets no default actions: a signal that it does not catch is dropped (pid_namespaces(7)).
Measured with ``unshare --pid``: shells running a script ignore TERM; tini catches nothing and still forwards, as it waits for
signals; node sets a handler that then asks for the default action, which is dropped; Go and Java set handlers of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from checks.analyzers.signals import holds
from checks.parsers.proc_process import ProcStatus

SHIMS = {
    "tini", "docker-init", "catatonit", "dumb-init", "s6-svscan", "runsvdir", "supervisord", "systemd", "pause", "conmon-init",
}  # fmt: skip
SHELLS = {"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "busybox"}
_GO_HANDLERS = 0xFFFFFFFC7FC1F800  # the high signals and job control that Go's runtime always catches


class Outcome(StrEnum):
    """What the signal does, worst case."""

    SHIM = "shim"
    FORWARDED_LATE = "forwarded_late"
    SHELL_IGNORES = "shell_ignores"
    DROPPED = "dropped"
    MAY_BE_DROPPED = "may_be_dropped"
    CAUGHT = "caught"
    DEFAULT_ACTION = "default_action"
    IGNORED = "ignored"
    NOT_KNOWN = "not_known"


@dataclass(frozen=True)
class FirstProcess:
    """The process and what it was started as. ``is_init`` is None where the kernel does not say (before 4.1)."""

    status: ProcStatus
    exe: str
    command: str
    children: tuple[int, ...]

    @property
    def is_init(self) -> bool | None:
        if self.status.ns_pids:
            return self.status.ns_pids[-1] == 1
        return True if self.status.pid == 1 else None  # seen from inside its namespace

    @property
    def program(self) -> str:
        """The program's own name: a script's process bears the script's name, so the file that runs decides where it is known."""
        started = self.command.split(" ", 1)[0].lstrip("-")
        names = [PurePosixPath(name.removesuffix(" (deleted)")).name for name in (self.exe, started) if name]
        return next((name for name in names if name and name != "busybox"), self.status.name)

    @property
    def shell(self) -> bool:
        return self.program in SHELLS or self.status.name in SHELLS

    @property
    def shim(self) -> bool:
        return self.status.name in SHIMS or self.program in SHIMS

    @property
    def go(self) -> bool:
        return self.status.caught & _GO_HANDLERS == _GO_HANDLERS


def outcome(process: FirstProcess, signal: str) -> Outcome:
    """What ``signal`` does to the process."""
    if process.shim:
        return Outcome.SHIM
    caught = holds(process.status.caught, signal)
    if not caught and holds(process.status.ignored, signal):
        return Outcome.SHELL_IGNORES if process.shell and process.is_init else Outcome.IGNORED
    if not caught:
        if process.is_init is None:
            return Outcome.NOT_KNOWN
        if not process.is_init:
            return Outcome.DEFAULT_ACTION
        return Outcome.SHELL_IGNORES if process.shell and process.children else Outcome.DROPPED
    if process.shell:
        return Outcome.FORWARDED_LATE
    if "node" in (process.program, process.status.name) and process.is_init is not False:
        return Outcome.MAY_BE_DROPPED
    return Outcome.CAUGHT
