"""The machine that this program runs on, through a ``/bin/sh`` of its own session."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from typing import cast

from checks.errors import TransportError
from checks.results import Reason, Section
from checks.transports.base import Command
from checks.transports.framing import STDERR, STDOUT
from checks.transports.shell import GRACE_S, Batch, Inbox

_GONE_S = 3
"""How long a closed shell has to kill its command and go, before it is killed itself."""


class _LocalShell(asyncio.SubprocessProtocol):
    """One shell process: its output to the inbox, its end awaited."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self._open_pipes = {STDOUT, STDERR}
        self._exited = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None
        self._ending: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        pipes = [cast("asyncio.ReadTransport", self._transport.get_pipe_transport(stream)) for stream in (STDOUT, STDERR)]

        def pause() -> None:
            for pipe in pipes:
                pipe.pause_reading()

        def resume() -> None:
            for pipe in pipes:
                pipe.resume_reading()

        self.inbox.connect(pause, resume)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.inbox.put(fd, data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open_pipes.discard(fd)
        if not self._open_pipes:
            self.inbox.end()

    def process_exited(self) -> None:
        self._exited.set()

    def write(self, script: bytes) -> None:
        assert self._transport is not None
        cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0)).write(script)

    async def close(self) -> None:
        """The closed stdin tells the script to kill its command and go; a shell that does not go is killed with its group."""
        self._ending = self._ending or asyncio.ensure_future(self._end())
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        assert self._transport is not None
        for fd in (0, STDOUT, STDERR):
            pipe = self._transport.get_pipe_transport(fd)
            if pipe:
                pipe.close()
        try:
            async with asyncio.timeout(_GONE_S):
                await self._exited.wait()
        except TimeoutError:
            os.killpg(self._transport.get_pid(), signal.SIGKILL)
            await self._exited.wait()
        finally:
            self._transport.close()


class LocalTransport:
    """Implements ``Transport``. ``shell`` is the words that start a POSIX shell."""

    name = "local"

    def __init__(self, shell: str = "/bin/sh", *, grace_s: float = GRACE_S) -> None:
        self.shell = shell
        self._grace_s = grace_s

    def say(self) -> str:
        return "this machine"

    def collect(self, commands: Sequence[Command]) -> AsyncGenerator[Section, None]:
        return Batch(self, commands, grace_s=self._grace_s).sections()

    async def start(self, script: bytes) -> _LocalShell:
        loop = asyncio.get_running_loop()
        try:
            _, shell = await loop.subprocess_exec(_LocalShell, *self.shell.split(), start_new_session=True)
        except OSError as error:
            raise TransportError(f"{self.shell} does not start on this machine: {error.strerror}", Reason.FAILED) from error
        shell.write(script)
        return shell

    async def close(self) -> None:
        """Nothing stays open between batches."""
