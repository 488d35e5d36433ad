"""Where an SSH host is, who it must prove to be and who we are there: plain data, checked before a packet is sent."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from functools import cached_property

_KEY_TYPES = ("ssh-", "ecdsa-", "sk-", "rsa-sha2-")


@dataclass(frozen=True)
class SshTarget:
    """One account on one host.

    ``host_key`` is what the host must show: public key lines, with or without the host patterns of a known_hosts file in
    front; ``@cert-authority`` and ``@revoked`` are understood. Patterns are not matched: the lines are this host's already.
    ``client_key`` is a private key in OpenSSH or PEM form, ``client_cert`` the certificate that an SSH CA signed for it.
    ``via`` is a host to go through.
    """

    address: str
    port: int = 22
    user: str = "root"
    host_key: str = field(default="", repr=False)
    client_key: bytes = field(default=b"", repr=False)
    client_cert: bytes = field(default=b"", repr=False)
    name: str = ""
    via: SshTarget | None = None

    @property
    def server(self) -> tuple[str, int]:
        """The sshd this account lives on."""
        return (self.address, self.port)

    @property
    def first_server(self) -> tuple[str, int]:
        """The sshd that is reached directly: its own, or that of the first host on the way."""
        return self.via.first_server if self.via else self.server

    @cached_property
    def key_id(self) -> str:
        """A short name for the client key and certificate that gives neither away."""
        return hashlib.sha256(self.client_key + b"\0" + self.client_cert).hexdigest()[:16]

    @cached_property
    def pool_key(self) -> tuple[object, ...]:
        """Targets with the same key may share a connection: same place, same account, same proof on both sides, same way."""
        return (self.address, self.port, self.user, self.key_id, self.host_key, self.via.pool_key if self.via else None)

    def say(self) -> str:
        """The host in a sentence: its name where it has one, and where it was looked for."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        place = f"{self.user}@{address}:{self.port}"
        return f"{self.name} ({place})" if self.name else place


@dataclass(frozen=True)
class Pins:
    """The keys of ``SshTarget.host_key`` as public key lines without patterns."""

    trusted: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.trusted or self.authorities)

    def say(self) -> str:
        """The fingerprints that are expected."""
        authorities = [f"any key signed by {fingerprint(line)}" for line in self.authorities]
        return " or ".join([*map(fingerprint, self.trusted), *authorities])


def read_pins(text: str) -> Pins:
    """The pinned keys of a host. Raises ValueError naming the line that is no public key.

    >>> read_pins("web-1,10.0.0.7 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGn2 root@web-1").trusted
    ('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGn2',)
    """
    found: dict[str, list[str]] = {"": [], "@cert-authority": [], "@revoked": []}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0] in found else ""
        if words and not words[0].startswith(_KEY_TYPES):
            words.pop(0)
        if len(words) < 2 or not words[0].startswith(_KEY_TYPES):
            raise ValueError(f"line {number} is not a public key")
        found[marker].append(f"{words[0]} {words[1]}")
    return Pins(tuple(found[""]), tuple(found["@cert-authority"]), tuple(found["@revoked"]))


def fingerprint(public_key: str) -> str:
    """The SHA-256 fingerprint of a public key line, as ``ssh-keygen -l`` prints it. Raises ValueError for anything else.

    >>> fingerprint("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEk0")
    'SHA256:qj4JBxEGHgN92XBkeQ7PL8+ivB5V+VFEnD7Jvd+ae+E'
    """
    words = public_key.split()
    try:
        blob = base64.b64decode(words[1] if words[0].startswith(_KEY_TYPES) else words[2], validate=True)
    except (IndexError, binascii.Error) as error:
        raise ValueError("this is not a public key line") from error
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
