"""The live channel of a run's page: ``/events/<token>`` as Server-Sent Events, outside Django so that a reader holds no thread
and no database connection.

One Redis subscription per process only wakes readers up; what changed is read from the database and rendered once for all
readers with equal rights and language. Without Redis the database is asked each second. A reader says which event it has seen
(``Last-Event-ID``, or ``seq`` in the address), gets what changed since, then what changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from kb.live_hub import Hub, Reader
from runbooks.watching import watch_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PATH = "/events/"
PING_S = 15
LIFE_S = 600  # then the browser connects again, so that readers spread over the processes
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


class LiveApplication:
    """The ASGI endpoint. Each event loop has its own hub."""

    def __init__(self) -> None:
        self._hubs: dict[asyncio.AbstractEventLoop, Hub] = {}

    def hub(self) -> Hub:
        """The hub of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._hubs:
            self._hubs = {known: hub for known, hub in self._hubs.items() if not known.is_closed()}
            self._hubs[loop] = Hub()
        return self._hubs[loop]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one reader."""
        watch = watch_of(scope["path"].removeprefix(PATH))
        if scope["method"] != "GET":
            await _refuse(send, 405, b"GET only\n")
        elif watch is None:
            await _refuse(send, 403, b"this address is too old; load the page again\n")
        else:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await send({"type": "http.response.body", "body": b"retry: 2000\n\n", "more_body": True})
            await self._stream(receive, send, Reader(watch, _seen(scope)))

    async def _stream(self, receive: Receive, send: Send, reader: Reader) -> None:
        gone = asyncio.create_task(_until_gone(receive, reader))
        until = asyncio.get_running_loop().time() + LIFE_S
        hub = self.hub()
        hub.join(reader)
        try:
            while asyncio.get_running_loop().time() < until:
                try:
                    body = await asyncio.wait_for(reader.queue.get(), PING_S)
                except TimeoutError:
                    body = b": ping\n\n"
                if body is None:
                    break
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except OSError:
            pass  # the reader went away while we wrote
        finally:
            gone.cancel()
            hub.leave(reader)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive, reader: Reader) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    reader.end()


def _seen(scope: Scope) -> int:
    """The last event that the reader has seen."""
    headers = dict(scope["headers"])
    query = parse_qs(scope["query_string"].decode("latin-1"))
    text = headers.get(b"last-event-id", b"").decode("latin-1") or query.get("seq", ["0"])[0]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else 0


async def _refuse(send: Send, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


application = LiveApplication()
