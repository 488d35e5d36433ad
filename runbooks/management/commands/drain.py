"""``manage.py drain``: a small worker without a broker. Idle while all is well; does what has waited too long."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from runbooks.rounds import every
from runbooks.sweeper import drain
from runbooks.ticks import tick

ROUND_S = 2


class Command(BaseCommand):
    """Look for waiting steps every two seconds."""

    help = "Run steps that have waited more than ten seconds, without Celery and without Redis."
    requires_system_checks = ()  # they would load the pages and the API

    def add_arguments(self, parser: CommandParser) -> None:
        """One round or many."""
        parser.add_argument("--once", action="store_true", help="one round, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rounds until told to stop."""
        if options["once"]:
            drain_round()
        else:
            every(ROUND_S, drain_round)


def drain_round() -> None:
    """Show that it lives, and do what has waited too long."""
    tick("drain")
    drain()
