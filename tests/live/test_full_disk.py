"""A disk that is really full: nothing new starts, all can be read, and once there is room it goes on without a restart."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RUN = {"runbook": "cgroup-pids-limit-fork-failure"}
pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture
def small_disk(root: None, tmp_path: Path, left_out: Callable[[str], None]) -> Iterator[Path]:
    """A disk of 80 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", place], capture_output=True, text=True)
    if done.returncode:
        left_out(f"no disk can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


class Site:
    """``manage.py up`` with its data on that disk, and a bot with a token."""

    def __init__(self, disk: Path, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("SIDENOTE_")}
        self.env, self.log = plain | {"SIDENOTE_DATA_DIR": str(disk / "data")}, log
        argv = [sys.executable, "manage.py", "up", "--port", str(self.port), "--workers", "1"]
        with log.open("wb") as output:
            self.process = subprocess.Popen(argv, cwd=ROOT, env=self.env, stdout=output, stderr=subprocess.STDOUT)
        end = time.monotonic() + 90
        while "Sidenote is ready" not in log.read_text():
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        argv = [sys.executable, "manage.py", "create_token", "admin", "--scope", "run"]
        told = subprocess.run(argv, cwd=ROOT, env=self.env, capture_output=True, text=True, check=True).stdout
        self.token = re.findall(r"sn_\S+", told)[-1]

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/{path}", data, headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while shutil.disk_usage(disk).free:
            file.write(bytes(min(1 << 20, shutil.disk_usage(disk).free)))
    return filler


def test_it_starts_nothing_on_a_full_disk_and_goes_on_when_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    site = Site(small_disk, tmp_path / "said")
    try:
        host = site.ask("hosts")[1]["items"][0]["name"]
        status, first = site.ask("runs", {**RUN, "hosts": [host]})
        assert status == 202
        filler = _fill(small_disk)
        status, refused = site.ask("runs", {**RUN, "hosts": [host]})
        assert (status, refused["title"]) == (507, "Insufficient Storage")
        assert "full, so nothing was started" in refused["detail"]
        assert site.ask(f"runs/{first['id']}")[0] == 200
        assert len(site.ask("runs")[1]["items"]) == 1
        filler.unlink()
        status, second = site.ask("runs", {**RUN, "hosts": [host]})
        assert status == 202
        for run in (first, second):
            while (found := site.ask(f"runs/{run['id']}?wait=30")[1])["state"] != "finished":
                assert found["state"] in ("queued", "running")
            assert {step["state"] for step in found["steps"]} <= {"done", "skipped"}
    finally:
        site.process.send_signal(signal.SIGTERM)
        assert site.process.wait(40) == 0
