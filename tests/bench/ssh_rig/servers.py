"""The other side of the measurements: a real sshd of our own, a slow line, and a host that answers without working."""

from __future__ import annotations

import asyncio
import getpass
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh

from checks.transports.ssh import SshTarget

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin")
CONFIG = """
ListenAddress 0.0.0.0
Port {port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
UsePAM no
StrictModes no
UseDNS no
MaxStartups 300
SetEnv HOME={directory}/home
LogLevel ERROR
"""


@dataclass
class Server:
    """A process that listens, and the target that reaches it."""

    process: subprocess.Popen[bytes]
    target: SshTarget

    def at(self, address: str = "127.0.0.1", port: int = 0) -> SshTarget:
        return replace(self.target, address=address, port=port or self.target.port)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def keys(directory: Path) -> tuple[str, bytes]:
    """A host key and a client key in that directory; the host's public line and the client's private bytes."""
    host_key, client_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    host_key.write_private_key(directory / "host_key")
    (directory / "host_key").chmod(0o600)
    client_key.write_private_key(directory / "client_key")
    (directory / "client_key").chmod(0o600)
    client_key.write_public_key(directory / "authorized_keys")
    return host_key.export_public_key().decode(), client_key.export_private_key()


def start_sshd(directory: Path) -> Server:
    (directory / "home").mkdir(parents=True)
    host_key, client_key = keys(directory)
    port = free_port()
    (directory / "config").write_text(CONFIG.format(port=port, directory=directory))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(directory / "config")], stdin=subprocess.DEVNULL)
    time.sleep(0.3)
    return Server(process, SshTarget("127.0.0.1", port, getpass.getuser(), host_key, client_key))


def start_stub(directory: Path, delay_s: float, answers: Sequence[str] = ("x" * 500,)) -> Server:
    """A host that answers every script after ``delay_s``, and forks nothing.

    Its commands print ``answers`` in turn. ``@`` in one becomes the address that was asked and a number that never comes twice.
    """
    directory.mkdir()
    (directory / "answers").write_text(json.dumps(answers))
    host_key, client_key = keys(directory)
    process = _python("stub", str(directory), str(delay_s))
    return Server(process, SshTarget("127.0.0.1", _port_of(process), "anyone", host_key, client_key))


class Line:
    """A TCP line that takes ``one_way_s`` in each direction."""

    def __init__(self, to_port: int, one_way_s: float) -> None:
        self._process = _python("line", str(to_port), str(one_way_s))
        self.port = _port_of(self._process)

    def stop(self) -> list[float]:
        """For each connection the milliseconds that the server took to answer, in all its turns."""
        self._process.terminate()
        told, _ = self._process.communicate()
        return [float(word) for word in told.split()]


def _python(*words: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE, env=environment)


def _port_of(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


async def stub(directory: str, delay_s: str) -> None:
    answers = json.loads(Path(directory, "answers").read_text())  # noqa: ASYNC240  before anyone has connected
    turns = itertools.count()

    async def answer(process: asyncssh.SSHServerProcess[bytes]) -> None:
        script = b""
        while not script.endswith(b"\nmain\n"):
            script += await process.stdin.read(65536)
        boundary = re.search(rb"^B=(\w+)$", script, re.M)[1].decode()  # type: ignore[index]
        runs = re.findall(rb"^run \w+ (\d+) ", script, re.M)
        process.stdout.write(f"\n{boundary} hello\n".encode())
        process.stderr.write(f"\n{boundary} hello\n".encode())
        await asyncio.sleep(float(delay_s))
        this = f"{process.get_extra_info('sockname')[0]} {next(turns)}"
        for number, run in enumerate(runs):
            said = answers[number % len(answers)].replace("@", this)
            process.stdout.write(f"{said}\n{boundary} {run.decode()} 0 1.00 1.01\n".encode())
            process.stderr.write(f"\n{boundary} {run.decode()}\n".encode())
        process.exit(0)

    server = await asyncssh.listen(
        "0.0.0.0",
        0,
        server_host_keys=[f"{directory}/host_key"],
        authorized_client_keys=f"{directory}/authorized_keys",
        process_factory=answer,
        encoding=None,
        login_timeout=60,
    )
    print(server.get_port(), flush=True)
    await server.wait_closed()


async def line(to_port: str, one_way_s: str) -> None:
    """Prints, for each connection that ends, the milliseconds for which the server had the last word to answer."""
    loop = asyncio.get_running_loop()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", int(to_port))
        plain_socket = back.get_extra_info("socket")
        asked_at: float | None = None
        thought = 0.0

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked_at, thought
            while data := await reader.read(65536):
                if reader is not there:
                    asked_at = asked_at or loop.time()
                else:
                    plain_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                    thought += loop.time() - asked_at if asked_at else 0
                    asked_at = None
                loop.call_later(float(one_way_s), writer.write, data)
            loop.call_later(float(one_way_s), writer.close)

        await asyncio.gather(carry(reader, back), carry(there, writer), return_exceptions=True)
        print(1000 * thought, flush=True)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run({"stub": stub, "line": line}[sys.argv[1]](*sys.argv[2:]))
