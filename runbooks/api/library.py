"""Runbooks and hosts on the API."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router

from runbooks.api import schemas
from runbooks.api.access import ERRORS, PAGE, Bearer, Limit, cursor_of, place_of
from runbooks.models import Host, Runbook
from runbooks.parsed import document_of

router = Router()


@router.get(
    "/runbooks", response={200: schemas.RunbookPage, **ERRORS}, auth=Bearer("runbooks.view_runbook"), operation_id="list_runbooks"
)
def list_runbooks(request: HttpRequest, q: str = "", cursor: str = "", limit: Limit = PAGE) -> Any:
    """Published runbooks by slug; ``q`` filters by words in slug, title and tags."""
    runbooks = Runbook.objects.filter(published__isnull=False).select_related("published").order_by("slug")
    for word in q.split():
        named = Q(slug__icontains=word) | Q(title__icontains=word) | Q(title_zh__icontains=word)
        runbooks = runbooks.filter(named | Q(tags__icontains=word))
    rows = list(runbooks.filter(slug__gt=place_of(cursor))[: limit + 1])
    items = [_runbook(request, runbook) for runbook in rows[:limit]]
    return {"items": items, "next": cursor_of(rows[limit - 1].slug) if len(rows) > limit else None}


def _runbook(request: HttpRequest, runbook: Runbook) -> dict[str, Any]:
    assert runbook.published is not None
    return {
        "slug": runbook.slug,
        "title": runbook.title,
        "title_zh": runbook.title_zh,
        "kind": runbook.kind,
        "tags": runbook.tags,
        "revision": runbook.published.number,
        "url": request.build_absolute_uri(reverse("runbook", args=[runbook.slug])),
    }


def published(slug: str) -> Runbook:
    """The runbook that readers see. Raises Http404."""
    runbook = Runbook.objects.filter(slug=slug, published__isnull=False).select_related("published").first()
    if runbook is None:
        raise Http404(f"there is no published runbook {slug}")
    return runbook


@router.get(
    "/runbooks/{slug}",
    response={200: schemas.RunbookDetail, **ERRORS},
    auth=Bearer("runbooks.view_runbook"),
    operation_id="read_runbook",
)
def read_runbook(request: HttpRequest, response: HttpResponse, slug: str) -> Any:
    """One runbook: its parameters, its checks, its text."""
    runbook = published(slug)
    assert runbook.published is not None
    document = document_of(runbook.published.text)
    response["ETag"] = f'"{runbook.published.sha256}"'
    return {
        **_runbook(request, runbook),
        "sha256": runbook.published.sha256,
        "params": [_fields(param, "name", "type", "default", "help", "required", "choices") for param in document.meta.params],
        "steps": [_fields(step, "id", "title", "probe", "confirms") for step in document.steps],
        "text": runbook.published.text,
    }


def _fields(thing: object, *names: str) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}


@router.get("/hosts", response={200: schemas.HostPage, **ERRORS}, auth=Bearer("runbooks.view_host"), operation_id="list_hosts")
def list_hosts(request: HttpRequest, cursor: str = "", limit: Limit = PAGE) -> Any:
    """Hosts by name."""
    rows = list(Host.objects.filter(name__gt=place_of(cursor)).order_by("name").prefetch_related("groups")[: limit + 1])
    fields = ("name", "transport", "address", "enabled", "host_key_state")
    items = [_fields(host, *fields) | {"groups": [group.name for group in host.groups.all()]} for host in rows[:limit]]
    return {"items": items, "next": cursor_of(rows[limit - 1].name) if len(rows) > limit else None}
