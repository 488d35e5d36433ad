"""The executable writeup."""

from django.apps import AppConfig


class RunbooksConfig(AppConfig):
    """Runbooks, revisions, hosts, runs and their results."""

    name = "runbooks"
    verbose_name = "Runbooks"
