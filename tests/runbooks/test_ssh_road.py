"""The whole road to a real sshd on this machine: key, pin, checks, results, and a host key that changed."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from runbooks import keys
from runbooks.choices import HostKeyState, StepState
from runbooks.execution import execute
from runbooks.models import Host, Result, Run

pytestmark = [pytest.mark.django_db, pytest.mark.needs("openssh-server")]
CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
"""


@dataclass
class Sshd:
    """A server of our own and what it is known by."""

    port: int
    host_key: str
    client_key: str


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("sshd did not start")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    host_key, client_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    host_key.write_private_key(tmp_path / "host_key")
    (tmp_path / "host_key").chmod(0o600)
    client_key.write_public_key(tmp_path / "authorized_keys")
    port = _free_port()
    (tmp_path / "config").write_text(CONFIG.format(port=port, folder=tmp_path))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    program = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin")
    assert program
    process = subprocess.Popen([program, "-D", "-e", "-f", str(tmp_path / "config")], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield Sshd(port, host_key.export_public_key().decode(), client_key.export_private_key().decode())
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def host(sshd: Sshd) -> Host:
    return Host.objects.create(
        name="ssh-1",
        transport="ssh",
        address="127.0.0.1",
        port=sshd.port,
        username=getpass.getuser(),
        credential=keys.import_key("ops", sshd.client_key),
        host_key=sshd.host_key,
        host_key_state=HostKeyState.PINNED,
    )


def run_all(run: Run) -> Run:
    execute(run.pk, list(run.hosts.values_list("pk", flat=True)))
    run.refresh_from_db()
    return run


def test_it_checks_a_host_over_ssh(start: Callable[..., Run], host: Host) -> None:
    run = run_all(start(hosts=[host], params={"word": "12"}))
    said = dict(Result.objects.filter(step__run=run).values_list("step__check_id", "finding"))
    assert said == {"first": "the number is 5", "second": "the number is 12"}
    assert run.verdict == "ok"


def test_it_blocks_a_host_that_shows_another_key(start: Callable[..., Run], host: Host, sshd: Sshd) -> None:
    another = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    Host.objects.filter(pk=host.pk).update(host_key=another)
    run = run_all(start(hosts=[host]))
    assert {step.state for step in run.steps.all()} == {StepState.REFUSED}
    assert set(Result.objects.filter(step__run=run).values_list("reason", flat=True)) == {"hostkey_changed"}
    host.refresh_from_db()
    assert (host.host_key_state, host.host_key) == (HostKeyState.CHANGED, another)
    assert host.offered_key.split()[:2] == sshd.host_key.split()[:2]


def test_it_names_a_key_that_the_host_does_not_accept(start: Callable[..., Run], host: Host, sshd: Any) -> None:
    host.credential = keys.generate("stranger")
    host.save()
    run = run_all(start(hosts=[host]))
    assert set(Result.objects.filter(step__run=run).values_list("reason", flat=True)) == {"auth_failed"}
    assert {step.state for step in run.steps.all()} == {StepState.ERROR}
