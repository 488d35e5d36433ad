"""The event loop of a worker process: one thread, one connection pool, started on first use after a fork.

Nothing here touches the database. What hosts say goes to the task's thread in bundles: a hand-over between two threads costs more
than most answers, and what comes together is recorded together.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, cast

from checks.engine import Collected, Request, collect
from checks.results import Reason
from runbooks.hosts import Opener

if TYPE_CHECKING:
    from checks.transports.pool import ConnectionPool

log = logging.getLogger(__name__)

BUNDLE_S = 0.03
"""How long an answer waits for others before they are handed over together."""

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


class Inbox:
    """Bundles of messages from the loop's thread to one other."""

    def __init__(self) -> None:
        self._bundles: SimpleQueue[list[Arrived | Gone]] = SimpleQueue()
        self._open: list[Arrived | Gone] = []

    def put(self, message: Arrived | Gone) -> None:
        """On the loop's thread only."""
        if not self._open:
            asyncio.get_running_loop().call_later(BUNDLE_S, self._hand_over)
        self._open.append(message)

    def _hand_over(self) -> None:
        self._bundles.put(self._open)
        self._open = []

    def take(self, timeout_s: float) -> list[Arrived | Gone]:
        """Everything that is there, waiting for the first bundle; empty when none came in time."""
        try:
            messages = self._bundles.get(timeout=max(timeout_s, 0))
            while not self._bundles.empty():
                messages += self._bundles.get_nowait()
        except Empty:
            return []
        return messages


@dataclass(frozen=True)
class Order:
    """What to ask of a host, how it is reached, and when to give up."""

    host_id: int
    requests: Sequence[Request]
    opener: Opener
    limit_s: float


class Flight:
    """An order on its way. ``Gone`` is the last message that counts of it."""

    def __init__(self, order: Order, fleet: Fleet, inbox: Inbox) -> None:
        self.order = order
        self._fleet = fleet
        self._inbox = inbox
        self._task: asyncio.Task[Why | None] | None = None

    def start(self) -> None:
        """On the loop's thread only."""
        self._task = asyncio.ensure_future(self._collect())
        self._task.add_done_callback(self._landed)

    def cancel(self) -> None:
        """End it now, from any thread: ``Gone`` does not wait until the transport has closed."""
        self._fleet.loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task and not self._task.done():
            self._task.remove_done_callback(self._landed)
            self._task.cancel()
            self._inbox.put(Gone(self.order.host_id))

    def _landed(self, task: asyncio.Task[Why | None]) -> None:
        self._inbox.put(Gone(self.order.host_id, None if task.cancelled() else task.result()))

    async def _collect(self) -> Why | None:
        """Put each answer in the inbox; why some requests got none, when that is our own doing."""
        order = self.order
        try:
            transport = order.opener(self._fleet.pool)
            answers = cast("AsyncGenerator[Collected, None]", collect(order.requests, transport))
            try:
                async with asyncio.timeout(order.limit_s), aclosing(answers):
                    async for collected in answers:
                        self._inbox.put(Arrived(order.host_id, collected))
            finally:
                await transport.close()
        except TimeoutError:
            return Reason.TIMEOUT, f"the host had not answered everything after {order.limit_s:.0f} s"
        except Exception as error:  # a defect of a transport must not take the other hosts with it
            log.exception("collecting from host %s", order.host_id)
            return Reason.FAILED, f"the transport itself failed ({type(error).__name__})"
        return None


class Fleet:
    """Collects from many hosts at once."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        gc.freeze()  # what is loaded by now stays for good; looking it through again and again took a tenth of a run's time
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

    def send(self, orders: Sequence[Order], inbox: Inbox) -> dict[int, Flight]:
        """Begin to collect from each host; the flights by host id."""
        flights = {order.host_id: Flight(order, self, inbox) for order in orders}

        def start() -> None:
            for flight in flights.values():
                flight.start()

        self.loop.call_soon_threadsafe(start)
        return flights


_fleet: Fleet | None = None
_lock = threading.Lock()


def fleet() -> Fleet:
    """This process's fleet; a forked child never uses its parent's."""
    global _fleet
    with _lock:
        if _fleet is None or _fleet.pid != os.getpid():
            _fleet = Fleet()
        return _fleet
