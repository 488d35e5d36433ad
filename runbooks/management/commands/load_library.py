"""``manage.py load_library``: the shipped runbooks into the database; safe to repeat."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from runbooks.loader import How, load_library


class Command(BaseCommand):
    """Load, and say what changed."""

    help = "Load the runbook library. An author's own published revision is never replaced."

    def add_arguments(self, parser: CommandParser) -> None:
        """Another folder; fail on a refused file."""
        parser.add_argument("--folder", type=Path, default=None)
        parser.add_argument("--strict", action="store_true", help="end with an error when a file was refused")

    def handle(self, *args: Any, **options: Any) -> None:
        """One line per file that is not as it was, one line in the end."""
        counted: Counter[How] = Counter()
        for loaded in load_library(options["folder"]):
            counted[loaded.how] += 1
            if loaded.how in (How.NEW, How.UNCHANGED):
                continue
            self.stdout.write(f"{loaded.how}: {loaded.slug}: {loaded.say}")
            for problem in loaded.problems:
                self.stdout.write(f"  {loaded.path}:{problem.line}:{problem.column} {problem.severity}: {problem.say}")
        said = ", ".join(f"{counted[how]} {how}" for how in How if counted[how]) or "no runbooks"
        self.stdout.write(f"Library: {said}")
        if options["strict"] and counted[How.REFUSED]:
            raise CommandError("some runbooks were refused")
