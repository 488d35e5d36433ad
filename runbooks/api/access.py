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
START = "runbooks.start_run"
ERRORS = {401: Problem, 403: Problem, 404: Problem, 422: Problem}


class Bearer(HttpBearer):
    """The site's middleware has turned the token into ``request.user``; here it only counts, together with the right.

    The right is asked for before the request is read: who may not do a thing does not learn how to ask for it.
    """

    def __init__(self, right: str = "") -> None:
        super().__init__()
        self.right = right

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """The user of the token, or None: then the answer is 401. Raises PermissionDenied without the right or the scope."""
        if not request.user.is_authenticated:
            return None
        if self.right == START and getattr(request, "api_token", None).scope != "run":  # type: ignore[union-attr]
            raise PermissionDenied("this token may only read; create one with the scope run")
        if self.right and not request.user.has_perm(self.right):
            raise PermissionDenied(f"the user of this token lacks the right {self.right}")
        return request.user


def place_of(cursor: str) -> str:
    """Where the page begins. Raises HttpError 422 for a cursor that this API did not give."""
    try:
        return base64.urlsafe_b64decode(cursor.encode()).decode()
    except ValueError:
        raise HttpError(422, "cursor: use the value of next as it is") from None


def cursor_of(place: str) -> str:
    """The cursor of a page that begins there."""
    return base64.urlsafe_b64encode(place.encode()).decode()
