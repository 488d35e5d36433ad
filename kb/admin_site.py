"""Who may enter the admin: everyone who may change something there. A role is enough, no second switch has to be set."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.http import HttpRequest

RIGHTS = ("runbooks.change_runbook", "runbooks.change_host", "auth.change_user")


class Site(AdminSite):
    """Each page in there asks for its own right again."""

    site_header = site_title = "Sidenote"
    index_title = "Write and manage"

    def has_permission(self, request: HttpRequest) -> bool:
        """True for authors, admins and superusers."""
        user = request.user
        return user.is_active and (user.is_superuser or any(user.has_perm(right) for right in RIGHTS))
