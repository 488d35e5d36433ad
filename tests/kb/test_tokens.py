"""API tokens: shown once, kept as hashes, bounded in time."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from kb.models import ApiToken, AuditEntry, Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def bot() -> User:
    return User.objects.create_user("bot")


def test_it_keeps_only_a_hash(bot: User) -> None:
    token, text = ApiToken.issue(name="chat", user=bot)
    stored = ApiToken.objects.values().get()
    assert text not in str(stored)
    assert len(text) > 40
    assert ApiToken.find(text) == token


def test_it_does_not_find_expired_revoked_or_switched_off(bot: User) -> None:
    token, text = ApiToken.issue(name="chat", user=bot)
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert ApiToken.find(text) is None
    ApiToken.objects.update(expires_at=token.expires_at, revoked_at=timezone.now())
    assert ApiToken.find(text) is None
    ApiToken.objects.update(revoked_at=None)
    assert ApiToken.find(text) == token
    User.objects.update(is_active=False)
    assert ApiToken.find(text) is None
    assert ApiToken.find("") is None


def test_it_refuses_a_life_of_more_than_a_year(bot: User) -> None:
    with pytest.raises(ValueError, match="365"):
        ApiToken.issue(name="chat", user=bot, days=366)


def test_it_prints_a_new_token_once(bot: User) -> None:
    out = StringIO()
    call_command("create_token", "bot", "--scope", "run", "--days", "7", stdout=out)
    token = ApiToken.find(out.getvalue().strip())
    assert token is not None
    assert token.scope == Scope.RUN
    with pytest.raises(CommandError, match="no active user 'nobody'; users: bot"):
        call_command("create_token", "nobody")


def test_it_never_changes_an_audit_entry() -> None:
    entry = AuditEntry.objects.create(actor="bot", action="start_run", subject="run 1")
    with pytest.raises(ValueError, match="never changed"):
        entry.save()
    with pytest.raises(ValueError, match="never deleted"):
        entry.delete()
