"""What people do is written down, in the same transaction."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from checks.transports.ssh_target import fingerprint
from kb.models import ApiToken, AuditEntry
from runbooks.choices import HostKeyState, TransportKind
from runbooks.dispatch import cancel, start_run
from runbooks.models import Host, Run
from runbooks.revisions import add_revision

pytestmark = pytest.mark.django_db

TEXT = "---\ntitle: T\nkind: incident\n---\n\n## Diagnosis\n\n```check\nid: kernel\nprobe: kernel.gate\n```\n"


@pytest.fixture
def person() -> User:
    return User.objects.create_user("wei", password="correct horse battery")


def _actions() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("actor", "action"))


def test_it_writes_down_runs_hosts_and_revisions(person: User) -> None:
    revision = add_revision("t", TEXT, author=person, publish=True)
    host = Host.objects.create(name="here", transport=TransportKind.LOCAL, host_key_state=HostKeyState.NONE)
    run = start_run(revision=revision, hosts=[host], params={}, user=person)
    cancel(run, person)
    assert _actions() == [("wei", "save revision"), ("system", "add host"), ("wei", "start run"), ("wei", "stop run")]
    assert AuditEntry.objects.get(action="start run").detail["hosts"] == ["here"]


def test_it_starts_no_run_that_it_cannot_write_down(person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    revision = add_revision("t", TEXT, author=person, publish=True)
    host = Host.objects.create(name="here", transport=TransportKind.LOCAL, host_key_state=HostKeyState.NONE)

    def full(*_: Any, **__: Any) -> None:
        raise OSError("the audit table is full")

    monkeypatch.setattr("kb.audit.AuditEntry.objects.create", full)
    with pytest.raises(OSError, match="full"):
        start_run(revision=revision, hosts=[host], params={}, user=person)
    assert not Run.objects.exists()


def test_it_writes_down_logins_and_tokens(person: User, client: Client) -> None:
    client.post("/login/", {"username": "wei", "password": "wrong"})
    client.post("/login/", {"username": "wei", "password": "correct horse battery"})
    ApiToken.issue(name="chat", user=person)
    assert _actions() == [("system", "log in refused"), ("wei", "log in"), ("wei", "issue token")]
    assert "correct horse" not in str(list(AuditEntry.objects.values()))


def test_it_does_not_write_down_that_a_host_was_seen() -> None:
    host = Host.objects.create(name="here", transport=TransportKind.LOCAL, host_key_state=HostKeyState.NONE)
    host.last_seen_at = timezone.now()
    host.save(update_fields=["last_seen_at"])
    assert _actions() == [("system", "add host")]


def test_it_names_who_pinned_a_key_and_who_issued_a_token_for_another(client: Client, person: User) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE1rKUPxqrd3SlSxjo8VXooRLLxbe9c0o83mUjRnn44u"
    host = Host.objects.create(name="web-1", transport=TransportKind.SSH, address="10.0.0.1", offered_key=key)
    boss = User.objects.create_superuser("boss")
    client.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    client.post(f"/hosts/{host.pk}/pin", {"fingerprint": fingerprint(key)})
    client.post("/admin/kb/apitoken/add/", {"name": "bot", "user": person.pk, "scope": "read"})
    token = ApiToken.objects.get()
    client.post("/admin/kb/apitoken/", {"action": "revoke", "_selected_action": [token.pk]})
    assert _actions()[-3:] == [("boss", "change host"), ("boss", "issue token"), ("boss", "revoke token")]
    assert AuditEntry.objects.get(action="issue token").detail["user"] == "wei"
    token.refresh_from_db()
    assert token.revoked_at is not None
