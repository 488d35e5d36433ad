"""Where a check runs, as it is written on the command line: ``local`` or ``ssh://user@host:port?key=/path&hostkey=…``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from checks.errors import CheckError
from checks.transports.base import Transport
from checks.transports.local import LocalTransport
from checks.transports.ssh_target import SshTarget

_FORM = "write local or ssh://user@host:port?key=/path/to/private/key&hostkey=/path/to/known_hosts"
_OWN_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@asynccontextmanager
async def reach(where: str) -> AsyncIterator[Transport]:
    """The transport for ``where``. ``key`` and ``hostkey`` default to this account's own key and known hosts.

    ``hostkey`` is a known_hosts file or a public key line. Raises CheckError that says what to write.
    """
    if where == "local":
        yield LocalTransport()
        return
    from checks.transports.ssh import ConnectionPool, SshTransport  # asyncssh takes a while to load

    pool = ConnectionPool()
    try:
        yield SshTransport(ssh_target(where), pool)
    finally:
        await pool.close()


def ssh_target(where: str) -> SshTarget:
    """The account that ``ssh://…`` names."""
    try:
        url = urlsplit(where)
        port = url.port or 22
    except ValueError as error:
        raise CheckError(f"{where} is no place to run: {error}; {_FORM}") from error
    options = {name: values[-1] for name, values in parse_qs(url.query.replace("+", "%2B"), keep_blank_values=True).items()}
    if url.scheme != "ssh" or not url.hostname or url.path not in ("", "/") or set(options) - {"key", "hostkey"}:
        raise CheckError(f"{where} is no place to run: {_FORM}")
    if url.password:
        raise CheckError("a password does not belong on a command line, where everybody can read it: use a key")
    ours = Path.home() / ".ssh"
    pins = options.get("hostkey") or str(ours / "known_hosts")
    host_key = _known(pins, url.hostname, port) if pins.startswith("/") else pins
    key = options.get("key") or next((str(path) for name in _OWN_KEYS if (path := ours / name).exists()), "")
    if not key:
        raise CheckError(f"there is no private key for {url.hostname}: write ?key=/path, or make one with ssh-keygen -t ed25519")
    return SshTarget(url.hostname, port, url.username or "root", host_key, _read(key))


def _known(path: str, address: str, port: int) -> str:
    """The lines that a known_hosts file holds for this host, in the form that ``SshTarget`` reads."""
    import asyncssh

    if not Path(path).exists():
        return ""
    try:
        trusted, authorities, revoked, *_ = asyncssh.match_known_hosts(_read(path), address, "", None if port == 22 else port)
    except ValueError as error:
        raise CheckError(f"{path} is not a known_hosts file: {error}") from error
    groups: tuple[tuple[str, Any], ...] = (("", trusted), ("@cert-authority ", authorities), ("@revoked ", revoked))
    return "".join(mark + key.export_public_key().decode() for mark, keys in groups for key in keys)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CheckError(f"{path} cannot be read: {error.strerror}") from error
