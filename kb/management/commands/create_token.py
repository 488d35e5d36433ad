"""``manage.py create_token``: a bearer token for a bot."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from kb.models import MAX_DAYS, ApiToken, Scope


class Command(BaseCommand):
    """Create a token and print it once."""

    help = "Create an API token for a user and print it. It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose token, for what, for how long."""
        parser.add_argument("username", help="the user whose rights the token has")
        parser.add_argument("--name", default="command line", help="what the token is for")
        parser.add_argument("--scope", choices=Scope.values, default=Scope.READ)
        parser.add_argument("--days", type=int, default=90, help=f"how long it lives, up to {MAX_DAYS}")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the token, and nothing else, on standard output."""
        users = get_user_model().objects
        user = users.filter(username=options["username"], is_active=True).first()
        if user is None:
            known = ", ".join(users.filter(is_active=True).values_list("username", flat=True)[:10]) or "none yet"
            raise CommandError(f"there is no active user {options['username']!r}; users: {known}")
        try:
            _, text = ApiToken.issue(name=options["name"], user=user, scope=options["scope"], days=options["days"])
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(text)
