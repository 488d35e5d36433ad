"""From a host's row to a transport, and back."""

from __future__ import annotations

from typing import Any

import pytest

from checks.transports.local import LocalTransport
from checks.transports.pool import ConnectionPool
from checks.transports.ssh import SshTransport
from runbooks import hosts, keys
from runbooks.choices import HostKeyState
from runbooks.execution import execute
from runbooks.models import Host, Result

pytestmark = pytest.mark.django_db


def no_pool() -> ConnectionPool:
    raise AssertionError("a local host needs no connection")


def test_it_reaches_this_machine_without_a_connection() -> None:
    opened = hosts.opener(Host(name="here", transport="local"))(no_pool)
    assert isinstance(opened, LocalTransport)


async def test_it_reaches_an_ssh_host_with_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "private_key", lambda credential: b"the key of " + credential.name.encode())
    host = Host(name="web-1", transport="ssh", address="192.0.2.7", port=2222, username="ops", host_key="ssh-ed25519 AAAA")
    host.credential = keys.Credential(name="ops")
    opened = hosts.opener(host)(ConnectionPool)
    assert isinstance(opened, SshTransport)
    target = opened.target
    assert (target.address, target.port, target.user, target.name) == ("192.0.2.7", 2222, "ops", "web-1")
    assert (target.host_key, target.client_key) == ("ssh-ed25519 AAAA", b"the key of ops")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"enabled": False}, "refused"),
        ({"host_key_state": HostKeyState.PENDING}, "hostkey_unknown"),
        ({"host_key_state": HostKeyState.CHANGED}, "hostkey_changed"),
        ({"host_key": ""}, "hostkey_unknown"),
        ({"credential_id": None}, "refused"),
        ({"address": ""}, "refused"),
    ],
)
def test_it_names_what_keeps_checks_from_a_host(fields: dict[str, Any], reason: str) -> None:
    good = {
        "name": "web-1",
        "address": "192.0.2.7",
        "username": "ops",
        "credential_id": 1,
        "host_key": "ssh-ed25519 AAAA",
        "host_key_state": HostKeyState.PINNED,
    }
    assert hosts.problem(Host(**good)) is None
    found = hosts.problem(Host(**good | fields))
    assert found
    assert found[0] == reason
    assert "web-1" in found[1]


def test_it_ends_the_steps_of_a_host_whose_key_is_locked(start: Any, script: Any, settings: Any, toy_host: Any) -> None:
    credential = keys.generate("ops")
    host = toy_host(
        transport="ssh",
        address="192.0.2.7",
        username="ops",
        credential=credential,
        host_key="ssh-ed25519 AAAA",
        host_key_state=HostKeyState.PINNED,
    )
    run = start(hosts=[host, toy_host()])
    settings.KEY_ENCRYPTION_KEYS = "another"
    execute(run.pk, list(run.hosts.values_list("pk", flat=True)))
    said = Result.objects.filter(step__run=run).values_list("step__host", "verdict", "reason")
    assert set(said) == {(host.pk, "unknown", "auth_failed"), (run.hosts.exclude(pk=host.pk).get().pk, "ok", "")}


def test_it_notes_when_a_host_was_seen(start: Any, toy_host: Any) -> None:
    host = toy_host()
    run = start(hosts=[host])
    execute(run.pk, [host.pk])
    host.refresh_from_db()
    assert host.last_seen_at
