"""The environment is read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from kb import env


def test_it_stops_on_nonsense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIDENOTE_X", "maybe")
    with pytest.raises(ImproperlyConfigured, match="SIDENOTE_X must be true or false"):
        env.env_bool("SIDENOTE_X", default=True)
    with pytest.raises(ImproperlyConfigured, match="SIDENOTE_X must be a whole number"):
        env.env_int("SIDENOTE_X", 3)


def test_it_reads_a_secret_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    monkeypatch.setenv("SIDENOTE_X_FILE", str(tmp_path / "secret"))
    assert env.env_secret("SIDENOTE_X") == "hunter2"
    monkeypatch.setenv("SIDENOTE_X_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ImproperlyConfigured, match="cannot be read"):
        env.env_secret("SIDENOTE_X")


def test_it_makes_a_first_secret_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret-key"
    assert env.first_secret(path) == env.first_secret(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_reads_database_urls(tmp_path: Path) -> None:
    socket = env.database("postgresql://user%40x@/name?host=/run/pg&sslmode=disable", tmp_path)
    assert (socket["USER"], socket["NAME"], socket["HOST"], socket["OPTIONS"]) == (
        "user@x",
        "name",
        "/run/pg",
        {"sslmode": "disable"},
    )
    assert env.database("", tmp_path)["NAME"] == str(tmp_path / "sidenote.sqlite3")
    assert env.database("sqlite:///srv/x.db", tmp_path)["NAME"] == "/srv/x.db"
    with pytest.raises(ImproperlyConfigured, match="postgresql://"):
        env.database("mysql://x", tmp_path)
