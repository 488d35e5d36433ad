"""Typed readers of the environment. Nonsense stops the program with a sentence; a secret may stand in a file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def env_str(name: str, default: str = "") -> str:
    """The variable, or ``default``."""
    return os.environ.get(name, default)


def env_int(name: str, default: int) -> int:
    """The variable as a whole number."""
    text = os.environ.get(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {text!r}") from None


def env_bool(name: str, *, default: bool) -> bool:
    """The variable as true/false, yes/no, on/off or 1/0."""
    text = os.environ.get(name, "")
    if text == "":
        return default
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {text!r}")


def env_list(name: str, default: str = "") -> list[str]:
    """The variable as a comma-separated list."""
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


def env_secret(name: str) -> str:
    """The variable, or the content of the file that ``NAME_FILE`` names; empty when neither is set."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE names {path}, which cannot be read: {error.strerror}") from None
    return os.environ.get(name, "")


def database(url: str, data_dir: Path) -> dict[str, object]:
    """Django's settings of one database. An empty URL means SQLite in the data directory.

    The SQLite options are the ones that held with eight writing processes: WAL, immediate transactions, a 20 s busy time-out.
    """
    if not url or url.startswith("sqlite:"):
        path = url.removeprefix("sqlite://").removeprefix("sqlite:") or str(data_dir / "sidenote.sqlite3")
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000; PRAGMA foreign_keys=ON;"
        options: dict[str, object] = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": pragmas}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": options}
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ImproperlyConfigured("SIDENOTE_DATABASE_URL must start with postgresql:// or sqlite:")
    query = dict(parse_qsl(parts.query))
    query["options"] = f"{_limits()} {query.get('options', '')}".rstrip()
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or "") or env_secret("SIDENOTE_DATABASE_PASSWORD"),
        "HOST": query.pop("host", "") or parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0,
        "OPTIONS": query,
    }


def _limits() -> str:
    """PostgreSQL's own time limits: nothing sleeps inside a transaction, and no page waits long."""
    limits = {"idle_in_transaction_session_timeout": "10s"}
    if seconds := env_int("SIDENOTE_STATEMENT_TIMEOUT_S", 0):
        limits |= {"statement_timeout": f"{seconds}s", "lock_timeout": "2s"}
    return " ".join(f"-c {name}={value}" for name, value in limits.items())


def directory(path: Path) -> Path:
    """The directory, made when it is not there, for its owner alone. Raises ImproperlyConfigured with the way out."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(error) from None
    return path


def first_secret(path: Path) -> str:
    """The secret in that file; made on first use, readable by its owner alone."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    except OSError as error:
        raise _unwritable(error) from None
    with os.fdopen(handle, "w") as file:
        secret = secrets.token_urlsafe(48)
        file.write(secret + "\n")
    return secret


def _unwritable(error: OSError) -> ImproperlyConfigured:
    way_out = "Point SIDENOTE_DATA_DIR at a directory that can be written"
    return ImproperlyConfigured(f"{error.filename} cannot be written ({error.strerror}). {way_out}.")


def celery_url(url: str) -> str:
    """The broker URL in Celery's spelling; a unix socket is ``redis+socket://`` there and ``unix://`` everywhere else.

    >>> celery_url("unix:///run/broker.sock?db=1")
    'redis+socket:///run/broker.sock?virtual_host=1'
    """
    if not url.startswith("unix://"):
        return url
    path, _, query = url.removeprefix("unix://").partition("?")
    return f"redis+socket://{path}?virtual_host={dict(parse_qsl(query)).get('db', '0')}"
