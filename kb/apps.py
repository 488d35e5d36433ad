"""The site's app."""

from importlib import import_module

from django.apps import AppConfig


class KbConfig(AppConfig):
    """Tokens, audit and what joins the rooms."""

    name = "kb"
    verbose_name = "Sidenote"

    def ready(self) -> None:
        """Start writing things down."""
        import_module("kb.audit")
