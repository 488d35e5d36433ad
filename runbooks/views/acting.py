"""What a person does with a run: stop it, repeat it, or parts of it. Each is a POST that leads to a run's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from checks.errors import CheckError
from runbooks import dispatch
from runbooks.models import Run, Step

may_start = permission_required("runbooks.start_run", raise_exception=True)


def _run(run_id: UUID) -> Run:
    return get_object_or_404(Run.objects.select_related("revision"), pk=run_id)


def _lead_to(request: HttpRequest, old: Run, act: Callable[[], Run]) -> HttpResponse:
    """The page of the run that ``act`` made, or the old one with the reason why it made none."""
    try:
        made = act()
    except CheckError as error:
        messages.error(request, error.say)
        made = old
    return redirect("run", run_id=made.pk)


@require_POST
@may_start
def cancel(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Stop a run."""
    run = _run(run_id)
    dispatch.cancel(run, cast("User", request.user))
    messages.info(request, _("The run is being stopped. What was found so far stays."))
    return redirect("run", run_id=run.pk)


@require_POST
@may_start
def rerun(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The whole run again."""
    run = _run(run_id)
    return _lead_to(request, run, lambda: dispatch.rerun(run, cast("User", request.user)))


@require_POST
@may_start
def rerun_unreached(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """All checks again on the hosts that did not answer."""
    run = _run(run_id)
    return _lead_to(request, run, lambda: dispatch.rerun_unreached_hosts(run, cast("User", request.user)))


@require_POST
@may_start
def rerun_step(request: HttpRequest, run_id: UUID, step_id: int) -> HttpResponse:
    """One check on one host again."""
    step = get_object_or_404(Step.objects.select_related("run__revision", "host"), pk=step_id, run_id=run_id)
    return _lead_to(request, step.run, lambda: dispatch.rerun_step(step, cast("User", request.user)))
