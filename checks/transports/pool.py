"""Open SSH connections, shared: one per account and host, kept warm for a while, bounded on every side. Lives in one event loop.

A connection costs the host some thirty milliseconds of sshd and us a handshake; a channel on an open one costs two. The bounds
keep us below what sshd allows by default (MaxSessions 10, MaxStartups 10) even when many runs ask for the same host.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from checks.errors import TransportError
from checks.results import Reason
from checks.transports.bounds import Gate, Refusals
from checks.transports.ssh_connect import DroppedError, connect
from checks.transports.ssh_target import SshTarget

CLOSE_S = 2


@dataclass(frozen=True)
class PoolLimits:
    """The bounds of a pool. Four sessions per host keep any one connection below eight channels."""

    idle_s: float = 120
    connections: int = 500
    connecting: int = 50
    handshakes_per_server: int = 8
    connections_per_host: int = 2
    sessions_per_host: int = 4
    dropped_retry_s: tuple[float, float] = (1, 3)
    refused_logins: int = 3
    refused_s: float = 600


class _Entry:
    """One connection, being opened or open, and how many use it."""

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self.opening: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.way: _Entry | None = None
        self.users = 0
        self.expiry: asyncio.TimerHandle | None = None

    @property
    def connection(self) -> Any:
        """The connection, once it is open."""
        task = self.opening
        return task.result() if task.done() and not task.cancelled() and not task.exception() else None

    @property
    def usable(self) -> bool:
        """True while it is being opened, and afterwards until it is seen to have closed."""
        return not self.opening.done() or bool(self.connection and not self.connection.is_closed())


class Lease:
    """The use of a connection for one batch. ``fresh`` is False when it was waiting in the pool and may have died there."""

    def __init__(self, pool: ConnectionPool, entry: _Entry, *, fresh: bool) -> None:
        self._pool = pool
        self._entry = entry
        self.fresh = fresh
        self.connection = entry.connection

    def discard(self) -> None:
        """Give this connection to nobody else; it closes when its last user is done."""
        self._pool.forget(self._entry)


class ConnectionPool:
    """Hands out leases. All of it belongs to the event loop that uses it first."""

    def __init__(self, limits: PoolLimits | None = None, connect: Callable[..., Awaitable[Any]] = connect) -> None:
        self.limits = limits or PoolLimits()
        self._connect = connect
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._sessions = Gate(self.limits.sessions_per_host)
        self._handshakes = Gate(self.limits.handshakes_per_server)
        self._connecting = asyncio.Semaphore(self.limits.connecting)
        self._refusals = Refusals(self.limits.refused_logins, self.limits.refused_s)
        self._changed = asyncio.Event()
        self._closing: set[asyncio.Future[Any]] = set()

    def __len__(self) -> int:
        """How many connections are open or being opened."""
        return len(self._entries)

    @asynccontextmanager
    async def lease(self, target: SshTarget) -> AsyncIterator[Lease]:
        """A connection to this target, opened if need be, for one session. Raises TransportError."""
        async with self._sessions.through(target.server):
            entry, fresh = await self._acquire(target)
            try:
                yield Lease(self, entry, fresh=fresh)
            finally:
                self._release(entry)

    def forget(self, entry: _Entry) -> None:
        """Take a connection out of the pool; it closes when nobody uses it any more."""
        if self._entries.get(entry.target.pool_key) is entry:
            del self._entries[entry.target.pool_key]
        if not entry.users:
            self._close(entry)

    async def close(self) -> None:
        """Close all connections, whoever uses them."""
        entries = list(self._entries.values())
        self._entries.clear()
        for entry in entries:
            self._close(entry)
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSE_S)

    async def _acquire(self, target: SshTarget) -> tuple[_Entry, bool]:
        loop = asyncio.get_running_loop()
        self._refusals.check(target, loop.time())
        while not (entry := self._usable(target)) and not self._room_for(target):
            await self._changed.wait()
        if entry is None:
            entry = self._entries[target.pool_key] = _Entry(target)
            entry.opening = loop.create_task(self._open(entry))
            entry.opening.add_done_callback(partial(self._opened, entry))
        fresh = not entry.connection
        self._entries.move_to_end(target.pool_key)
        entry.users += 1
        if entry.expiry:
            entry.expiry.cancel()
        try:
            await asyncio.shield(entry.opening)
        except asyncio.CancelledError:
            self._release(entry)
            if not entry.opening.cancelled():
                raise
            raise TransportError(
                f"the connection to {target.say()} was given up while it was being made", Reason.CANCELLED
            ) from None
        except BaseException:
            self._release(entry)
            raise
        return entry, fresh

    def _usable(self, target: SshTarget) -> _Entry | None:
        entry = self._entries.get(target.pool_key)
        if entry and not entry.usable:
            self.forget(entry)
            return None
        return entry

    def _room_for(self, target: SshTarget) -> bool:
        """Make room for one more connection by closing idle ones. False when the host has all it may have, and all are in use."""
        on_host = [entry for entry in self._entries.values() if entry.target.server == target.server]
        idle_on_host = [entry for entry in on_host if not entry.users]
        if len(on_host) >= self.limits.connections_per_host:
            if not idle_on_host:
                return False
            self.forget(idle_on_host[0])
        idle = [entry for entry in self._entries.values() if not entry.users]
        for entry in idle[: max(0, len(self._entries) + 1 - self.limits.connections)]:
            self.forget(entry)
        return True

    async def _open(self, entry: _Entry) -> Any:
        target = entry.target
        if target.via:
            entry.way, _ = await self._acquire(target.via)
        tunnel = entry.way.connection if entry.way else None
        for retry in (True, False):
            try:
                async with self._connecting, self._handshakes.through(target.first_server):
                    return await self._connect(target, tunnel)
            except DroppedError:
                if not retry:
                    raise
            await asyncio.sleep(random.uniform(*self.limits.dropped_retry_s))  # noqa: S311  (spreads retries, guards nothing)
        return None

    def _opened(self, entry: _Entry, task: asyncio.Future[Any]) -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._refusals.note(entry.target, error, asyncio.get_running_loop().time())
        if error:
            self.forget(entry)

    def _release(self, entry: _Entry) -> None:
        entry.users -= 1
        if not entry.users:
            if self._entries.get(entry.target.pool_key) is entry:
                entry.expiry = asyncio.get_running_loop().call_later(self.limits.idle_s, self.forget, entry)
            else:
                self._close(entry)
        self._change()

    def _close(self, entry: _Entry) -> None:
        if entry.expiry:
            entry.expiry.cancel()
        if not entry.opening.done():
            entry.opening.cancel()
        if entry.connection:
            entry.connection.close()
            closing = asyncio.ensure_future(entry.connection.wait_closed())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        if entry.way:
            way, entry.way = entry.way, None
            self._release(way)
        self._change()

    def _change(self) -> None:
        """Wake those who wait for room."""
        self._changed.set()
        self._changed = asyncio.Event()
