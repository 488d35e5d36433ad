"""What keeps us from asking too much of a host: doors of a fixed width, and a pause after refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from checks.errors import TransportError
from checks.results import Reason
from checks.transports.ssh_target import SshTarget


class Gate:
    """At most ``width`` at a time, for a key that is forgotten when nobody is in or waiting."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._open: dict[Hashable, tuple[asyncio.Semaphore, list[int]]] = {}

    @asynccontextmanager
    async def through(self, key: Hashable) -> AsyncIterator[None]:
        semaphore, count = self._open.setdefault(key, (asyncio.Semaphore(self._width), [0]))
        count[0] += 1
        try:
            async with semaphore:
                yield
        finally:
            count[0] -= 1
            if not count[0]:
                del self._open[key]


class Refusals:
    """Accounts that refused us lately. After some refusals in a row they are left alone for a while, or a policy locks them."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._seen: dict[Hashable, tuple[int, float]] = {}

    def check(self, target: SshTarget, now: float) -> None:
        count, at = self._seen.get(target.pool_key, (0, 0.0))
        left = at + self._seconds - now
        if count >= self._limit and left > 0:
            wait = f"is left alone for {left / 60:.0f} more minutes; check its authorized_keys"
            say = f"{target.say()} refused {count} logins in a row and {wait}"
            raise TransportError(say, Reason.AUTH_FAILED)

    def note(self, target: SshTarget, error: BaseException | None, now: float) -> None:
        if error is None:
            self._seen.pop(target.pool_key, None)
        elif isinstance(error, TransportError) and error.reason is Reason.AUTH_FAILED:
            count, _ = self._seen.get(target.pool_key, (0, 0.0))
            self._seen[target.pool_key] = (count + 1, now)
