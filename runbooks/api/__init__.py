"""The bots' door: ``/api/v1/``, bearer tokens, problem+json, OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI

from runbooks.api import library, runs
from runbooks.api.access import Bearer
from runbooks.api.description import describe
from runbooks.api.problems import install

api = NinjaAPI(
    title="Sidenote",
    version="1",
    description="Executable runbooks: read them, start runs, read what the machines say.",
    auth=Bearer(),
    urls_namespace="api-1",
    openapi_url=None,
    docs_url=None,
)
api.add_router("", library.router)
api.add_router("", runs.router)
install(api)


@api.get("/openapi.json", include_in_schema=False)
def openapi(request: HttpRequest) -> Any:
    """What this API looks like, for whoever holds a token."""
    return describe(api.get_openapi_schema())
