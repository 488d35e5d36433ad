"""A recorded host: sections that were collected once, played back to whoever asks for them by name."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Iterable, Sequence

from checks.errors import TransportError
from checks.results import Section
from checks.transports.base import Command


class ReplayTransport:
    """Implements ``Transport`` from ``sections``. Every batch starts at the beginning of the recording.

    The n-th command of a name gets the n-th recorded section of that name. A command that was not recorded gets a section without
    an end, which no probe believes; with ``error``, it is where the host is lost. ``pace`` is the share of the recorded time that
    the playback takes: 0 is at once, 1 as it was.
    """

    name = "replay"

    def __init__(self, sections: Iterable[Section], *, pace: float = 0, error: TransportError | None = None) -> None:
        self._sections = tuple(sections)
        self._pace = pace
        self._error = error

    async def collect(self, commands: Sequence[Command]) -> AsyncGenerator[Section, None]:
        recorded: defaultdict[str, deque[Section]] = defaultdict(deque)
        for section in self._sections:
            recorded[section.name].append(section)
        for command in commands:
            if recorded[command.name]:
                section = recorded[command.name].popleft()
                await asyncio.sleep((section.duration_ms or 0) / 1000 * self._pace)
                yield section
            elif self._error:
                raise self._error
            else:
                yield Section(command.name, stderr=b"this was not recorded", rc=None, command=command.title)

    async def close(self) -> None:
        """Nothing is open."""
