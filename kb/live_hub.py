"""Who watches which run in this process, and the one place that renders for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import redis.asyncio
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from runbooks.fragments import Changes, changes
from runbooks.live import PREFIX
from runbooks.models import Run
from runbooks.watching import Watch

log = logging.getLogger(__name__)
T = TypeVar("T")

QUEUE_MAX = 64
RECHECK_S = 10  # a run is looked at this often without an event: notices depend on the clock
ASK_S, ASK_WITHOUT_REDIS_S = 5, 1
SILENCE_S = 5
REST_MAX_S = 2


@dataclass(eq=False)
class Reader:
    """One open page. ``seen`` is the last event it has; its queue ends with None."""

    watch: Watch
    seen: int
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_MAX))

    def give(self, body: bytes) -> None:
        """Hand over an event. A reader that cannot keep up is let go; it comes back and gets what it missed."""
        try:
            self.queue.put_nowait(body)
        except asyncio.QueueFull:
            self.end()

    def end(self) -> None:
        """Let the reader go."""
        while self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


def message(event: str, html: str, seq: int) -> bytes:
    """One event on the wire."""
    lines = "".join(f"data: {line}\n" for line in html.replace("\r", " ").split("\n"))
    return f"id: {seq}\nevent: {event}\n{lines}\n".encode()


class Channel:
    """The readers of one run who get the same bytes."""

    def __init__(self, hub: Hub, watch: Watch, seen: int) -> None:
        self.hub, self.watch, self.seq = hub, watch, seen
        self.readers: set[Reader] = set()
        self.wake = asyncio.Event()
        self.wake.set()
        self._last: Mapping[str, str] = {}
        self._snapshots: dict[tuple[int, int], asyncio.Task[Changes]] = {}
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        """Render when something happened, and rest as long as that took, so that a busy run cannot take the whole process."""
        while True:
            try:
                await asyncio.wait_for(self.wake.wait(), RECHECK_S)
            except TimeoutError:
                pass  # nothing happened; the clock may still have something to say
            self.wake.clear()
            began = asyncio.get_running_loop().time()
            try:
                found = await self._changes(self.seq)
            except Run.DoesNotExist:
                return self._done()
            except (DatabaseError, InterfaceError) as error:
                log.warning("the database did not answer a live page: %s", error)
                await asyncio.sleep(ASK_WITHOUT_REDIS_S)
                self.wake.set()
                continue
            self._tell(found)
            if found.finished:
                return self._done()
            await asyncio.sleep(min(asyncio.get_running_loop().time() - began, REST_MAX_S))

    def _changes(self, since: int) -> asyncio.Future[Changes]:
        down = not self.hub.connected
        return self.hub.in_thread(lambda: changes(self.watch, since, broker_down=down))

    def _tell(self, found: Changes) -> None:
        new = "".join(html for name, html in found.pieces.items() if self._last.get(name) != html)
        self._last = {**self._last, **found.pieces}
        self.seq = found.seq
        if new:
            body = message("changed", new, found.seq)
            for reader in list(self.readers):
                reader.give(body)

    def _done(self) -> None:
        for reader in list(self.readers):
            reader.give(message("done", "", self.seq))
            reader.end()
        self.hub.channels.pop(self.watch, None)

    async def catch_up(self, reader: Reader) -> None:
        """What a reader who comes later has missed; readers who missed the same share it."""
        key = (reader.seen, self.seq)
        if key not in self._snapshots:
            self._snapshots = {key: asyncio.ensure_future(self._changes(reader.seen))}
        try:
            found = await asyncio.shield(self._snapshots[key])
        except (DatabaseError, InterfaceError, Run.DoesNotExist):
            reader.end()
            return
        reader.give(message("changed", found.html, found.seq))


class Hub:
    """All channels of a process, its one Redis subscription and its one question to the database."""

    def __init__(self) -> None:
        self.channels: dict[Watch, Channel] = {}
        self.connected = True  # until the first failure
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live")
        self._tasks: list[asyncio.Task[None]] = []

    def join(self, reader: Reader) -> None:
        """Take a reader in: subscribe first, then catch up, so that nothing falls between."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._ask())]
        channel = self.channels.get(reader.watch)
        if channel is None:
            channel = self.channels[reader.watch] = Channel(self, reader.watch, reader.seen)
            channel.readers.add(reader)
            return
        channel.readers.add(reader)
        if reader.seen != channel.seq:
            task = asyncio.create_task(channel.catch_up(reader))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def leave(self, reader: Reader) -> None:
        """Let a reader go; the last one closes the channel, and the last channel the subscription."""
        channel = self.channels.get(reader.watch)
        if channel is None:
            return
        channel.readers.discard(reader)
        if not channel.readers:
            channel.task.cancel()
            self.channels.pop(reader.watch, None)
        if not self.channels:
            for task in self._tasks:
                task.cancel()
            self._tasks = []
            self._thread.submit(connections.close_all)

    def in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Do database work in the one thread for it. It keeps its connection while there are readers and nothing fails."""

        def run() -> T:
            try:
                return work()
            except (DatabaseError, InterfaceError):
                connections.close_all()
                raise

        return asyncio.get_running_loop().run_in_executor(self._thread, run)

    def ring(self, run_id: UUID) -> None:
        """Wake the channels of a run."""
        for watch, channel in self.channels.items():
            if watch.run == run_id:
                channel.wake.set()

    async def _listen(self) -> None:
        while True:
            try:
                await self._subscription()
            except (redis.RedisError, OSError, TimeoutError) as error:
                if self.connected:
                    log.warning("the broker does not answer; live pages ask the database: %s", error)
                    self._now(connected=False)
            await asyncio.sleep(1)

    def _now(self, *, connected: bool) -> None:
        """Keep whether the broker answers; every page is told of a change at once."""
        changed, self.connected = connected != self.connected, connected
        for channel in self.channels.values() if changed else ():
            channel.wake.set()

    async def _subscription(self) -> None:
        """Wake channels as messages come; a server that does not answer a ping counts as down."""
        options: dict[str, Any] = {"socket_connect_timeout": 2, "retry": Retry(NoBackoff(), 0)}
        async with redis.asyncio.Redis.from_url(settings.LIVE_URL, **options) as client, client.pubsub() as pubsub:
            await asyncio.wait_for(pubsub.psubscribe(f"{PREFIX}*"), SILENCE_S)
            self._now(connected=True)
            asked = False
            while True:
                got = await pubsub.get_message(timeout=SILENCE_S)
                if got is None and asked:
                    raise TimeoutError("no answer to a ping")
                asked = got is None
                if got is None:
                    await asyncio.wait_for(pubsub.ping(), SILENCE_S)
                elif got["type"] == "pmessage":
                    self._ring_channel(got["channel"])

    def _ring_channel(self, name: bytes) -> None:
        try:
            self.ring(UUID(name.decode().removeprefix(PREFIX)))
        except ValueError:
            log.info("a live message of no run: %r", name)

    async def _ask(self) -> None:
        """Ask the database which watched runs have moved on: often without Redis, seldom as a guard against lost messages."""
        quiet_s: float = 0
        while True:
            await asyncio.sleep(ASK_WITHOUT_REDIS_S)
            quiet_s += ASK_WITHOUT_REDIS_S
            if self.connected and quiet_s < ASK_S:
                continue
            quiet_s = 0
            ids = {watch.run for watch in self.channels}
            try:
                newest = await self.in_thread(lambda ids=ids: dict(Run.objects.filter(pk__in=ids).values_list("pk", "last_seq")))  # type: ignore[misc]
            except (DatabaseError, InterfaceError):
                continue  # the channels say so themselves
            for watch, channel in list(self.channels.items()):
                if newest.get(watch.run, 0) > channel.seq:
                    channel.wake.set()
