"""An sshd of our own on loopback, with its own keys and its own configuration, and the targets that reach it."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from checks.errors import TransportError
from checks.results import Section
from checks.transports import ssh_settings
from checks.transports.base import Command, Transport
from checks.transports.pool import PoolLimits
from checks.transports.ssh import ConnectionPool, SshTarget, SshTransport

SSHD_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
SetEnv HOME={directory}/home
LogLevel DEBUG1
{extra}
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Sshd:
    """A running sshd, its log, and how to reach it."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes]
    target: SshTarget

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def sessions(self) -> list[int]:
        """The processes under the listening one, parents first."""
        found: list[int] = []
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop(0)
            children = Path(f"/proc/{pid}/task/{pid}/children")
            born = [int(word) for word in children.read_text().split()] if children.exists() else []
            found += born
            waiting += born
        return found

    def stop(self) -> None:
        for pid in [*self.sessions(), self.process.pid]:
            for number in (signal.SIGCONT, signal.SIGKILL):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
        self.process.wait()


@pytest.fixture(scope="session")
def client_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
def start_sshd(tmp_path: Path, client_key: asyncssh.SSHKey) -> Iterator[Callable[..., Sshd]]:
    """Start an sshd with further configuration lines; all are stopped at the end."""
    running: list[Sshd] = []

    def start(*extra: str, key_type: str = "ssh-ed25519", port: int = 0) -> Sshd:
        port = port or free_port()
        directory = tmp_path / f"sshd-{port}-{len(running)}"
        (directory / "home").mkdir(parents=True)
        host_key = asyncssh.generate_private_key(key_type)
        host_key.write_private_key(directory / "host_key")
        (directory / "host_key").chmod(0o600)
        client_key.write_public_key(directory / "authorized_keys")
        (directory / "config").write_text(SSHD_CONFIG.format(port=port, directory=directory, extra="\n".join(extra)))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin") or "sshd"
        with (directory / "log").open("wb") as log:
            command = [program, "-D", "-e", "-f", str(directory / "config")]
            process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
        target = SshTarget(
            "127.0.0.1",
            port,
            getpass.getuser(),
            host_key=host_key.export_public_key().decode(),
            client_key=client_key.export_private_key(),
            name="box",
        )
        sshd = Sshd(directory, port, process, target)
        running.append(sshd)
        wait_until_listening(sshd)
        return sshd

    yield start
    for sshd in running:
        sshd.stop()


def wait_until_listening(sshd: Sshd) -> None:
    for _ in range(300):
        if "Server listening" in sshd.log:
            return
        assert sshd.process.poll() is None, sshd.log
        time.sleep(0.02)
    raise AssertionError(sshd.log)


@pytest.fixture
def sshd(start_sshd: Callable[..., Sshd]) -> Sshd:
    return start_sshd()


@pytest.fixture
async def pool_of() -> AsyncIterator[Callable[..., ConnectionPool]]:
    """A pool with other limits; all are closed at the end."""
    made: list[ConnectionPool] = []

    def make(*arguments: Any, **limits: Any) -> ConnectionPool:
        made.append(ConnectionPool(PoolLimits(**limits), *arguments))
        return made[-1]

    yield make
    for pool in made:
        await pool.close()


@pytest.fixture
def pool(pool_of: Callable[..., ConnectionPool]) -> ConnectionPool:
    return pool_of()


@pytest.fixture
def over_ssh(pool: ConnectionPool) -> Callable[..., SshTransport]:
    """A transport to this sshd; keywords change its target."""

    def make(sshd: Sshd, *, hello_s: float = 10, grace_s: float = 5, **changed: object) -> SshTransport:
        return SshTransport(replace(sshd.target, **changed), pool, hello_s=hello_s, grace_s=grace_s)  # type: ignore[arg-type]

    return make


@pytest.fixture
def gather() -> Callable[..., asyncio.Future[list[Section]]]:
    """All sections of a batch."""

    async def collect(transport: Transport, *commands: Command) -> list[Section]:
        return [section async for section in transport.collect(commands)]

    return collect  # type: ignore[return-value]


@pytest.fixture
def processes() -> Callable[[str], list[int]]:
    """The processes whose arguments hold a word that only this test uses."""

    def find(marker: str) -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if marker.encode() in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    return find


async def until(true: Callable[[], object], say: str) -> None:
    for _ in range(200):
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(say)


@pytest.fixture
def running(processes: Callable[[str], list[int]]) -> Callable[[str], object]:
    """Wait until there is such a process."""
    return lambda marker: until(lambda: processes(marker), f"{marker} never ran")


@pytest.fixture
def gone(processes: Callable[[str], list[int]]) -> Callable[[str], object]:
    """Wait until no such process is left."""
    return lambda marker: until(lambda: not processes(marker), f"{marker} still runs")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Limits of one second for login and keep-alive, so that a dead peer is noticed in two."""
    monkeypatch.setattr(ssh_settings, "LOGIN_S", 1)
    monkeypatch.setattr(ssh_settings, "KEEPALIVE_S", 1)
    monkeypatch.setattr(ssh_settings, "KEEPALIVE_MISSES", 1)
    ssh_settings.account_options.cache_clear()
    yield
    ssh_settings.account_options.cache_clear()


@pytest.fixture
def refusal() -> Callable[..., object]:
    """The TransportError that a batch ends with, and the sections before it."""

    async def fail(transport: Transport, *commands: Command) -> tuple[TransportError, list[Section]]:
        sections: list[Section] = []

        async def collect() -> None:
            async for section in transport.collect(commands or [Command("any", "echo any")]):
                sections.append(section)  # noqa: PERF401  (what came before the error counts)

        with pytest.raises(TransportError) as caught:
            await collect()
        assert caught.value.say
        assert not caught.value.say.endswith(".")
        return caught.value, sections

    return fail
