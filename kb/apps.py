"""The site's app."""

from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def _roles(**_: Any) -> None:
    from kb.first_start import ensure_roles

    ensure_roles()


class KbConfig(AppConfig):
    """Tokens, audit and what joins the rooms."""

    name = "kb"
    verbose_name = "Sidenote"

    def ready(self) -> None:
        """Start writing things down; every database that was migrated has the roles."""
        import_module("kb.audit")
        post_migrate.connect(_roles, sender=self)
