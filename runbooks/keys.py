"""Private keys at rest: encrypted with the keys of SIDENOTE_KEY_ENCRYPTION_KEYS, newest first, separated by commas or lines.

A private key never stands in an argument list, a log line or an error. The first encryption key encrypts, every one may decrypt;
an old one can be taken away once ``reencrypt_all`` has nothing left to do.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction

from checks.errors import CheckError
from checks.results import Reason
from runbooks.models import Credential

_KINDS = (Ed25519PrivateKey, EllipticCurvePrivateKey, RSAPrivateKey)


class KeyLockedError(CheckError):
    """None of the present encryption keys opens this private key."""

    reason = Reason.AUTH_FAILED


class KeyUnreadableError(CheckError):
    """A text that was given as a private key is none, or needs a passphrase."""


@lru_cache(maxsize=4)
def _box(secrets: str) -> MultiFernet:
    return MultiFernet([Fernet(_derive(secret)) for secret in re.split(r"[,\s]+", secrets) if secret])


def _derive(secret: str) -> bytes:
    material = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"sidenote credential").derive(secret.encode())
    return base64.urlsafe_b64encode(material)


@lru_cache(maxsize=8)
def _opened(sealed: bytes, secrets: str) -> bytes:
    """The hosts of a run mostly share a key, and opening it takes longer than claiming a host's steps."""
    return _box(secrets).decrypt(sealed)


def private_key(credential: Credential) -> bytes:
    """The private key as OpenSSH text. Raises KeyLockedError."""
    try:
        return _opened(bytes(credential.private_key), settings.KEY_ENCRYPTION_KEYS)
    except InvalidToken:
        say = (
            f"the key {credential.name} was encrypted with a key that is not in SIDENOTE_KEY_ENCRYPTION_KEYS; add that one again"
        )
        raise KeyLockedError(say) from None


def generate(name: str) -> Credential:
    """A new Ed25519 key pair, saved."""
    return _save(name, Ed25519PrivateKey.generate())


def import_key(name: str, text: str, passphrase: str = "") -> Credential:
    """Save an existing private key, OpenSSH or PEM; from then on it needs no passphrase. Raises KeyUnreadableError."""
    data, secret = text.strip().encode() + b"\n", passphrase.encode() or None
    reader = serialization.load_ssh_private_key if b"OPENSSH" in data else serialization.load_pem_private_key
    try:
        key = reader(data, secret)
        if not isinstance(key, _KINDS):
            raise ValueError(name)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        say = "this is not a private key in OpenSSH or PEM form, or its passphrase is missing or wrong"
        raise KeyUnreadableError(say) from None
    return _save(name, key)


def _save(name: str, key: Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey) -> Credential:
    plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    sealed = _box(settings.KEY_ENCRYPTION_KEYS).encrypt(plain)
    return Credential.objects.create(name=name, public_key=f"{public.decode()} sidenote-{name}", private_key=sealed)


def reencrypt_all() -> int:
    """Encrypt every private key with the newest encryption key, one at a time; how many there are."""
    count = 0
    for credential_id in Credential.objects.values_list("pk", flat=True):
        with transaction.atomic():
            credential = Credential.objects.select_for_update().get(pk=credential_id)
            plain = private_key(credential)
            credential.private_key = _box(settings.KEY_ENCRYPTION_KEYS).encrypt(plain)
            credential.save(update_fields=["private_key"])
            count += 1
    return count
