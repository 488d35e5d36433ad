"""``manage.py lint_runbooks [FILE…]``: every problem of every runbook of the library, with its line and what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from runbooks.document.model import Severity
from runbooks.loader import library_files
from runbooks.revisions import read


class Command(BaseCommand):
    """Lint files; the database is not needed."""

    help = "Lint runbook files (all of the library by default). Ends with an error when one of them may not be published."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Which files."""
        parser.add_argument("files", nargs="*", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """``file:line:column severity code: sentence``, as editors read it."""
        files = options["files"] or library_files(Path(settings.LIBRARY_DIR))
        errors = 0
        for path in files:
            try:
                document = read(path.read_bytes().decode())
            except (OSError, UnicodeDecodeError) as error:
                raise CommandError(f"{path} cannot be read: {error}") from None
            for problem in document.problems:
                errors += problem.severity is Severity.ERROR
                place = f"{path}:{problem.line}:{problem.column}"
                self.stdout.write(f"{place} {problem.severity} {problem.code}: {problem.say}")
        if errors:
            raise CommandError(f"{errors} errors in {len(files)} runbooks")
        self.stdout.write(f"{len(files)} runbooks, no errors")
