"""The trace page: where a packet goes, through pasted rules or those of a host, drawn. A link shows the same trace later."""

from __future__ import annotations

import hashlib
import json
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods

from checks.errors import CheckError
from runbooks import tracing
from runbooks.execution.store import read_output
from runbooks.models import Host, Step, Trace, TraceSection
from runbooks.presenters.trace import TraceView, present_step_trace, present_trace
from runbooks.trace_form import TraceForm, initial_of, same_trace

may_view = permission_required("runbooks.view_run", raise_exception=True)
SWELL = 2  # a form writes many characters of a rule as three


@csrf_exempt  # a body is measured before anything reads it; _ask then looks at the token
@require_http_methods(["GET", "POST"])
@may_view
def ask(request: HttpRequest) -> HttpResponse:
    """The form, and what it asks. Bodies may be larger here than anywhere else, for a node's whole rules."""
    if request.method == "POST":
        most = SWELL * tracing.PASTE_MAX
        body = request.read(most + 1)
        if len(body) > most:
            say = _("This is too long: %(say)s.") % {"say": tracing.TOO_LONG}
            return _page(request, _form(request, None), status=413, too_long=say)
        request._body = body
    return _ask(request)


@csrf_protect
def _ask(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        named = {name: request.GET[name][:80] for name in ("to", "proto", "origin", "source", "rules") if name in request.GET}
        return _page(request, _form(request, None, initial=named))
    form = _form(request, request.POST)
    if form.is_valid():
        try:
            return _answer(request, form)
        except CheckError as error:
            field = "text" if form.chosen()[0] == "paste" else "rules"
            form.add_error(field, error.say)
    return _page(request, form, status=422)


def _form(request: HttpRequest, data: Any, **kwargs: Any) -> TraceForm:
    same = same_trace(str((data or {}).get("rules", "")))
    return TraceForm(data, may_start=request.user.has_perm("runbooks.start_run"), trace=same, **kwargs)


def _answer(request: HttpRequest, form: TraceForm) -> HttpResponse:
    user, question = cast("User", request.user), form.question()
    kind, found = form.chosen()
    if kind == "host":
        return _start(request, form, get_object_or_404(Host, pk=found, enabled=True))
    if kind == "same":
        earlier = get_object_or_404(Trace, pk=found)
        made = tracing.trace_paste(earlier.probe, question, tracing.sections_of(earlier), user)
    else:
        probe, sections = tracing.read_paste(form.cleaned_data["text"])
        made = tracing.trace_paste(probe, question, sections, user)
    return redirect("trace", trace_id=made.pk)


def _start(request: HttpRequest, form: TraceForm, host: Host) -> HttpResponse:
    if not request.user.has_perm("runbooks.start_run"):
        raise PermissionDenied
    user, question, key = cast("User", request.user), form.question(), form.cleaned_data["key"]
    asked = hashlib.sha256(json.dumps([question, host.pk], sort_keys=True).encode()).hexdigest()
    step = tracing.trace_host(question, host, user, (f"trace:{user.pk}", key, asked) if key else None)
    return redirect("step-trace", run_id=step.run_id, step_id=step.pk)


@require_GET
@may_view
def trace(request: HttpRequest, trace_id: UUID) -> HttpResponse:
    """A kept trace through pasted rules."""
    found = get_object_or_404(Trace, pk=trace_id)
    rules = f"same:{found.pk}"
    form = TraceForm(
        may_start=request.user.has_perm("runbooks.start_run"), trace=found, initial=initial_of(found.question, rules)
    )
    return _page(request, form, present_trace(found), trace_id=found.pk)


@require_GET
@never_cache
@may_view
def step_trace(request: HttpRequest, run_id: UUID, step_id: int) -> HttpResponse:
    """The trace that a step of a run made, drawn from what the step found."""
    steps = Step.objects.select_related("run__revision", "host", "result")
    step = get_object_or_404(steps, pk=step_id, run_id=run_id)
    if not tracing.traces(step):
        return redirect("run", run_id=run_id)
    view = present_step_trace(step)
    initial = initial_of(view.question, f"host:{step.host_id}")
    form = TraceForm(may_start=request.user.has_perm("runbooks.start_run"), initial=initial)
    return _page(request, form, view, step=step)


@require_GET
@may_view
def trace_rules(request: HttpRequest, trace_id: UUID, section: str) -> HttpResponse:
    """A section of the pasted text as it is kept, to save."""
    found = get_object_or_404(TraceSection.objects.select_related("stdout"), trace_id=trace_id, name=section)
    response = HttpResponse(read_output(found.stdout), content_type="application/octet-stream")
    name = "".join(c if c.isalnum() else "-" for c in found.name)
    response["Content-Disposition"] = f'attachment; filename="{name}.txt"'
    return response


def _page(
    request: HttpRequest, form: TraceForm, view: TraceView | None = None, *, status: int = 200, **context: Any
) -> HttpResponse:
    return render(request, "runbooks/trace.html", {"form": form, "trace": view, "nav": "trace", **context}, status=status)
