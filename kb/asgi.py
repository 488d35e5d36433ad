"""The web server's entry: pages by Django, live events beside it, static files for a site without a proxy."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
os.environ.setdefault("SIDENOTE_STATEMENT_TIMEOUT_S", "5")  # a page that waits longer helps nobody; workers may
_pages = get_asgi_application()  # loads the apps, so it comes before everything that imports models

from kb import live  # noqa: E402
from kb.static_files import StaticFiles  # noqa: E402
from runbooks import fragments  # noqa: E402

_site = StaticFiles(_pages)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """One request."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http" and scope["path"].startswith(live.PATH):
        await live.application(scope, receive, send)
    else:
        await _site(scope, receive, send)


async def _lifespan(receive: Any, send: Any) -> None:
    """Prepare before the first request."""
    while True:
        kind = (await receive())["type"]
        if kind == "lifespan.startup":
            await asyncio.to_thread(fragments.prepare)
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
