"""One SSH connection, and every way in which making it fails as a sentence and a reason."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncssh

from checks.errors import HostKeyChangedError, TransportError
from checks.results import Reason
from checks.transports.ssh_settings import HOST_KEY_FAMILIES, LOGIN_S, account_options, acknowledge_at_once, options
from checks.transports.ssh_target import Pins, SshTarget, fingerprint, read_pins
from checks.transports.tcp import CONNECT_S, reach


class DroppedError(TransportError):
    """The server took the connection and closed it before the handshake; sshd does that above MaxStartups."""

    reason = Reason.CONN_LOST


class Client(asyncssh.SSHClient):
    """What is noticed while a connection is made. Trusts nothing by itself."""

    def __init__(self) -> None:
        self.connection: asyncssh.SSHClientConnection | None = None
        self.refused_key = ""

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.connection = conn
        acknowledge_at_once(conn)

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.refused_key = " ".join(key.export_public_key().decode().split()[:2])
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.refused_key = " ".join(key.export_public_key().decode().split()[:2])
        return False

    @property
    def greeted(self) -> bool:
        """True when the server has sent its version."""
        return bool(self.connection and self.connection.get_extra_info("server_version"))


async def connect(target: SshTarget, tunnel: asyncssh.SSHClientConnection | None = None) -> asyncssh.SSHClientConnection:
    """A connection that has proved who it is and has let us in. ``tunnel`` is a connection to ``target.via``.

    Raises TransportError; without a pinned host key before anything is sent.
    """
    pins = _pins(target)
    settings = _settings(target, pins)
    client = Client()
    try:
        if tunnel is not None:
            async with asyncio.timeout(CONNECT_S + LOGIN_S):
                return await _handshake(target, client, settings, tunnel=tunnel)
        return await _handshake(target, client, settings, sock=await reach(target.address, target.port, target.say()))
    except TransportError:
        raise
    except Exception as error:  # a hostile server can make the library raise nearly anything
        raise failure(target, client, pins, error) from error


async def _handshake(target: SshTarget, client: Client, settings: Any, **way: Any) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        target.address, target.port, options=settings, config=None, client_factory=lambda: client, **way
    )


def _pins(target: SshTarget) -> Pins:
    try:
        pins = read_pins(target.host_key)
    except ValueError as error:
        raise TransportError(f"the pinned host key of {target.say()} cannot be read: {error}", Reason.HOSTKEY_UNKNOWN) from error
    if not pins:
        say = f"no host key is confirmed for {target.say()}; compare its fingerprint on the host's console and confirm it"
        raise TransportError(say, Reason.HOSTKEY_UNKNOWN)
    return pins


def _settings(target: SshTarget, pins: Pins) -> asyncssh.SSHClientConnectionOptions:
    try:
        return account_options(target.user, target.client_key, target.client_cert, pins)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError) as error:
        say = f"the private key or the pinned host key for {target.say()} cannot be used: {error}"
        raise TransportError(say, Reason.AUTH_FAILED) from error


def failure(target: SshTarget, client: Client, pins: Pins, error: Exception) -> TransportError:
    """What to tell about an error that came out of the handshake."""
    say = target.say()
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        shown = (
            fingerprint(client.refused_key)
            if client.refused_key
            else f"a host key that does not count ({printable(error.reason)})"
        )
        told = f"{say} showed {shown} where {pins.say()} is pinned; no login was tried. Find out who changed it, then pin anew"
        return HostKeyChangedError(told, client.refused_key or "")
    if isinstance(error, asyncssh.PermissionDenied) or "authentication failures" in str(error):
        told = f"{say} did not accept our key (publickey); check the account and its authorized_keys"
        return TransportError(told, Reason.AUTH_FAILED)
    if isinstance(error, TimeoutError) or "Login timeout" in str(error):
        stage = "the login was not finished" if client.greeted else "it did not speak SSH"
        return TransportError(f"{say} took the connection but {stage} within {LOGIN_S} s; look at its load", Reason.LOGIN_TIMEOUT)
    if isinstance(error, asyncssh.ConnectionLost | OSError):
        if not client.greeted:
            return DroppedError(f"{say} closed the connection before it spoke SSH; sshd does so above MaxStartups, try again")
        return TransportError(f"{say} closed the connection during the handshake; look at its sshd log", Reason.CONN_LOST)
    detail = printable(getattr(error, "reason", "") or str(error) or type(error).__name__)
    return TransportError(f"{say} does not speak SSH that we understand ({detail}); see what listens there", Reason.SSH_PROTOCOL)


def printable(text: str) -> str:
    """A host's own words, fit for a sentence: short, and nothing that moves a cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:200]).strip()


async def scan_host_key(address: str, port: int = 22) -> list[str]:
    """The public keys that this sshd offers, one per family, as key lines. They prove nothing yet: a person must compare them.

    Each connection ends when the key has been shown; no login is tried. Raises TransportError when the host does not answer.
    """
    target = SshTarget(address, port)
    found = []
    for family in HOST_KEY_FAMILIES:
        client = Client()
        settings = options(username="", client_keys=None, known_hosts=([], [], []), server_host_key_algs=family)
        try:
            sock = await reach(address, port, target.say())
            connection = await _handshake(target, client, settings, sock=sock)
            connection.abort()
        except TransportError:
            raise
        except Exception as error:
            if client.refused_key:
                found.append(client.refused_key)
            elif not client.greeted:
                raise failure(target, client, Pins(), error) from error
    return found
