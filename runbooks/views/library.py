"""The library, and one runbook with its start form."""

from __future__ import annotations

import hashlib
import json
from typing import cast

from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from checks.errors import CheckError
from runbooks import dispatch
from runbooks.forms import StartForm
from runbooks.models import Revision, Run, Runbook
from runbooks.parsed import document_of
from runbooks.presenters.hosts import host_choices
from runbooks.presenters.library import present_library, present_runbook
from runbooks.presenters.runs import present_runs

may_read = permission_required("runbooks.view_runbook", raise_exception=True)
RECENT = 6


@require_GET
@may_read
def library(request: HttpRequest) -> HttpResponse:
    """All published runbooks, or those that match."""
    found = present_library(request.GET.get("q", "")[:200].strip(), request.GET.get("tag", "")[:80])
    context = {"library": found, "nav": "library"}
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "runbooks/_library_list.html", context)
    if request.user.has_perm("runbooks.view_run"):
        context["recent"] = present_runs(size=RECENT).runs
    return render(request, "runbooks/library.html", context)


@require_http_methods(["GET", "POST"])
@may_read
def runbook(request: HttpRequest, slug: str) -> HttpResponse:
    """Read a runbook; start it with POST."""
    revision = _published(slug)
    if request.method != "POST":
        return _page(request, revision, StartForm(document_of(revision.text)))
    if not request.user.has_perm("runbooks.start_run"):
        raise PermissionDenied
    form = StartForm(document_of(revision.text), request.POST)
    if form.is_valid():
        try:
            run = _start(request, revision, form)
            return redirect("run", run_id=run.pk)
        except CheckError as error:
            form.add_error(None, error.say)
    return _page(request, revision, form, status=422)


def _published(slug: str) -> Revision:
    found = Runbook.objects.filter(slug=slug, published__isnull=False).values_list("published", flat=True).first()
    if found is None:
        raise Http404("no such runbook")
    return Revision.objects.select_related("runbook", "author").get(pk=found)


def _start(request: HttpRequest, revision: Revision, form: StartForm) -> Run:
    given = form.cleaned_data
    user = cast("User", request.user)
    asked = json.dumps([revision.pk, [host.pk for host in given["all_hosts"]], given["params"]], sort_keys=True, default=str)
    key = (f"web:{user.pk}", given["key"], hashlib.sha256(asked.encode()).hexdigest()) if given["key"] else None
    return dispatch.start_run(
        revision=revision, hosts=given["all_hosts"], params=given["params"], user=user, origin="web", idempotency=key
    )


def _page(request: HttpRequest, revision: Revision, form: StartForm, status: int = 200) -> HttpResponse:
    groups = host_choices()
    hosts = {host.id for group in groups for host in group.hosts}
    context = {
        "book": present_runbook(revision),
        "form": form,
        "groups": groups,
        "ticked": hosts if len(hosts) == 1 else form.chosen(),
        "may_start": request.user.has_perm("runbooks.start_run"),
        "nav": "library",
    }
    if request.user.has_perm("runbooks.view_run"):
        context["recent"] = present_runs(size=RECENT, slug=revision.runbook.slug).runs
    return render(request, "runbooks/read.html", context, status=status)
