"""Targets, pinned keys and fingerprints: plain data."""

import asyncssh
import pytest

from checks.transports.ssh_target import Pins, SshTarget, fingerprint, read_pins

KEYS = [asyncssh.generate_private_key(kind) for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256")]
LINES = [key.export_public_key().decode().strip() for key in KEYS]


@pytest.mark.parametrize("key", KEYS)
def test_it_fingerprints_as_the_library_does(key):
    line = key.export_public_key().decode()
    assert fingerprint(line) == key.get_fingerprint()
    assert fingerprint(f"host,10.0.0.1 {line}") == key.get_fingerprint()


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 %%%", "one two three", "host ssh-ed25519"])
def test_it_fingerprints_nothing_else(text):
    with pytest.raises(ValueError, match="public key"):
        fingerprint(text)


def test_it_reads_keys_with_and_without_patterns_and_markers():
    one, two = (" ".join(line.split()[:2]) for line in LINES)
    text = f"# comment\n\n{one} a comment\nbox,[10.0.0.1]:22 {two}\n@cert-authority * {one}\n@revoked * {two}\r\n"
    assert read_pins(text) == Pins((one, two), (one,), (two,))


@pytest.mark.parametrize(("text", "number"), [("nonsense", 1), ("\nhost ssh-ed25519", 2), ("@revoked *", 1), ("a b c", 1)])
def test_it_names_the_line_that_is_no_key(text, number):
    with pytest.raises(ValueError, match=f"line {number} "):
        read_pins(text)


def test_it_trusts_nothing_when_only_revoked_keys_are_there():
    assert not read_pins(f"@revoked * {LINES[0]}")
    assert not read_pins("# nothing")


def test_it_shows_no_secret_and_names_the_place():
    target = SshTarget("fe80::1", 2222, "me", LINES[0], b"-----PRIVATE", name="box")
    assert "PRIVATE" not in repr(target)
    assert target.say() == "box (me@[fe80::1]:2222)"
    assert "PRIVATE" not in str(target.pool_key)
