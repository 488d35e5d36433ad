"""Private keys are kept encrypted, and an encryption key can be changed."""

from __future__ import annotations

import logging
from typing import Any

import asyncssh
import pytest

from checks.results import Reason
from runbooks import keys
from runbooks.models import Credential

pytestmark = pytest.mark.django_db


def test_it_makes_a_key_pair() -> None:
    credential = keys.generate("web")
    plain = keys.private_key(credential)
    pair = asyncssh.import_private_key(plain)
    assert credential.public_key.startswith("ssh-ed25519 ")
    assert credential.public_key.endswith(" sidenote-web")
    assert pair.export_public_key().decode().split()[:2] == credential.public_key.split()[:2]


def test_it_keeps_no_key_in_the_clear() -> None:
    keys.generate("web")
    stored = bytes(Credential.objects.get().private_key)
    assert b"PRIVATE KEY" not in stored
    assert stored.startswith(b"gAAAA")


@pytest.mark.parametrize(
    ("kind", "form"), [("ssh-ed25519", "openssh"), ("ecdsa-sha2-nistp256", "pkcs8-pem"), ("ssh-rsa", "pkcs1-pem")]
)
def test_it_takes_an_existing_key(kind: str, form: str) -> None:
    pair = asyncssh.generate_private_key(kind)
    credential = keys.import_key("old", pair.export_private_key(form).decode())
    assert asyncssh.import_private_key(keys.private_key(credential)).export_public_key() == pair.export_public_key()


def test_it_takes_a_key_with_a_passphrase() -> None:
    text = asyncssh.generate_private_key("ssh-ed25519").export_private_key("pkcs8-pem", "secret words").decode()
    credential = keys.import_key("old", text, "secret words")
    assert asyncssh.import_private_key(keys.private_key(credential))


@pytest.mark.parametrize("passphrase", ["", "wrong"])
def test_it_says_what_is_wrong_with_a_key_and_nothing_of_its_text(passphrase: str) -> None:
    text = asyncssh.generate_private_key("ssh-ed25519").export_private_key("pkcs8-pem", "secret words").decode()
    with pytest.raises(keys.KeyUnreadableError) as caught:
        keys.import_key("old", text, passphrase)
    assert "passphrase is missing or wrong" in caught.value.say
    assert text.split("\n")[1] not in str(caught.value)
    with pytest.raises(keys.KeyUnreadableError):
        keys.import_key("old", "rubbish")


def test_it_opens_old_keys_until_they_are_encrypted_anew(settings: Any) -> None:
    settings.KEY_ENCRYPTION_KEYS = "first"
    credential = keys.generate("web")
    plain = keys.private_key(credential)
    settings.KEY_ENCRYPTION_KEYS = "second, first"
    assert keys.private_key(credential) == plain
    assert keys.reencrypt_all() == 1
    settings.KEY_ENCRYPTION_KEYS = "second"
    credential.refresh_from_db()
    assert keys.private_key(credential) == plain


def test_it_says_that_a_key_is_locked(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.KEY_ENCRYPTION_KEYS = "first"
    credential = keys.generate("web")
    settings.KEY_ENCRYPTION_KEYS = "another"
    with caplog.at_level(logging.DEBUG), pytest.raises(keys.KeyLockedError, match="SIDENOTE_KEY_ENCRYPTION_KEYS") as caught:
        keys.private_key(credential)
    assert caught.value.reason == Reason.AUTH_FAILED
    assert "first" not in caplog.text
