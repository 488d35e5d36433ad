"""Every error of the API as problem+json (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from checks.errors import ParamError
from runbooks.dispatch import IdempotencyConflictError, NothingToRunError
from runbooks.room import StoreFullError


def problem(
    request: HttpRequest, status: int, detail: str, errors: Sequence[dict[str, Any]] = (), headers: dict[str, str] | None = None
) -> HttpResponse:
    """An error answer."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.path,
        "errors": list(errors),
    }
    return HttpResponse(json.dumps(body), status=status, content_type="application/problem+json", headers=headers)


def install(api: NinjaAPI) -> None:
    """Answer every anticipated exception with a problem."""

    def answer(kind: type[Exception], make: Callable[[HttpRequest, Any], HttpResponse]) -> None:
        api.add_exception_handler(kind, make)

    answer(Http404, lambda request, error: problem(request, 404, str(error) or "there is no such thing"))
    answer(PermissionDenied, lambda request, error: problem(request, 403, str(error) or "this token may not do that"))
    answer(HttpError, lambda request, error: problem(request, error.status_code, error.message))
    answer(AuthenticationError, _unauthenticated)
    answer(ValidationError, _invalid)
    answer(
        ParamError, lambda request, error: problem(request, 422, error.say, [{"field": f"params.{error.name}", "say": error.say}])
    )
    answer(NothingToRunError, lambda request, error: problem(request, 422, error.say))
    answer(StoreFullError, lambda request, error: problem(request, 507, error.say))
    answer(DataError, lambda request, error: problem(request, 422, "a text of the request holds what no text here may hold: NUL"))
    answer(OperationalError, _no_database)
    answer(InterfaceError, _no_database)
    answer(IdempotencyConflictError, lambda request, error: problem(request, 409, error.say))


def _no_database(request: HttpRequest, _error: Exception) -> HttpResponse:
    return problem(request, 503, "the database does not answer; ask again in a few seconds", headers={"Retry-After": "5"})


def _unauthenticated(request: HttpRequest, _error: AuthenticationError) -> HttpResponse:
    detail = "send a valid token in the header: Authorization: Bearer sn_…"
    return problem(request, 401, detail, headers={"WWW-Authenticate": 'Bearer realm="sidenote"'})


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = [{"field": _field(one["loc"]), "say": one["msg"]} for one in error.errors]
    return problem(request, 422, "; ".join(f"{one['field']}: {one['say']}" for one in errors[:5]), errors)


def _field(path: Sequence[Any]) -> str:
    names = [str(part) for part in path if part not in ("body", "payload", "query", "path")]
    return ".".join(names) or "body"
