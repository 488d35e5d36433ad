"""The site's app."""

from django.apps import AppConfig


class KbConfig(AppConfig):
    """Tokens, audit and what joins the rooms."""

    name = "kb"
    verbose_name = "Sidenote"
