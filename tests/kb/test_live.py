"""The live channel: what a reader has missed, then what happens; nothing twice in order, nothing lost, with and without Redis."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connections

from kb import live, live_hub
from runbooks.models import Run
from runbooks.watching import Watch, token_of

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_S = 20


async def off_loop(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Database work of the test itself, which leaves no connection behind."""

    def run() -> Any:
        try:
            return work(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)


class Page:
    """An open page: a request to the endpoint, and what has arrived."""

    def __init__(
        self, application: live.LiveApplication, path: str, *, seq: int = 0, last: str = "", method: str = "GET"
    ) -> None:
        headers = [(b"last-event-id", last.encode())] if last else []
        scope = {"type": "http", "method": method, "path": path, "query_string": f"seq={seq}".encode(), "headers": headers}
        self._gone = asyncio.Event()
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.task = asyncio.create_task(application(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, sent: Any) -> None:
        await self._sent.put(dict(sent))

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self._sent.get(), PATIENCE_S)

    async def event(self, number: int = 0) -> tuple[str, int, str]:
        """The next event with at least this number: its name, its number, its data.

        That the broker is away is told at any moment, in an event that keeps the last number.
        """
        while True:
            body = (await self.next()).get("body", b"").decode()
            match = re.match(r"id: (\d+)\nevent: (\w+)\n((?:data: .*\n)*)\n", body)
            if match and int(match[1]) >= number:
                return match[2], int(match[1]), "\n".join(line[6:] for line in match[3].splitlines())

    async def leave(self) -> None:
        self._gone.set()
        await asyncio.wait_for(self.task, PATIENCE_S)


@pytest.fixture
def application(settings: Any) -> Iterator[live.LiveApplication]:
    """The endpoint without a broker; its thread leaves no connection behind."""
    settings.LIVE_URL = "unix:///nowhere/broker.sock"
    application = live.LiveApplication()
    yield application
    for hub in application._hubs.values():
        hub._thread.submit(connections.close_all)
        hub._thread.shutdown()


def path_of(run: Any, **fields: Any) -> str:
    return f"/events/{token_of(Watch(run.pk, **fields))}"


def newest(run: Any) -> int:
    return Run.objects.values_list("last_seq", flat=True).get(pk=run.pk)


def play(story: Awaitable[None]) -> None:
    async def run() -> None:
        await story

    asyncio.run(run())


def test_it_sends_what_happens_and_ends_with_the_run(application: live.LiveApplication, made_run: Any, answer: Any) -> None:
    run = made_run(checks=2)

    async def story() -> None:
        page = Page(application, path_of(run))
        start = await page.next()
        assert start["status"] == 200
        headers = dict(start["headers"])
        assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
        assert (headers[b"x-accel-buffering"], headers[b"cache-control"]) == (b"no", b"no-cache, no-transform")
        assert (await page.next())["body"] == b"retry: 2000\n\n"
        assert (await page.event())[:2] == ("changed", 0)
        for number, check in enumerate(("c1", "c2"), 1):
            await off_loop(answer, run, check, "ok")
            application.hub().ring(run.pk)
            name, _seq, html = await page.event(number)
            assert name == "changed"
            assert f'id="card-{check}" hx-swap-oob="true"' in html
        while (await page.event())[0] != "done":
            pass
        assert (await page.next())["more_body"] is False
        await page.task

    play(story())


@pytest.mark.parametrize("how", ["seq", "last"])
def test_it_sends_what_a_reader_has_missed_and_no_more(
    application: live.LiveApplication, made_run: Any, answer: Any, how: str
) -> None:
    run = made_run(checks=3)
    answer(run, "c1", "ok")
    seen = newest(run)
    answer(run, "c2", "ok")

    async def story() -> None:
        page = Page(application, path_of(run), seq=seen) if how == "seq" else Page(application, path_of(run), last=str(seen))
        _name, seq, html = await page.event()
        assert seq == seen + 1
        assert 'id="card-c2"' in html
        assert 'id="card-c1"' not in html
        await page.leave()

    play(story())


def test_it_catches_a_late_reader_up(application: live.LiveApplication, made_run: Any, answer: Any) -> None:
    run = made_run(checks=3)

    async def story() -> None:
        first = Page(application, path_of(run))
        await first.event()
        await off_loop(answer, run, "c1", "ok")
        application.hub().ring(run.pk)
        await first.event(1)
        late = Page(application, path_of(run))
        assert 'id="card-c1"' in (await late.event())[2]
        await off_loop(answer, run, "c2", "ok")
        application.hub().ring(run.pk)
        for page in (first, late):
            assert 'id="card-c2"' in (await page.event(2))[2]
        assert len(application.hub().channels) == 1
        await first.leave()
        await late.leave()
        assert application.hub().channels == {}

    play(story())


