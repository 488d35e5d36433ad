"""Running a batch of commands through any shell that can be started again: what local and ssh have in common.

A batch is one script on one shell. When a command never ends or floods, its shell is dropped and the rest of the batch goes on in
a new one; when a new one does not start, it was the host that was lost and not the command that was slow.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from checks.errors import TransportError
from checks.results import Reason, Section
from checks.transports.base import Command
from checks.transports.framing import Decoder
from checks.transports.script import KILL_AFTER_S, build, time_limit

HELLO_S = 10
"""From the start of a shell to its first word; a login that runs slow scripts needs some of it."""
GRACE_S = 5
"""How long after its time limit a command's end is waited for: a busy host, a slow link."""
_WAITING_BYTES = 1 << 20


class Inbox:
    """What a shell has printed and nobody has read yet. Its source is told to pause while more than a megabyte waits."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._ended = False
        self._error: TransportError | None = None
        self._arrived = asyncio.Event()
        self._pause: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None
        self._paused = False

    def connect(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Name the source's brakes."""
        self._pause, self._resume = pause, resume

    def put(self, stream: int, data: bytes) -> None:
        self._chunks.append((stream, data))
        self._size += len(data)
        self._arrived.set()
        if self._size > _WAITING_BYTES and self._pause and not self._paused:
            self._paused = True
            self._pause()

    def end(self, error: TransportError | None = None) -> None:
        """Nothing more will come: the shell ended, or, with ``error``, the way to it was lost."""
        if not self._ended:
            self._ended, self._error = True, error
            self._arrived.set()

    async def get(self, deadline: float) -> tuple[int, bytes] | None:
        """The next (stream, bytes), or None at the end. Raises TimeoutError, or the error that the source ended with."""
        if not self._chunks and not self._ended:
            self._arrived.clear()
            async with asyncio.timeout_at(deadline):
                await self._arrived.wait()
        if not self._chunks:
            if self._error:
                raise self._error
            return None
        stream, data = self._chunks.popleft()
        self._size -= len(data)
        if self._paused and self._size <= _WAITING_BYTES // 2 and self._resume:
            self._paused = False
            self._resume()
        return stream, data


class Shell(Protocol):
    """A ``/bin/sh`` that has been given a script."""

    inbox: Inbox

    async def close(self) -> None:
        """Let go of it, whatever state it is in: its end of stdin closes, and the script kills what is still running."""


class ShellHost(Protocol):
    """Starts shells on one host."""

    shell: str

    def say(self) -> str:
        """The host's name for a sentence."""

    async def start(self, script: bytes) -> Shell:
        """Start a shell that reads this script. Raises TransportError."""


@dataclass
class Batch:
    """The commands of one round trip on one host, and how far they have come."""

    host: ShellHost
    commands: Sequence[Command]
    hello_s: float = HELLO_S
    grace_s: float = GRACE_S
    position: int = field(default=0, init=False)
    answered: bool = field(default=False, init=False)
    _doubtful: Section | None = field(default=None, init=False)

    async def sections(self) -> AsyncGenerator[Section, None]:
        """Every command's section in order, each as soon as it ends. Raises TransportError as ``Transport.collect`` does."""
        while self.position < len(self.commands) or self._doubtful:
            commands = self.commands[self.position :]
            boundary = secrets.token_hex(16)
            shell = await self.host.start(build(commands, boundary, self.host.shell))
            try:
                async with aclosing(self._read(shell, Decoder(boundary, commands), commands)) as sections:
                    async for section in sections:
                        yield section
            finally:
                await shell.close()

    async def _read(self, shell: Shell, decoder: Decoder, commands: Sequence[Command]) -> AsyncGenerator[Section, None]:
        """Read one shell until its last command has ended, or until one command has to be left behind."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self.hello_s
        while not decoder.done:
            try:
                chunk = await shell.inbox.get(deadline)
            except TimeoutError:
                self._give_up(decoder, timed_out=True)
                return
            if chunk is None:
                self._give_up(decoder)
                return
            greeted = decoder.greeted
            sections = decoder.feed(*chunk, clock())
            self.position += len(sections)
            if decoder.greeted and not greeted:
                sections = self._welcome() + sections
            for section in sections:
                yield section
            if decoder.damage:
                say = f"the output of {self.host.say()} is damaged ({decoder.damage}); collect it again"
                raise TransportError(say, Reason.SSH_PROTOCOL)
            if decoder.flooded:
                self.position += 1
                yield decoder.abandon()
                return
            if decoder.greeted and (sections or not greeted) and not decoder.done:
                deadline = clock() + time_limit(commands[decoder.index]) + KILL_AFTER_S + self.grace_s

    def _welcome(self) -> list[Section]:
        """A shell has started: the host is there, so a command that was given up before is to blame itself."""
        self.answered = True
        doubtful, self._doubtful = self._doubtful, None
        return [doubtful] if doubtful else []

    def _give_up(self, decoder: Decoder, *, timed_out: bool = False) -> None:
        """The command whose turn it is did not end. Without a hello it was no command but the login."""
        if decoder.greeted:
            self._doubtful = decoder.abandon(timed_out=timed_out)
            self.position += 1
            return
        printed = f"; it printed: {decoder.banner[-200:]!r}" if decoder.banner else ""
        if timed_out:
            say = f"no shell started on {self.host.say()} within {self.hello_s:g} s; look at the account's login scripts{printed}"
            raise TransportError(say, Reason.LOGIN_TIMEOUT)
        say = f"the login on {self.host.say()} ended before /bin/sh started; give the account a login shell{printed}"
        raise TransportError(say, Reason.REFUSED)
