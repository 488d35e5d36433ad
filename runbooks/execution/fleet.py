"""The event loop of a worker process: one thread, one connection pool, started on first use after a fork.

Nothing here touches the database. What a host says goes to the task's thread through a queue.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, cast

from checks.engine import Collected, Request, collect
from checks.results import Reason
from runbooks.hosts import Opener

if TYPE_CHECKING:
    from checks.transports.pool import ConnectionPool

log = logging.getLogger(__name__)


Why = tuple[Reason, str]


@dataclass(frozen=True)
class Arrived:
    """One request of a host has been answered, or never will be (``collected.error``)."""

    host_id: int
    collected: Collected


@dataclass(frozen=True)
class Gone:
    """A host has nothing more to say. ``why`` is set when that was our own doing."""

    host_id: int
    why: Why | None = None


Inbox = SimpleQueue[Arrived | Gone]


class Fleet:
    """Collects from many hosts at once."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self._pool: ConnectionPool | None = None
        threading.Thread(target=self._run, name="collector", daemon=True).start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def pool(self) -> ConnectionPool:
        """The SSH connections of this process; asked for on the loop's thread, made when the first host needs them."""
        if self._pool is None:
            from checks.transports.pool import ConnectionPool

            self._pool = ConnectionPool()
        return self._pool

    def send(self, host_id: int, requests: Sequence[Request], opener: Opener, inbox: Inbox, limit_s: float) -> Future[Why | None]:
        """Begin to collect from a host; ``Gone`` follows its last answer. Cancelling the future ends it at once."""

        def gone(future: Future[Why | None]) -> None:
            inbox.put(Gone(host_id, None if future.cancelled() else future.result()))

        future = asyncio.run_coroutine_threadsafe(self._collect(host_id, requests, opener, inbox, limit_s), self.loop)
        future.add_done_callback(gone)
        return future

    async def _collect(
        self, host_id: int, requests: Sequence[Request], opener: Opener, inbox: Inbox, limit_s: float
    ) -> Why | None:
        """Put each answer in the inbox; why some requests got none, when that is our own doing."""
        try:
            transport = opener(self.pool)
            answers = cast("AsyncGenerator[Collected, None]", collect(requests, transport))
            try:
                async with asyncio.timeout(limit_s), aclosing(answers):
                    async for collected in answers:
                        inbox.put(Arrived(host_id, collected))
            finally:
                await transport.close()
        except TimeoutError:
            return Reason.TIMEOUT, f"the host had not answered everything after {limit_s:.0f} s"
        except Exception as error:  # a defect of a transport must not take the other hosts with it
            log.exception("collecting from host %s", host_id)
            return Reason.FAILED, f"the transport itself failed ({type(error).__name__})"
        return None


_fleet: Fleet | None = None
_lock = threading.Lock()


def fleet() -> Fleet:
    """This process's fleet; a forked child never uses its parent's."""
    global _fleet
    with _lock:
        if _fleet is None or _fleet.pid != os.getpid():
            _fleet = Fleet()
        return _fleet
