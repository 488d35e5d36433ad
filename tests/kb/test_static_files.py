"""Static files: kept for ever by their hash, packed, and never anything outside the static folders."""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.asgi import get_asgi_application

from kb.static_files import FOR_EVER, StaticFiles


def get(path: str, query: str = "", encoding: str = "gzip") -> tuple[int, dict[str, str], bytes]:
    """One request to the handler."""
    sent: list[Any] = []
    coming: list[Any] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        return coming.pop() if coming else await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    async def ask() -> None:
        headers = [(b"host", b"localhost"), (b"accept-encoding", encoding.encode())]
        scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": headers}
        await StaticFiles(get_asgi_application())(scope, receive, send)

    asyncio.run(ask())
    start = sent[0]
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return start["status"], {name.decode().lower(): value.decode() for name, value in start["headers"]}, body


def source(name: str) -> bytes:
    found = finders.find(name)
    assert isinstance(found, str)
    with open(found, "rb") as file:
        return file.read()


def test_it_puts_the_hash_of_the_content_into_the_address() -> None:
    assert re.fullmatch(r"/static/kb/style\.css\?v=[0-9a-f]{10}", staticfiles_storage.url("kb/style.css"))
    assert staticfiles_storage.url("kb/none.css") == "/static/kb/none.css"


def test_it_lets_a_versioned_file_be_kept_for_ever() -> None:
    status, headers, body = get("/static/kb/style.css", "v=0123456789")
    assert (status, headers["cache-control"]) == (200, FOR_EVER)
    assert headers["content-encoding"] == "gzip"
    assert headers["content-type"].startswith("text/css")
    assert headers["x-content-type-options"] == "nosniff"
    assert gzip.decompress(body) == source("kb/style.css")


def test_it_asks_again_for_a_file_without_a_version() -> None:
    _status, headers, body = get("/static/kb/sidenote.js", encoding="")
    assert headers["cache-control"] == "no-cache"
    assert "content-encoding" not in headers
    assert headers["vary"] == "Accept-Encoding"
    assert body == source("kb/sidenote.js")


@pytest.mark.parametrize(
    "path", ["/static/../kb/settings.py", "/static/kb/../../kb/settings.py", "/static//etc/passwd", "/static/none.css"]
)
def test_it_serves_nothing_else(path: str) -> None:
    status, _headers, body = get(path)
    assert status == 404
    assert b"SECRET" not in body
