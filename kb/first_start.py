"""What a first start makes: roles, this machine as a host, a first admin. Each can be repeated without harm."""

from __future__ import annotations

import secrets
import socket

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse

from kb.login_links import login_token
from runbooks.choices import HostKeyState, TransportKind
from runbooks.models import Host, HostGroup

_VIEW = ("view_runbook", "view_revision", "view_run", "view_host", "view_hostgroup")
_RUN = (*_VIEW, "start_run")
_WRITE = (*_VIEW, "add_runbook", "change_runbook", "add_revision")
_PEOPLE = ("auth.view_user", "auth.add_user", "auth.change_user", "auth.delete_user", "auth.view_group")
_WATCH = ("kb.view_apitoken", "kb.add_apitoken", "kb.change_apitoken", "kb.view_auditentry")
_HOSTS = ("add_host", "change_host", "delete_host", "add_hostgroup", "change_hostgroup", "delete_hostgroup")
_KEYS = ("view_credential", "add_credential", "change_credential", "delete_credential")
ROLES = {
    "viewer": _VIEW,
    "on-call": _RUN,
    "author": _WRITE,
    "admin": (*_RUN, *_WRITE, *_HOSTS, *_KEYS, *_PEOPLE, *_WATCH),
}
"""What each role may do; a right without an app is one of runbooks. Everyone else sees the login page only."""


def needs_migration() -> bool:
    """True when the database is not at the newest schema."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def ensure_roles() -> None:
    """The four roles as groups with exactly their permissions."""
    known = {f"{app}.{name}": pk for app, name, pk in Permission.objects.values_list("content_type__app_label", "codename", "pk")}
    for name, rights in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        named = (right if "." in right else f"runbooks.{right}" for right in rights)
        group.permissions.set([known[right] for right in named if right in known])  # a half migrated database lacks some


def ensure_this_machine() -> None:
    """This machine as a host of its own, reached without ssh; made only where there is no host at all."""
    if Host.objects.exists():
        return
    name = "".join(c for c in socket.gethostname().split(".")[0] if c.isalnum() or c in "-_") or "this-machine"
    host = Host.objects.create(name=name[:60], transport=TransportKind.LOCAL, host_key_state=HostKeyState.NONE)
    host.groups.add(HostGroup.objects.get_or_create(name="local")[0])


def welcome(url: str) -> str:
    """How to log in for the first time; empty once an admin has logged in.

    The password is new each time this is shown, so a start that broke off before it was read costs nothing.
    """
    users = get_user_model().objects
    if users.filter(is_superuser=True, last_login__isnull=False).exists():
        return ""
    return first_login(users.filter(is_superuser=True).first() or users.create_superuser("admin"), url)


def first_login(user: User, url: str) -> str:
    """A link that logs this person in once, and a new password for the time after. The old password is gone."""
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save()
    link = url + reverse("login-once", args=[login_token(user)])
    return f"First login, once and without a password: {link}\nAfter that: user {user.get_username()}, password {password}"


def trouble(said: str) -> str:
    """What stands in the way of a start, in a sentence with the way out; ``said`` is the database's or the system's own word.

    Empty when it is nothing that who starts Sidenote could mend.
    """
    place, again = settings.DATA_DIR, "then run the same command again; it goes on from there"
    if connection.vendor == "postgresql":
        return f"The database refuses ({said.strip()}). See that it runs and that SIDENOTE_DATABASE_URL is right, {again}."
    if "is full" in said or "No space" in said or "quota" in said:
        return f"The disk of {place} is full. Make room there or point SIDENOTE_DATA_DIR at another disk, {again}."
    if "not a database" in said or "malformed" in said:
        return f"The database in {place} is damaged ({said}). Put a backup in its place, or move it away to begin anew, {again}."
    if "is locked" in said:
        return f"Another program holds the database in {place} ({said}). End it, {again}."
    if "readonly" in said or "unable to open" in said or "I/O error" in said or "cannot be written" in said:
        return f"{place} cannot be used ({said}). Point SIDENOTE_DATA_DIR at a directory that can be written, {again}."
    return ""
