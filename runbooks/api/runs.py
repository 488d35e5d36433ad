"""Runs on the API: start, read, stop."""

from __future__ import annotations

import hashlib
import time
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Header, Query, Router, Status
from ninja.errors import HttpError

from runbooks import dispatch
from runbooks.api import schemas
from runbooks.api.access import ERRORS, PAGE, START, Bearer, Limit, cursor_of, place_of
from runbooks.api.library import published
from runbooks.choices import RUN_TERMINAL
from runbooks.models import Host, Run
from runbooks.presenters.plain import run_detail, run_row, run_text

WAIT_MAX_S = 30
WAIT_STEP_S = 0.2
router = Router()


@router.post(
    "/runs", response={202: schemas.RunDetail, 409: schemas.Problem, **ERRORS}, auth=Bearer(START), operation_id="start_run"
)
def start_run(
    request: HttpRequest,
    response: HttpResponse,
    payload: schemas.RunIn,
    idempotency_key: Annotated[str, Header(alias="Idempotency-Key", max_length=255)] = "",
) -> Any:
    """Start a run. 202 with its address in Location; the same Idempotency-Key within a day gives the same run again."""
    runbook = published(payload.runbook)
    assert runbook.published is not None
    run = dispatch.start_run(
        revision=runbook.published,
        hosts=_hosts(payload),
        params=payload.params,
        user=request.user,  # type: ignore[arg-type]
        origin="api",
        idempotency=_idempotency(request, idempotency_key),
    )
    response["Location"] = request.build_absolute_uri(reverse("api-1:read_run", args=[run.pk]))
    return Status(202, run_detail(run.pk, _page(request, run.pk)))


def _hosts(payload: schemas.RunIn) -> list[Host]:
    """The named hosts and those of the named groups. Raises HttpError 422 that names what is not there."""
    found = {host.name: host for host in Host.objects.filter(Q(name__in=payload.hosts) | Q(groups__name__in=payload.groups))}
    groups = set(Host.objects.filter(groups__name__in=payload.groups).values_list("groups__name", flat=True))
    missing = [name for name in payload.hosts if name not in found] + [name for name in payload.groups if name not in groups]
    if missing:
        raise HttpError(422, f"there is no host or group {', '.join(missing[:5])}")
    return list(found.values())


def _idempotency(request: HttpRequest, key: str) -> tuple[str, str, str] | None:
    token = getattr(request, "api_token", None)
    return (f"token:{token.pk}", key, hashlib.sha256(request.body).hexdigest()) if key and token else None


@router.get("/runs", response={200: schemas.RunPage, **ERRORS}, auth=Bearer("runbooks.view_run"), operation_id="list_runs")
def list_runs(request: HttpRequest, runbook: str = "", state: str = "", cursor: str = "", limit: Limit = PAGE) -> Any:
    """Runs, newest first."""
    runs = Run.objects.select_related("revision__runbook", "started_by").order_by("-created_at", "-id")
    runs = runs.filter(revision__runbook__slug=runbook) if runbook else runs
    runs = runs.filter(state=state) if state else runs
    if cursor:
        moment, _, identity = place_of(cursor).partition(" ")
        try:
            at, pk = datetime.fromisoformat(moment), UUID(identity)
        except ValueError:
            raise HttpError(422, "cursor: use the value of next as it is") from None
        runs = runs.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=pk))
    rows = list(runs[: limit + 1])
    items = [run_row(run, _page(request, run.pk)) for run in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    return {"items": items, "next": cursor_of(f"{last.created_at.isoformat()} {last.pk}") if last else None}


@router.get(
    "/runs/{uuid:run_id}",
    response={200: schemas.RunDetail, **ERRORS},
    auth=Bearer("runbooks.view_run"),
    operation_id="read_run",
    url_name="read_run",
)
def read_run(request: HttpRequest, run_id: UUID, wait: Annotated[int, Query(ge=0, le=WAIT_MAX_S)] = 0, include: str = "") -> Any:
    """One run as JSON, or as short text for chat with ``Accept: text/plain``.

    ``wait`` holds the answer up to that many seconds until the run has ended. ``include=facts,findings`` adds them.
    """
    until = time.monotonic() + wait
    while _state(run_id) not in RUN_TERMINAL and time.monotonic() < until:
        time.sleep(WAIT_STEP_S)
    if "text/plain" in request.headers.get("Accept", ""):
        return HttpResponse(run_text(run_id, _page(request, run_id)), content_type="text/plain; charset=utf-8")
    wanted = {word for word in include.split(",") if word}
    if wanted - {"facts", "findings"}:
        raise HttpError(422, "include: name facts, findings or both, separated by a comma")
    return run_detail(run_id, _page(request, run_id), wanted)


def _state(run_id: UUID) -> str:
    state = Run.objects.filter(pk=run_id).values_list("state", flat=True).first()
    if state is None:
        raise Http404(f"there is no run {run_id}")
    return state


@router.post(
    "/runs/{uuid:run_id}/cancel", response={202: schemas.RunDetail, **ERRORS}, auth=Bearer(START), operation_id="cancel_run"
)
def cancel_run(request: HttpRequest, run_id: UUID) -> Any:
    """Stop a run. What has been found stays."""
    run = Run.objects.filter(pk=run_id).first()
    if run is None:
        raise Http404(f"there is no run {run_id}")
    dispatch.cancel(run, request.user)  # type: ignore[arg-type]
    return Status(202, run_detail(run_id, _page(request, run_id)))


def _page(request: HttpRequest, run_id: UUID) -> str:
    return request.build_absolute_uri(reverse("run", args=[run_id]))
