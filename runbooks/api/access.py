"""Who may do what on the API, and where a page of a list begins."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja import Query
from ninja.errors import HttpError
from ninja.security import HttpBearer

from runbooks.api.schemas import Problem

PAGE = 50
Limit = Annotated[int, Query(PAGE, ge=1, le=200)]
ERRORS = {401: Problem, 403: Problem, 404: Problem, 422: Problem}


class Bearer(HttpBearer):
    """The site's middleware has turned the token into ``request.user``; here it only counts."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """The user of the token, or None: then the answer is 401."""
        return request.user if request.user.is_authenticated else None


def may(request: HttpRequest, permission: str) -> None:
    """Raises PermissionDenied unless the user has the right and the token's scope allows it."""
    token = getattr(request, "api_token", None)
    if permission == "runbooks.start_run" and (token is None or token.scope != "run"):
        raise PermissionDenied("this token may only read; create one with the scope run")
    if not request.user.has_perm(permission):
        raise PermissionDenied(f"the user of this token lacks the right {permission}")


def place_of(cursor: str) -> str:
    """Where the page begins. Raises HttpError 422 for a cursor that this API did not give."""
    try:
        return base64.urlsafe_b64decode(cursor.encode()).decode()
    except ValueError:
        raise HttpError(422, "cursor: use the value of next as it is") from None


def cursor_of(place: str) -> str:
    """The cursor of a page that begins there."""
    return base64.urlsafe_b64encode(place.encode()).decode()
