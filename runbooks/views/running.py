"""The run page and its fragments, the list of runs, and raw output to keep."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from runbooks import fragments
from runbooks.execution.store import read_output
from runbooks.models import ResultSection, Run, Step
from runbooks.presenters.output import present_output
from runbooks.presenters.over_hosts import Choice
from runbooks.presenters.run import present_card, present_run
from runbooks.presenters.runs import present_runs
from runbooks.watching import Watch

STOP_POLLING = 286

may_view = permission_required("runbooks.view_run", raise_exception=True)


def watch_of(request: HttpRequest, run_id: UUID) -> Watch:
    """What this person may see of a run, and in which language."""
    return Watch(run_id, translation.get_language() or "en", request.user.has_perm("runbooks.start_run"))


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None


@require_GET
@may_view
def runs(request: HttpRequest) -> HttpResponse:
    """The newest runs, a page at a time."""
    page = present_runs(request.GET.get("before", ""))
    template = "runbooks/_runs_rows.html" if request.htmx else "runbooks/runs.html"  # type: ignore[attr-defined]
    return render(request, template, {"page": page, "nav": "runs"})


@require_GET
@never_cache
@may_view
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The run as it is now. ``?host=`` shows that host in every card."""
    watch = watch_of(request, run_id)
    try:
        view = present_run(run_id, Choice(_number(request, "host"), list_all=request.GET.get("hosts") == "all"))
    except Run.DoesNotExist:
        raise Http404("no such run") from None
    live = fragments.live_piece(watch, view.seq, finished=view.finished, oob=False)
    return render(request, "runbooks/run.html", {"run": view, "live": live, "may_start": watch.may_start, "nav": "runs"})


@require_GET
@never_cache
@may_view
def run_changes(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """What changed after ``?seq=``, for pages whose live channel is cut: 204 when nothing did, 286 once the run has ended."""
    watch, since = watch_of(request, run_id), _number(request, "seq") or 0
    try:
        seq, finished = fragments.seq_and_state(watch)
        if seq <= since and not finished and request.GET.get("again") != "yes":
            return HttpResponse(status=204)
        found = fragments.changes(watch, since)
    except Run.DoesNotExist:
        raise Http404("no such run") from None
    html = found.html + fragments.live_piece(watch, found.seq, finished=found.finished)
    return HttpResponse(html, status=STOP_POLLING if found.finished else 200)


@require_GET
@never_cache
@may_view
def card(request: HttpRequest, run_id: UUID, check_id: str) -> HttpResponse:
    """One card, for a chosen host."""
    try:
        choice = Choice(_number(request, "host"), list_all=request.GET.get("hosts") == "all")
        shown = present_card(run_id, check_id, choice)
    except Run.DoesNotExist:
        shown = None
    if shown is None:
        raise Http404("no such check in this run")
    context = {"card": shown, "run": {"id": run_id}, "may_start": request.user.has_perm("runbooks.start_run"), "picked": True}
    return render(request, "runbooks/_card.html", context)


@require_GET
@may_view
def output(request: HttpRequest, run_id: UUID, step_id: int) -> HttpResponse:
    """The whole stored output of one step: a page, or the fragment inside a card's evidence."""
    step = get_object_or_404(Step.objects.select_related("host", "result"), pk=step_id, run_id=run_id)
    context = {"step": step, "run_id": run_id, "sections": present_output(step), "nav": "runs"}
    template = "runbooks/_output.html" if request.htmx else "runbooks/output.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@require_GET
@may_view
def raw(request: HttpRequest, run_id: UUID, step_id: int, section: str) -> HttpResponse:
    """One section's bytes as they were kept, to save."""
    found = get_object_or_404(
        ResultSection.objects.select_related("stdout"), result_id=step_id, result__step__run_id=run_id, name=section
    )
    response = HttpResponse(read_output(found.stdout), content_type="application/octet-stream")
    name = "".join(c if c.isalnum() else "-" for c in f"{section}-{step_id}")
    response["Content-Disposition"] = f'attachment; filename="{name}.txt"'
    return response
