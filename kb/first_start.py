"""What a first start makes: roles, this machine as a host, a first admin. Each can be repeated without harm."""

from __future__ import annotations

import secrets
import socket

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse

from kb.login_links import login_token
from runbooks.choices import HostKeyState, TransportKind
from runbooks.models import Host, HostGroup

_VIEW = ("view_runbook", "view_revision", "view_run", "view_host", "view_hostgroup")
_RUN = (*_VIEW, "start_run")
_WRITE = (*_VIEW, "add_runbook", "change_runbook", "add_revision")
_HOSTS = ("add_host", "change_host", "delete_host", "add_hostgroup", "change_hostgroup", "delete_hostgroup")
_KEYS = ("view_credential", "add_credential", "change_credential", "delete_credential")
ROLES = {
    "viewer": _VIEW,
    "on-call": _RUN,
    "author": _WRITE,
    "admin": (*_RUN, *_WRITE, *_HOSTS, *_KEYS),
}
"""What each role may do. Everyone else sees the login page only."""


def needs_migration() -> bool:
    """True when the database is not at the newest schema."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def ensure_roles() -> None:
    """The four roles as groups with exactly their permissions."""
    for name, codenames in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(Permission.objects.filter(content_type__app_label="runbooks", codename__in=codenames))


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
    password = secrets.token_urlsafe(12)
    admin = users.filter(is_superuser=True).first() or users.create_superuser("admin")
    admin.set_password(password)
    admin.save()
    link = url + reverse("login-once", args=[login_token(admin)])
    return f"First login, once and without a password: {link}\nAfter that: user {admin.get_username()}, password {password}"