def test_it_renders_once_for_all_readers(
    application: live.LiveApplication, made_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run()
    rendered: list[int] = []
    real = live_hub.changes
    monkeypatch.setattr(live_hub, "changes", lambda *args, **kwargs: rendered.append(1) or real(*args, **kwargs))

    async def story() -> None:
        pages = [Page(application, path_of(run)) for _ in range(20)]
        for page in pages:
            await page.event()
        assert sum(rendered) <= 2
        for page in pages:
            await page.leave()

    play(story())


def test_it_gives_each_reader_their_language_and_buttons(application: live.LiveApplication, made_run: Any, answer: Any) -> None:
    run = made_run(checks=2)
    answer(run, "c1", "ok")

    async def story() -> None:
        viewer, on_call = Page(application, path_of(run)), Page(application, path_of(run, may_start=True))
        assert "formaction" not in (await viewer.event())[2]
        assert "formaction" in (await on_call.event())[2]
        await viewer.leave()
        await on_call.leave()

    play(story())


def test_it_asks_the_database_when_redis_is_away_and_says_so(
    application: live.LiveApplication, made_run: Any, answer: Any
) -> None:
    run = made_run(checks=2)

    async def story() -> None:
        page = Page(application, path_of(run))
        await page.event()
        await off_loop(answer, run, "c1", "ok")
        _name, _seq, html = await page.event(1)
        assert 'id="card-c1"' in html
        assert 'data-kind="broker_down"' in html
        await page.leave()

    play(story())


@pytest.mark.needs("redis-server")
def test_it_wakes_up_by_redis(
    application: live.LiveApplication, made_run: Any, answer: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runbooks import live as publisher
    from runbooks import tasks

    program = shutil.which("redis-server") or shutil.which("valkey-server")
    assert program
    monkeypatch.undo()  # publishing is for real here
    monkeypatch.setattr(tasks, "ring", lambda messages: True)
    monkeypatch.setattr(live_hub, "ASK_S", 3600)
    monkeypatch.setattr(publisher, "_channel", publisher._Channel())

    async def story() -> None:
        hub = application.hub()
        hub.connected = False
        page = Page(application, path_of(run))
        await page.event()
        while not hub.connected:  # noqa: ASYNC110  the hub has no event for a test to wait for
            await asyncio.sleep(0.05)
        await off_loop(answer, run, "c1", "ok")
        html = ""
        while 'id="card-c1"' not in html:  # that the server is back is told before
            html = (await page.event())[2]
        await page.leave()

    with tempfile.TemporaryDirectory() as folder:
        settings.LIVE_URL = f"unix://{folder}/s?db=0"
        server = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", f"{folder}/s", "--save", ""], stdout=subprocess.DEVNULL
        )
        try:
            run = made_run(checks=2)
            play(story())
        finally:
            server.terminate()
            server.wait(10)


def test_it_survives_a_database_that_is_away(
    application: live.LiveApplication, made_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run()
    real, failures = live_hub.changes, [OperationalError("away"), OperationalError("still away")]

    def flaky(*args: Any, **kwargs: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*args, **kwargs)

    monkeypatch.setattr(live_hub, "changes", flaky)
    monkeypatch.setattr(live_hub, "ASK_WITHOUT_REDIS_S", 0.05)

    async def story() -> None:
        page = Page(application, path_of(run))
        assert (await page.event())[0] == "changed"
        await page.leave()

    play(story())


def test_it_pings_while_nothing_happens(
    application: live.LiveApplication, made_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run()
    monkeypatch.setattr(live, "PING_S", 0.05)

    async def story() -> None:
        page = Page(application, path_of(run))
        while (await page.next()).get("body") != b": ping\n\n":
            pass
        await page.leave()

    play(story())


def test_it_ends_an_old_stream_so_that_the_browser_comes_again(
    application: live.LiveApplication, made_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run()
    monkeypatch.setattr(live, "PING_S", 0.05)
    monkeypatch.setattr(live, "LIFE_S", 0.2)

    async def story() -> None:
        page = Page(application, path_of(run))
        await asyncio.wait_for(page.task, PATIENCE_S)

    play(story())


def test_it_lets_a_reader_go_that_cannot_keep_up() -> None:
    async def story() -> None:
        reader = live_hub.Reader(Watch(None), 0)  # type: ignore[arg-type]
        for number in range(live_hub.QUEUE_MAX + 1):
            reader.give(b"%d" % number)
        assert reader.queue.qsize() <= live_hub.QUEUE_MAX
        last = [reader.queue.get_nowait() for _ in range(reader.queue.qsize())][-1]
        assert last is None

    play(story())


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/events/forged", "GET", 403), ("/events/", "GET", 403), ("/events/x", "POST", 405)]
)
def test_it_turns_strangers_away(application: live.LiveApplication, path: str, method: str, status: int) -> None:
    async def story() -> None:
        page = Page(application, path, method=method)
        assert (await page.next())["status"] == status

    play(story())


def test_it_ends_at_once_for_a_run_that_is_gone(application: live.LiveApplication, made_run: Any) -> None:
    run = made_run()
    path = path_of(run)
    run.steps.all().delete()
    run.delete()

    async def story() -> None:
        page = Page(application, path)
        assert (await page.event())[0] == "done"

    play(story())


def test_it_puts_no_line_of_data_outside_the_event() -> None:
    body = live_hub.message("changed", "<p>\r\n\r\nevent: done\n</p>", 7)
    assert body == b"id: 7\nevent: changed\ndata: <p> \ndata:  \ndata: event: done\ndata: </p>\n\n"
