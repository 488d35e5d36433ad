"""The fixed settings of every SSH connection: only the pinned host key counts, no file of this account is read, one key.

Which settings pay was measured: no file of known hosts per connection, keys loaded once, the cheap algorithms first.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import Any

import asyncssh

from checks.transports.ssh_target import Pins

LOGIN_S = 10
KEEPALIVE_S = 5
KEEPALIVE_MISSES = 2
"""A peer that is silent is dropped after (misses + 1) x interval."""

# Cheapest first; the rest are for hosts that are too old for it.
_KEX = [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha1",
]
_CIPHERS = [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
]
HOST_KEY_FAMILIES = (
    ["ssh-ed25519"],
    ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"],
    ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"],
)
_HOST_CERTIFICATES = [
    "ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
]


def acknowledge_at_once(connection: Any) -> None:
    """Ask for an immediate TCP acknowledgement after each read.

    sshd leaves Nagle's algorithm on until the session starts and would wait 40 ms for the delayed acknowledgement. The kernel
    forgets the option, so it is set again and again.
    """
    option = getattr(socket, "TCP_QUICKACK", None)
    plain_socket = connection.get_extra_info("socket")
    if option is None or plain_socket is None:
        return
    receive = connection.data_received

    def data_received(data: bytes, datatype: int | None = None) -> None:
        receive(data, datatype)
        try:
            plain_socket.setsockopt(socket.IPPROTO_TCP, option, 1)
        except OSError:
            pass  # the socket was closed by what it received

    connection.data_received = data_received


@lru_cache(maxsize=512)
def _client_keys(private_key: bytes, certificate: bytes) -> list[Any]:
    """Loaded once: reading an RSA key costs a tenth of a second."""
    key = asyncssh.import_private_key(private_key)
    return [(key, asyncssh.import_certificate(certificate))] if certificate else [key]


@lru_cache(maxsize=2048)
def account_options(user: str, client_key: bytes, client_cert: bytes, pins: Pins) -> asyncssh.SSHClientConnectionOptions:
    trusted = [asyncssh.import_public_key(line) for line in pins.trusted]
    authorities = [asyncssh.import_public_key(line) for line in pins.authorities]
    revoked = [asyncssh.import_public_key(line) for line in pins.revoked]
    # The pinned kinds first, then all: a host that lost its pinned kind of key shows another one, and that is a changed key.
    pinned = [name.decode() for key in trusted for name in key.sig_algorithms]
    known = [name for family in HOST_KEY_FAMILIES for name in family]
    return options(
        username=user,
        client_keys=_client_keys(client_key, client_cert),
        known_hosts=(trusted, authorities, revoked),
        server_host_key_algs=list(dict.fromkeys([*(_HOST_CERTIFICATES if authorities else []), *pinned, *known])),
    )


def options(*, known_hosts: tuple[list[Any], list[Any], list[Any]], **settings: Any) -> asyncssh.SSHClientConnectionOptions:
    """The settings that every connection has, and these. ``known_hosts``: trusted keys, authorities, revoked keys."""
    return asyncssh.SSHClientConnectionOptions(
        config=None,
        known_hosts=known_hosts,
        agent_path=None,
        gss_host=None,
        gss_kex=False,
        gss_auth=False,
        x509_trusted_certs=None,
        x509_trusted_cert_paths=[],
        preferred_auth="publickey",
        kex_algs=_KEX,
        encryption_algs=_CIPHERS,
        compression_algs=["none"],
        login_timeout=LOGIN_S,
        keepalive_interval=KEEPALIVE_S,
        keepalive_count_max=KEEPALIVE_MISSES,
        encoding=None,
        **settings,
    )
