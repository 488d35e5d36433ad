"""Tokens and the audit trail in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from kb.audit import write
from kb.models import ApiToken, AuditEntry


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Issue and revoke tokens. A new token's text is shown once, in the message after saving."""

    list_display = ("name", "user", "scope", "shown", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_filter = ("scope",)
    list_select_related = ("user",)
    actions = ("revoke",)
    fields = ("name", "user", "scope")

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: Any) -> None:
        """Issue the token and show it."""
        token, text = ApiToken.issue(name=obj.name, user=obj.user, scope=obj.scope)
        obj.pk, obj.shown = token.pk, token.shown
        messages.warning(request, f"The token, shown this once: {text}")

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """A token is revoked, not edited; the list needs the right to see it."""
        return obj is None and super().has_change_permission(request)

    @admin.action(description="Revoke the chosen tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        """They are dead on their next request."""
        alive = list(tokens.filter(revoked_at__isnull=True))
        tokens.filter(pk__in=[token.pk for token in alive]).update(revoked_at=timezone.now())
        for token in alive:
            write(request.user, "revoke token", token)  # type: ignore[arg-type]
        messages.success(request, f"{len(alive)} revoked")


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Read what happened."""

    list_display = ("at", "actor", "action", "subject")
    search_fields = ("actor", "action", "subject")
    list_filter = ("action",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Entries are written by what happens."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """Never."""
        return False
