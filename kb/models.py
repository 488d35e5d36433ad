"""Who may, and what happened: API tokens and the audit trail."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

PREFIX = "sn_"
MAX_DAYS = 365


class Scope(models.TextChoices):
    """What a token may do at most; its user's rights bound it as well."""

    READ = "read", "read runbooks and runs"
    RUN = "run", "read, and start, stop and repeat runs"


class ApiToken(models.Model):
    """A bearer token of a bot or a person. Only its SHA-256 is kept; the token itself is shown once."""

    name = models.CharField(max_length=80)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    sha256 = models.CharField(max_length=64, unique=True, editable=False)
    shown = models.CharField(max_length=12, editable=False)
    scope = models.CharField(max_length=8, choices=Scope.choices, default=Scope.READ)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.shown}…)"

    @classmethod
    def issue(cls, *, name: str, user: Any, scope: str = Scope.READ, days: int = 90) -> tuple[ApiToken, str]:
        """A new token and its text, which nobody can read again. ``days`` is at most 365."""
        if not 1 <= days <= MAX_DAYS:
            raise ValueError(f"a token lives for 1 to {MAX_DAYS} days, not {days}")
        text = PREFIX + secrets.token_urlsafe(32)
        expires = timezone.now() + timedelta(days=days)
        token = cls.objects.create(name=name, user=user, scope=scope, expires_at=expires, sha256=digest(text), shown=text[:8])
        return token, text

    @classmethod
    def find(cls, text: str) -> ApiToken | None:
        """The valid token with that text, or None: unknown, expired, revoked and switched-off users look the same."""
        now = timezone.now()
        alive = cls.objects.filter(Q(revoked_at__isnull=True), expires_at__gt=now, user__is_active=True)
        token = alive.select_related("user").filter(sha256=digest(text)).first()
        if token and (token.last_used_at is None or now - token.last_used_at > timedelta(minutes=1)):
            cls.objects.filter(pk=token.pk).update(last_used_at=now)
        return token


def digest(text: str) -> str:
    """The form a token is kept in. 256 random bits need no salt."""
    return hashlib.sha256(text.encode()).hexdigest()


class AuditEntry(models.Model):
    """Who did what, when, from where. Entries are added, never changed."""

    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=160)
    action = models.CharField(max_length=40)
    subject = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only a new entry can be saved."""
        if not self._state.adding:
            raise ValueError("an audit entry is never changed")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """An entry is never deleted."""
        raise ValueError("an audit entry is never deleted")
