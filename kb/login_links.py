"""One-time login links: Django's own reset token, which dies with the first login it gives."""

from __future__ import annotations

from django.contrib.auth import get_user_model, login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.views.decorators.http import require_http_methods

_tokens = PasswordResetTokenGenerator()


def login_token(user: User) -> str:
    """A token that logs this user in once."""
    return f"{urlsafe_base64_encode(str(user.pk).encode())}-{_tokens.make_token(user)}"


def _user_of(token: str) -> User | None:
    encoded, _, rest = token.partition("-")
    try:
        user = get_user_model().objects.get(pk=int(urlsafe_base64_decode(encoded)), is_active=True)
    except (ValueError, get_user_model().DoesNotExist):
        return None
    return user if _tokens.check_token(user, rest) else None


@login_not_required
@require_http_methods(["GET", "POST"])
def login_once(request: HttpRequest, token: str) -> HttpResponse:
    """Ask on GET, so that a link preview does not use the link up; log in on POST."""
    user = _user_of(token)
    if user is not None and request.method == "POST":
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return redirect("library")
    context = {"valid": user is not None, "name": user.get_username() if user else ""}
    return render(request, "registration/login_once.html", context, status=200 if user else 410)
