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


def test_it_reads_database_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIDENOTE_STATEMENT_TIMEOUT_S", raising=False)
    socket = env.database("postgresql://user%40x@/name?host=/run/pg&sslmode=disable", tmp_path)
    assert (socket["USER"], socket["NAME"], socket["HOST"], socket["OPTIONS"]) == (
        "user@x",
        "name",
        "/run/pg",
        {"sslmode": "disable", "options": "-c idle_in_transaction_session_timeout=10s"},
    )
    assert env.database("", tmp_path)["NAME"] == str(tmp_path / "sidenote.sqlite3")
    assert env.database("sqlite:///srv/x.db", tmp_path)["NAME"] == "/srv/x.db"
    with pytest.raises(ImproperlyConfigured, match="postgresql://"):
        env.database("mysql://x", tmp_path)


def test_it_lets_a_page_wait_for_postgresql_only_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIDENOTE_STATEMENT_TIMEOUT_S", "5")
    options = env.database("postgresql://u@h/name?options=-c%20work_mem%3D8MB", tmp_path)["OPTIONS"]
    limits = "-c idle_in_transaction_session_timeout=10s -c statement_timeout=5s -c lock_timeout=2s"
    assert options == {"options": f"{limits} -c work_mem=8MB"}
