"""Workers die, freeze and miss messages; every step still ends once, with one result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CHAOS = Path(__file__).with_name("chaos.py")


@pytest.fixture
def database_url(tmp_path: Path) -> Iterator[str]:
    """A database of its own, of the kind that this test session uses."""
    here = os.environ.get("SIDENOTE_DATABASE_URL", "")
    if not here.startswith("postgres"):
        yield f"sqlite:{tmp_path}/chaos.sqlite3"
        return
    import psycopg

    name = f"chaos_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(here, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    yield urlsplit(here)._replace(path=f"/{name}").geturl()
    with psycopg.connect(here, autocommit=True) as server:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_it_ends_every_step_once_whatever_happens_to_the_workers(database_url: str, tmp_path: Path) -> None:
    environment = os.environ | {"SIDENOTE_DATABASE_URL": database_url, "SIDENOTE_DATA_DIR": str(tmp_path / "data")}
    ran = subprocess.run([sys.executable, str(CHAOS)], env=environment, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    print(said)
    assert said["states"] == {"done": 3000}, said
    assert said["results"] == said["sections"] == said["steps_ended_once"] == said["steps"] == 3000
    assert said["steps_ended_twice"] == said["results_of_an_older_fence"] == said["runs_with_gaps"] == 0
    assert said["runs_finished_ok"] == 50
    assert said["attempts"], "no worker was killed while it worked: this was no test"
    assert said["lost"], said
    assert said["doubled"], said
