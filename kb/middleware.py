"""A bearer token becomes ``request.user`` before anyone asks for rights, and the audit trail hears who asks."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect

from kb.audit import asking
from kb.models import ApiToken
from runbooks.api.problems import problem

API = "/api/"
DETAILS = {
    400: "the request cannot be read",
    404: "there is nothing at this address",
    405: "this address does not take this method",
    413: "the request is too large",
}
OURS = "something broke on our side; the web server's log says what. No run is lost by it"
KEPT = ("Allow", "Retry-After")


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
            return _as_problem(request, self.get_response(request))
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., HttpResponse], *_: object) -> None:
        """The API answers 401 itself; it does not send a program to the login page."""
        if request.path.startswith(API):
            view.login_required = False  # type: ignore[attr-defined]  # what LoginRequiredMiddleware looks at


def _as_problem(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """An error page that was meant for a browser, as problem+json: an address without a route, a method that is not taken."""
    if response.status_code < 400 or "json" in response.headers.get("Content-Type", ""):
        return response
    kept = {name: response[name] for name in KEPT if name in response}
    return problem(request, response.status_code, DETAILS.get(response.status_code, OURS), headers=kept)


class ReadableMiddleware:
    """Nothing here has a NUL in its name, and PostgreSQL refuses to look for one: such an address is nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """404 for an address with a NUL."""
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            raise Http404
        return self.get_response(request)


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
