"""``manage.py reaper``: ends what nobody else will and rings again for what waits. Needs the database only; run one or more."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from runbooks.management.commands import drain
from runbooks.reaper import reap
from runbooks.rounds import every
from runbooks.sweeper import sweep
from runbooks.ticks import forget_old_ticks, tick

ROUND_S = 5


class Command(BaseCommand):
    """Reap and sweep every five seconds."""

    help = "End steps whose worker went away and runs whose time is over; ring again for steps that wait."
    requires_system_checks = ()  # they would load the pages and the API

    def add_arguments(self, parser: CommandParser) -> None:
        """One round or many."""
        parser.add_argument("--once", action="store_true", help="one round, then end")
        parser.add_argument("--drain", action="store_true", help="do the work of drain as well, in the same process")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rounds until told to stop."""
        if options["once"]:
            _round()
        else:
            every(ROUND_S, _round, *([(drain.ROUND_S, drain.drain_round)] if options["drain"] else []))


def _round() -> None:
    tick("reaper")
    reap()
    sweep()
    forget_old_ticks()
