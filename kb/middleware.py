"""A bearer token becomes ``request.user`` before anyone asks for rights, and the audit trail hears who asks."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect

from kb.audit import asking
from kb.models import ApiToken

API = "/api/"


class TokenMiddleware:
    """Reads ``Authorization: Bearer …`` on addresses of the API, and only there; a token in a URL is never read.

    Sessions do not count on the API, so a foreign page cannot use a person's login there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Set ``request.api_token``, and its user, for a valid token."""
        if request.path.startswith(API):
            scheme, _, text = request.headers.get("Authorization", "").partition(" ")
            token = ApiToken.find(text.strip()) if scheme.lower() == "bearer" and text else None
            request.api_token = token  # type: ignore[attr-defined]
            request.user = token.user if token else AnonymousUser()
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # no cookie counts here
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., HttpResponse], *_: object) -> None:
        """The API answers 401 itself; it does not send a program to the login page."""
        if request.path.startswith(API):
            view.login_required = False  # type: ignore[attr-defined]  # what LoginRequiredMiddleware looks at


class AskingMiddleware:
    """Lets the audit trail know who asks."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Hold the request while it is answered."""
        held = asking.set(request)
        try:
            return self.get_response(request)
        finally:
            asking.reset(held)


class FragmentLoginMiddleware:
    """A page whose session has ended asks for a fragment: the whole page goes to the login, instead of a login form in a card."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Turn the redirect to the login into one that htmx follows as a page."""
        response = self.get_response(request)
        login = resolve_url(settings.LOGIN_URL)
        if request.htmx and response.status_code == 302 and response["Location"].startswith(login):  # type: ignore[attr-defined]
            page = request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]
            return HttpResponseClientRedirect(f"{login}?{urlencode({'next': page})}")
        return response
