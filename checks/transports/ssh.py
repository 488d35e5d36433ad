"""A host over SSH: one channel, one script, sections as they end.

The channel runs ``exec /bin/sh`` whatever the account's login shell is. Output that did not end inside its marks is not believed:
the library reports a lost connection as a normal end without a status.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import asyncssh

from checks.errors import TransportError
from checks.results import Reason, Section
from checks.transports.base import Command
from checks.transports.framing import STDERR, STDOUT
from checks.transports.pool import ConnectionPool, Lease
from checks.transports.shell import GRACE_S, HELLO_S, Batch, Inbox
from checks.transports.ssh_connect import printable, scan_host_key
from checks.transports.ssh_target import SshTarget, fingerprint

__all__ = ["ConnectionPool", "SshTarget", "SshTransport", "fingerprint", "scan_host_key"]

CHANNEL_S = 15
"""How long sshd may take to open a channel; a dead peer is noticed in that time."""
FULL_WAITS_S = (0.05, 0.2, 0.5, 1)
"""Where all sessions are in use one may be about to end: sshd counts ours until their last process is gone."""


class _SshShell(asyncssh.SSHClientSession[bytes]):
    """One channel: its script sent, its output to the inbox, its end told apart from a lost connection."""

    def __init__(self, host: str, script: bytes) -> None:
        self.inbox = Inbox()
        self._host = host
        self._script = script
        self._ended = False
        self._channel: Any = None

    def connection_made(self, chan: Any) -> None:
        self._channel = chan
        self.inbox.connect(chan.pause_reading, chan.resume_reading)
        # Behind the request to run the shell, not behind its answer: that saves a round trip.
        asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        try:
            self._channel.write(self._script)
        except OSError:
            pass  # the channel closed first, and says so itself

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.inbox.put(STDERR if datatype else STDOUT, data)

    def exit_status_received(self, status: int) -> None:
        self._ended = True

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self._ended = True

    def eof_received(self) -> bool:
        return True  # our side stays open: its end is how the script learns that we are gone

    def connection_lost(self, exc: Exception | None) -> None:
        self.inbox.end(None if self._ended and exc is None else lost(self._host, exc))

    async def close(self) -> None:
        if self._channel:
            self._channel.abort()


def lost(host: str, error: Exception | None) -> TransportError:
    """The connection to this host ended before it should have."""
    detail = printable(str(error)) if error and str(error) else "it ended without a word"
    say = f"the connection to {host} was lost: {detail}; see whether the host is up, then run it again"
    return TransportError(say, Reason.CONN_LOST)


class _LeasedHost:
    """Starts shells on a leased connection."""

    shell = "/bin/sh"

    def __init__(self, target: SshTarget, lease: Lease) -> None:
        self._target = target
        self._lease = lease

    def say(self) -> str:
        return self._target.say()

    async def start(self, script: bytes) -> _SshShell:
        for wait in FULL_WAITS_S:
            try:
                return await self._open(script)
            except TransportError as error:
                if error.reason is not Reason.REFUSED:
                    raise
            await asyncio.sleep(wait)
        return await self._open(script)

    async def _open(self, script: bytes) -> _SshShell:
        shell = _SshShell(self.say(), script)
        connection = self._lease.connection
        try:
            async with asyncio.timeout(CHANNEL_S):
                await connection.create_session(lambda: shell, "exec /bin/sh", encoding=None, request_pty=False)
        except TimeoutError as error:
            raise lost(self.say(), TimeoutError(f"it opened no channel within {CHANNEL_S} s")) from error
        except asyncssh.ChannelOpenError as error:
            if connection.is_closed() or "closed" in error.reason:
                raise lost(self.say(), error) from error
            say = f"{self.say()} let us in but refused a session ({printable(error.reason)}); look at MaxSessions of its sshd"
            raise TransportError(say, Reason.REFUSED) from error
        except (asyncssh.Error, OSError) as error:
            raise lost(self.say(), error) from error
        return shell


class SshTransport:
    """Implements ``Transport`` for one target, on a connection that the pool shares between all who ask for the same target."""

    name = "ssh"

    def __init__(self, target: SshTarget, pool: ConnectionPool, *, hello_s: float = HELLO_S, grace_s: float = GRACE_S) -> None:
        self.target = target
        self._pool = pool
        self._hello_s = hello_s
        self._grace_s = grace_s

    async def collect(self, commands: Sequence[Command]) -> AsyncGenerator[Section, None]:
        for last in (False, True):
            async with self._pool.lease(self.target) as lease:
                batch = Batch(_LeasedHost(self.target, lease), commands, self._hello_s, self._grace_s)
                try:
                    async with aclosing(batch.sections()) as sections:
                        async for section in sections:
                            yield section
                    return
                except TransportError as error:
                    lease.discard()
                    # A connection from the pool may have died unnoticed; as nothing was said on it, a new one may be tried.
                    if last or lease.fresh or batch.answered or error.reason is not Reason.CONN_LOST:
                        raise

    async def close(self) -> None:
        """Connections belong to the pool and stay."""
