"""From a Host to a transport, and from what a transport met back to the Host."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from checks.errors import HostKeyChangedError, TransportError
from checks.results import Reason
from checks.transports.base import Transport
from runbooks.choices import HostKeyState, TransportKind
from runbooks.clock import db_now
from runbooks.models import Host

if TYPE_CHECKING:
    from checks.transports.pool import ConnectionPool

Opener = Callable[[Callable[[], "ConnectionPool"]], Transport]
"""Builds the transport on the event loop's thread, given what gives the pool; it must not touch the database."""


def _local(host: Host) -> Opener:
    from checks.transports.local import LocalTransport

    return lambda pool: LocalTransport()


def _ssh(host: Host) -> Opener:
    from checks.transports.ssh import SshTransport  # asyncssh is loaded only where it is used
    from checks.transports.ssh_target import SshTarget
    from runbooks.keys import private_key  # and so is cryptography

    assert host.credential is not None
    target = SshTarget(
        address=host.address,
        port=host.port,
        user=host.username,
        host_key=host.host_key,
        client_key=private_key(host.credential),
        name=host.name,
    )
    return lambda pool: SshTransport(target, pool())


OPENERS: dict[str, Callable[[Host], Opener]] = {TransportKind.LOCAL: _local, TransportKind.SSH: _ssh}
"""How each kind of host is reached. A new kind of transport is a new entry."""


def opener(host: Host) -> Opener:
    """What opens the host's transport. Raises CheckError when its key cannot be read."""
    return OPENERS[host.transport](host)


def problem(host: Host) -> tuple[Reason, str] | None:
    """Why no check may run on that host now, or None."""
    if not host.enabled:
        return Reason.REFUSED, f"{host.name} is switched off; switch it on in its settings to run checks there"
    if host.transport != TransportKind.SSH:
        return None
    if host.host_key_state == HostKeyState.CHANGED:
        say = f"{host.name} offered a host key that is not the pinned one; compare the fingerprints before you pin the new one"
        return Reason.HOSTKEY_CHANGED, say
    if host.host_key_state != HostKeyState.PINNED or not host.host_key:
        say = f"the host key of {host.name} is not pinned yet; compare its fingerprint and pin it"
        return Reason.HOSTKEY_UNKNOWN, say
    if not (host.address and host.username and host.credential_id):
        return Reason.REFUSED, f"{host.name} needs an address, a user and a key before it can be reached"
    return None


def note_error(host_id: int, error: TransportError) -> None:
    """A changed host key blocks the host until a person has looked at it."""
    if isinstance(error, HostKeyChangedError):
        Host.objects.filter(pk=host_id).update(host_key_state=HostKeyState.CHANGED, offered_key=error.offered_key)


def note_seen(host_ids: Collection[int]) -> None:
    """These hosts have just answered."""
    Host.objects.filter(pk__in=host_ids).update(last_seen_at=db_now())
