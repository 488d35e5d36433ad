"""A bearer token becomes ``request.user`` before anyone asks for rights."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse

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
