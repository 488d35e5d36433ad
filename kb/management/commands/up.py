"""``manage.py up``: the whole of Sidenote on one machine, with nothing else to install.

1 the data directory and its lock, 2 the port, 3 the database, 4 the library, 5 this machine as a host, 6 the first admin,
7 the processes. Ctrl-C stops them all.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

from kb import broker, first_start, supervisor


class Command(BaseCommand):
    """Run Sidenote here."""

    help = "Run all of Sidenote on this machine: web, worker, broker, reaper and this machine as a first host."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to listen, and how many worker processes."""
        parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on")
        parser.add_argument("--workers", type=int, default=min(os.cpu_count() or 1, 4), help="Celery worker processes")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, then become the supervisor. Ctrl-C before that ends it; what was prepared is used by the next start."""
        try:
            self._up(options)
        except KeyboardInterrupt:
            raise CommandError("Stopped before it was ready; the next start goes on from here", returncode=130) from None
        except (DatabaseError, OSError) as error:
            said = f"{error.filename} cannot be written ({error.strerror})" if isinstance(error, OSError) else str(error)
            if not (say := first_start.trouble(said)):
                raise  # a fault of ours, whose traceback is wanted
            raise CommandError(say) from None

    def _up(self, options: dict[str, Any]) -> None:
        started = time.time()
        bind, port = options["bind"], options["port"]
        lock = self._lock_data()
        _need_free_port(bind, port)
        self._prepare()
        url = f"http://{_host(bind)}:{port}"
        welcome = first_start.welcome(url)
        connection.close()
        ready = f"\nSidenote is ready at {url}  ({{seconds:.1f}} s)\n{welcome}{chr(10) if welcome else ''}Ctrl-C stops it.\n"
        plan = {
            "children": _children(bind, port, options["workers"]),
            "log_dir": str(_log_dir()),
            "runtime_dir": str(settings.RUNTIME_DIR),
            "ready_say": ready,
            "started": started,
        }
        os.environ["SIDENOTE_ALLOWED_HOSTS"] = ",".join({*settings.ALLOWED_HOSTS, bind} - {"0.0.0.0", "::"})  # noqa: S104
        _become_supervisor(plan, lock)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _lock_data(self) -> IO[str]:
        """Hold the data directory so that two Sidenotes never share one."""
        path = settings.DATA_DIR / "up.lock"
        try:
            lock = path.open("a+")
            settings.RUNTIME_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
            _log_dir().mkdir(exist_ok=True)
        except OSError as error:
            raise CommandError(
                f"{error.filename} cannot be written ({error.strerror}). Point SIDENOTE_DATA_DIR at a directory that can."
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise CommandError(
                f"Sidenote is already running on {settings.DATA_DIR} ({lock.read().strip() or 'starting'}). "
                "Use it, stop it, or set SIDENOTE_DATA_DIR to another directory."
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()}\n")
        lock.flush()
        return lock

    def _prepare(self) -> None:
        """Database, library, this machine, first admin. Each part can be repeated, so a start that broke off is no harm."""
        connection.ensure_connection()
        if first_start.needs_migration():
            self._say("Preparing the database")
            call_command("migrate", verbosity=0, interactive=False)
        connection.close()
        self._say("Loading the runbook library")
        call_command("load_library", stdout=self.stdout)
        first_start.ensure_roles()
        first_start.ensure_this_machine()
        connection.close()


def _become_supervisor(plan: dict[str, Any], lock: IO[str]) -> None:
    """Replace this process by the small supervisor. The plan holds a password, so it goes through memory, not through argv."""
    descriptor = os.memfd_create("sidenote-plan", 0)
    os.write(descriptor, json.dumps(plan).encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.set_inheritable(lock.fileno(), True)  # noqa: FBT003  its only form
    os.chdir(settings.BASE_DIR)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, supervisor.__file__, str(descriptor)])  # noqa: S606  our own program


def _log_dir() -> Path:
    return Path(settings.DATA_DIR) / "log"


def _host(bind: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(bind, f"[{bind}]" if ":" in bind else bind)  # noqa: S104


def _need_free_port(bind: str, port: int) -> None:
    """Raises CommandError with the way out unless the port can be listened on."""
    if not 0 < port <= 65535:
        raise CommandError(f"There is no port {port}; the highest is 65535. Choose another: make up PORT=8000")
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            raise CommandError(_port_trouble(bind, port, error)) from None


def _port_trouble(bind: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{bind} is no address of this machine. Leave BIND out, or listen on all addresses: make up BIND=0.0.0.0"
    if error.errno == errno.EACCES:
        return f"Port {port} is kept for root. Choose one above 1023: make up PORT=8000"
    free = port + 1 if port < 65535 else 8000
    return f"Port {port} on {bind} cannot be used ({error.strerror}). Choose another: make up PORT={free}"


def _children(bind: str, port: int, workers: int) -> list[dict[str, Any]]:
    """The processes in the order of their start."""
    python = sys.executable
    data = Path(settings.DATA_DIR) / "broker"
    data.mkdir(mode=0o700, exist_ok=True)
    web = [python, "-m", "uvicorn", "kb.asgi:application", "--host", bind, "--port", str(port), "--no-access-log"]
    web += ["--timeout-graceful-shutdown", "2", "--log-level", "warning"]
    pool = ["--pool", "prefork", "--concurrency", str(workers), "--without-gossip", "--without-mingle", "--without-heartbeat"]
    # Django's checks would load the pages and the API, which no worker needs.
    worker = [python, "-m", "celery", "--skip-checks", "-A", "kb", "worker", "-Q", "probe", "-l", "WARNING", "-n", "embedded@%h"]
    worker += pool
    children: list[dict[str, Any]] = [
        {"name": "web server", "argv": web, "ready": {"http": f"http://{_host(bind)}:{port}/healthz"}, "grace_s": 4},
        {"name": "worker", "argv": worker, "grace_s": 8},
        {"name": "reaper", "argv": [python, "manage.py", "reaper", "--drain"]},
    ]
    if not settings.BROKER_URL:
        socket_path = str(settings.BROKER_SOCKET)
        server = broker.argv(broker.binary(), settings.BROKER_SOCKET, data)
        children.insert(0, {"name": "broker", "argv": server, "ready": {"ping": socket_path}, "data": str(data)})
    return children
