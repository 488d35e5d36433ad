"""What is written down: who started and stopped runs, logged in, changed runbooks, hosts, keys and tokens."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest

from kb.models import ApiToken, AuditEntry
from runbooks.models import Credential, Host, Revision, Run
from runbooks.signals import run_cancelled, run_started

asking: ContextVar[HttpRequest | None] = ContextVar("asking", default=None)
"""The request that is being answered, for what is written down by a signal that knows no person."""


def write(actor: User | None, action: str, subject: object, **detail: Any) -> None:
    """One entry, by the actor or else by whoever asks. Inside a transaction it shares its fate: no entry, no act."""
    request = asking.get()
    name = actor.get_username() if actor else (request and request.user.get_username()) or "system"
    AuditEntry.objects.create(actor=name, action=action, subject=str(subject)[:200], detail=detail)


@receiver(run_started)
def _started(run: Run, user: User | None, origin: str, **_: Any) -> None:
    hosts = list(run.hosts.values_list("name", flat=True)[:200])
    write(user, "start run", run.revision, run=str(run.pk), origin=origin, hosts=hosts, repeats=str(run.repeats_id or ""))


@receiver(run_cancelled)
def _cancelled(run: Run, user: User | None, **_: Any) -> None:
    write(user, "stop run", run.revision, run=str(run.pk))


@receiver(user_logged_in)
def _logged_in(user: User, **_: Any) -> None:
    write(user, "log in", user.get_username())


@receiver(user_login_failed)
def _login_failed(credentials: dict[str, Any], **_: Any) -> None:
    write(None, "log in refused", str(credentials.get("username", ""))[:150])


@receiver(post_save, sender=Revision)
def _revised(instance: Revision, **_: Any) -> None:
    write(instance.author, "save revision", instance, sha256=instance.sha256)


@receiver(post_save, sender=Host)
def _host_saved(instance: Host, created: bool, update_fields: Any, **_: Any) -> None:
    if created or not update_fields or set(update_fields) - {"last_seen_at", "system"}:
        write(None, "add host" if created else "change host", instance, key=instance.host_key_state, enabled=instance.enabled)


@receiver(post_save, sender=Credential)
def _key_saved(instance: Credential, **_: Any) -> None:
    write(None, "save key", instance)


@receiver(post_save, sender=ApiToken)
def _token_saved(instance: ApiToken, created: bool, **_: Any) -> None:
    actor = None if asking.get() else instance.user  # in the admin one person may issue a token for another
    write(actor, "issue token" if created else "change token", instance, scope=instance.scope, user=instance.user.get_username())
