"""``manage.py add_person``: an account with a role, or another role or a new first login for one that is there."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from kb.first_start import ROLES, ensure_roles, first_login


class Command(BaseCommand):
    """Give a person a role and print how they log in for the first time."""

    help = "Make an account, or take the one that is there; give it exactly the roles named; print a one-time login link."

    def add_arguments(self, parser: CommandParser) -> None:
        """Who, in which role, and where the site is."""
        parser.add_argument("username", help="the name to log in with")
        parser.add_argument("--role", choices=list(ROLES), action="append", required=True, help="may be given more than once")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="the address of the site, for the link")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the link and the password, each shown this once."""
        users = get_user_model()
        ensure_roles()
        user = users.objects.filter(username=options["username"]).first() or users(username=options["username"])
        try:
            user.clean_fields(exclude=["password"])
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from None
        user.is_active = True
        said = first_login(user, options["url"].rstrip("/"))
        user.groups.set(Group.objects.filter(name__in=options["role"]))
        self.stdout.write(said)
