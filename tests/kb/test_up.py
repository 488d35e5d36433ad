"""``manage.py up`` as a newcomer meets it: real processes, a real browser-less login, a clean end."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.xdist_group("up")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Up:
    """A running ``manage.py up``; its output is in ``said``."""

    def __init__(self, data: Path, log_dir: Path, port: int | None = None) -> None:
        self.port = port or _free_port()
        self.said_in = log_dir / f"said-{time.monotonic_ns()}"
        env = {name: value for name, value in os.environ.items() if not name.startswith("SIDENOTE_")}
        argv = [sys.executable, "manage.py", "up", "--port", str(self.port), "--workers", "1"]
        with self.said_in.open("wb") as output:
            self.process = subprocess.Popen(
                argv, cwd=ROOT, env=env | {"SIDENOTE_DATA_DIR": str(data)}, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def said(self) -> str:
        return self.said_in.read_text()

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            if self.process.poll() is not None:
                return condition()
            time.sleep(0.05)
        return False

    def ready(self) -> Up:
        assert self.until(lambda: "Sidenote is ready" in self.said), self.said
        return self

    def children(self) -> dict[int, str]:
        """Every process below it and its command line, from /proc: a small machine has no ps."""
        parents: dict[int, tuple[int, str]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
                args = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it has just ended
            parents[int(stat.parent.name)] = (parent, args)
        found = {self.process.pid: ""}
        for _ in range(4):
            found |= {pid: args for pid, (parent, args) in parents.items() if parent in found}
        return {pid: args for pid, args in found.items() if pid != self.process.pid}

    def stop(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(40)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def make(data: str = "data", port: int | None = None) -> Up:
        started.append(Up(tmp_path / data, tmp_path, port))
        return started[-1]

    yield make
    for up in started:
        up.stop(signal.SIGTERM)


def _gone(pids: dict[int, str]) -> bool:
    return not any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)


def test_it_starts_logs_in_once_stops_clean_and_keeps_its_data(start: Callable[..., Up], tmp_path: Path) -> None:
    up = start().ready()
    link = re.search(r"http://\S+/login/once/\S+", up.said)
    assert link
    assert "password" in up.said
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    page = browser.open(link[0]).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token
    library = browser.open(link[0], f"csrfmiddlewaretoken={token[1]}".encode()).read().decode()
    assert "kubelet-cadvisor-memcg-latency" in library
    with pytest.raises(urllib.error.HTTPError, match="410"):
        urllib.request.urlopen(link[0])
    children = up.children()
    assert len(children) >= 4
    assert up.stop() == 0
    assert "no process is left" in up.said
    assert up.until(lambda: _gone(children), 5)

    again = start().ready()
    assert "First login" not in again.said
    assert again.stop(signal.SIGTERM) == 0


def test_it_brings_back_what_was_killed(start: Callable[..., Up]) -> None:
    up = start().ready()
    victims = {pid: args for pid, args in up.children().items() if "celery" in args or "valkey" in args or "redis" in args}
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def back() -> bool:
        running = " ".join(up.children().values())
        return "celery" in running and "server unixsocket" in running

    assert up.until(lambda: "worker ended" in up.said and "broker ended" in up.said and back(), 30), f"{up.said}{up.children()}"
    assert up.stop() == 0


def test_it_loads_ssh_and_the_api_only_where_they_are_used(start: Callable[..., Up], tmp_path: Path) -> None:
    """Each of these takes some ten megabytes of every process that loads it, and an idle Sidenote is five processes."""
    up = start().ready()
    heavy = {"cryptography": "hazmat/bindings/_rust", "pydantic": "_pydantic_core"}

    def loaded(name: str) -> list[str]:
        return [args for pid, args in up.children().items() if heavy[name] in Path(f"/proc/{pid}/maps").read_text()]

    def all_have_shown_themselves() -> bool:
        with closing(sqlite3.connect(tmp_path / "data" / "sidenote.sqlite3")) as database:
            return database.execute("SELECT count(DISTINCT kind) FROM runbooks_processtick").fetchone() == (3,)

    assert up.until(all_have_shown_themselves, 30), up.children()
    assert loaded("cryptography") == []
    assert ["uvicorn" in args for args in loaded("pydantic")] == [True]
    assert up.stop() == 0


def test_it_leaves_nothing_when_it_is_killed(start: Callable[..., Up]) -> None:
    up = start().ready()
    children = up.children()
    up.process.kill()
    up.process.wait()
    end = time.monotonic() + 30
    while time.monotonic() < end and not _gone(children):
        time.sleep(0.1)
    assert _gone(children)


def test_it_says_that_the_port_is_taken_and_the_way_out(start: Callable[..., Up]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        up = start(port=other.getsockname()[1])
        assert up.process.wait(60) != 0
    assert f"Port {up.port} on 127.0.0.1 cannot be used" in up.said
    assert "make up PORT=" in up.said
    assert "Traceback" not in up.said


@pytest.mark.parametrize(
    ("argv", "way_out"),
    [
        (["--port", "99999"], "make up PORT=8000"),
        (["--port", "0"], "make up PORT=8000"),
        (["--bind", "192.0.2.1"], "make up BIND=0.0.0.0"),
        (["--bind", "no such name"], "make up BIND=0.0.0.0"),
    ],
)
def test_it_says_what_is_wrong_with_an_address_and_the_way_out(tmp_path: Path, argv: list[str], way_out: str) -> None:
    env = os.environ | {"SIDENOTE_DATA_DIR": str(tmp_path / "data")}
    ended = subprocess.run([sys.executable, "manage.py", "up", *argv], cwd=ROOT, env=env, capture_output=True, text=True)
    assert ended.returncode != 0
    assert way_out in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_says_that_its_database_is_damaged_and_the_way_out(start: Callable[..., Up], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sidenote.sqlite3").write_bytes(b"no database at all\n" * 500)
    up = start()
    assert up.process.wait(60) != 0
    assert "is damaged" in up.said
    assert "Put a backup in its place" in up.said
    assert "Traceback" not in up.said


def test_it_says_that_it_runs_already(start: Callable[..., Up]) -> None:
    first = start().ready()
    second = start()
    assert second.process.wait(60) != 0
    assert "already running" in second.said
    assert first.stop() == 0


def test_it_says_that_the_directory_cannot_be_written(start: Callable[..., Up], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    up = start("file/data")
    assert up.process.wait(60) != 0
    assert "SIDENOTE_DATA_DIR" in up.said
    assert "Traceback" not in up.said


def test_it_gets_over_a_first_start_that_broke_off(start: Callable[..., Up], tmp_path: Path) -> None:
    up = start()
    assert up.until(lambda: "Preparing the database" in up.said)
    up.process.kill()
    up.process.wait()
    assert start().ready().stop() == 0


def test_it_moves_broker_data_aside_that_cannot_be_read(start: Callable[..., Up], tmp_path: Path) -> None:
    assert start().ready().stop() == 0
    for path in (tmp_path / "data" / "broker").rglob("*"):
        if path.is_file():
            path.write_bytes(b"this is no append-only file\n" * 50)
    up = start().ready()
    assert "was moved to" in up.said
    assert up.stop() == 0
