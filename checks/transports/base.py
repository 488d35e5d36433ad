"""The contract of a transport."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from checks.results import Section


@dataclass(frozen=True)
class Command:
    """One section to collect: fixed sh text, its positional arguments, its time and size limits."""

    name: str
    script: str
    args: tuple[str, ...] = ()
    timeout_s: float = 10
    max_bytes: int = 1 << 20
    title: str = ""


class Transport(Protocol):
    """Reaches one host.

    ``collect`` runs the commands one after the other in one round trip and yields each one's Section as soon as it ends, in
    order. A command that overruns its time is killed alone (``timed_out``), one that overruns its size keeps head and tail
    (``dropped_bytes``); the others go on. It raises TransportError when the host cannot be reached or the connection ends early;
    sections that had ended were yielded before. It never raises for what a command printed.
    """

    name: str

    def collect(self, commands: Sequence[Command]) -> AsyncGenerator[Section, None]: ...

    async def close(self) -> None: ...
