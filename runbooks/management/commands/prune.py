"""``manage.py prune``: delete runs older than SIDENOTE_RETENTION_DAYS, and the output that nothing names any more."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from runbooks.pruning import prune


class Command(BaseCommand):
    """Prune once; run it daily."""

    help = "Delete finished runs older than the retention time and raw output that no result names."

    def add_arguments(self, parser: CommandParser) -> None:
        """Another age than the setting's."""
        parser.add_argument("--days", type=int, default=None)

    def handle(self, *args: Any, **options: Any) -> None:
        """Prune and say how much went."""
        runs, outputs = prune(options["days"])
        self.stdout.write(f"{runs} runs and {outputs} outputs deleted")
