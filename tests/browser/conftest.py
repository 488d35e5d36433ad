"""A real browser, and a whole Sidenote or only its web process to look at."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Site:
    """Where a Sidenote answers, and who may log in."""

    url: str
    user: str
    password: str


@pytest.fixture(scope="session")
def whole_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """All of ``manage.py up``: web, broker, worker, reaper."""
    folder = tmp_path_factory.mktemp("up")
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("SIDENOTE_")}
    env["SIDENOTE_DATA_DIR"] = str(folder / "data")
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(port), "--workers", "1"],
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + 90
        while "Ctrl-C stops it" not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < end, said.read_text()
            time.sleep(0.1)
        found = re.search(r"user (\S+), password (\S+)", said.read_text())
        assert found, said.read_text()
        yield Site(f"http://127.0.0.1:{port}", found[1], found[2])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The installed browser. Its driver keeps an event loop in this thread, so it lives no longer than a module."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # the loop is the driver's, the database is ours
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def web(live_server: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A web process of the test's own database, without a broker."""
    from django.contrib.auth import get_user_model

    settings.LIVE_URL = "unix:///nowhere/broker.sock"
    get_user_model().objects.create_superuser("wei", password="correct horse battery")
    with urllib.request.urlopen(f"{live_server.url}/healthz"):
        return Site(live_server.url, "wei", "correct horse battery")


def log_in(page: Any, site: Site) -> None:
    """Through the form, as a person does."""
    page.goto(f"{site.url}/login/")
    page.get_by_label("Name").fill(site.user)
    page.get_by_label("Password").fill(site.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{site.url}/")


@pytest.fixture
def logged_in() -> Any:
    """The function that logs a page in."""
    return log_in


@pytest.fixture
def open_page(chromium: Any, web: Site) -> Iterator[Any]:
    """Opens pages that are logged in; ``complaints`` keeps what the browser had to say against them."""
    contexts = []

    def make(**settings: Any) -> Any:
        contexts.append(chromium.new_context(base_url=web.url, **settings))
        page = contexts[-1].new_page()
        page.complaints = []
        page.on("console", lambda said: page.complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        log_in(page, web)
        return page

    yield make
    for context in contexts:
        context.close()
