"""Pages of the site itself: login, health, and what is said when something broke."""

from __future__ import annotations

import sys
from typing import Any

import redis
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from kb.broker import policy_problem

RETRY_AFTER_S = 5


@method_decorator(login_not_required, name="dispatch")
class Login(LoginView):
    """Name and password; who is logged in already goes on."""

    redirect_authenticated_user = True


class Password(PasswordChangeView):
    """A new password for oneself; every other session of this person ends."""

    template_name = "registration/password.html"
    success_url = reverse_lazy("library")

    def form_valid(self, form: Any) -> HttpResponse:
        """Say that it worked."""
        messages.success(self.request, _("The new password counts from now on."))
        return super().form_valid(form)


@login_not_required
def one_login(request: HttpRequest) -> HttpResponse:
    """The admin has no login of its own. Who is logged in and may not enter is told so, instead of being sent in a circle."""
    if request.user.is_authenticated:
        raise PermissionDenied
    query = request.META["QUERY_STRING"]
    return redirect(f"{reverse('login')}?{query}" if query else reverse("login"))


def locked(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """Too many wrong passwords for one name from one address."""
    return HttpResponse(render_to_string("registration/locked.html", request=request), status=429)


@login_not_required
@require_GET
def icon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for an icon that no page names, as those of the admin."""
    return redirect(static("kb/icon.svg"), permanent=True)


@login_not_required
@require_GET
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@require_GET
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether the database answers and the broker keeps what it is given (503 when not). A broker that is away loses nothing."""
    found = {"database": _database_answers(), "broker": _broker_answers()}
    said = {name: "ok" if answers else "no answer" for name, answers in found.items()}
    forgetful = policy_problem(settings.LIVE_URL) if found["broker"] else ""
    said |= {"broker": forgetful} if forgetful else {}
    return JsonResponse(said, status=200 if found["database"] and not forgetful else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (OperationalError, InterfaceError):
        return False
    return True


def _broker_answers() -> bool:
    try:
        with redis.Redis.from_url(settings.LIVE_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def server_error(request: HttpRequest) -> HttpResponse:
    """The page for an unforeseen error; a database that does not answer is 503, so that a client comes again."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
    return HttpResponse(render_to_string("500.html"), status=500)
