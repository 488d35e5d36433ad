"""Addresses of the pages."""

from __future__ import annotations

from django.urls import path

from runbooks.views import acting, hosts, library, running, tracing

_RUN = "runs/<uuid:run_id>/"
_STEP = _RUN + "steps/<int:step_id>/"

urlpatterns = [
    path("", library.library, name="library"),
    path("runbooks/<slug:slug>/", library.runbook, name="runbook"),
    path("runs/", running.runs, name="runs"),
    path(_RUN, running.run, name="run"),
    path(_RUN + "changes", running.run_changes, name="run-changes"),
    path(_RUN + "checks/<str:check_id>/", running.card, name="run-card"),
    path(_RUN + "cancel", acting.cancel, name="run-cancel"),
    path(_RUN + "rerun", acting.rerun, name="run-rerun"),
    path(_RUN + "rerun-unreached", acting.rerun_unreached, name="run-rerun-unreached"),
    path(_STEP + "output", running.output, name="step-output"),
    path(_STEP + "output/<str:section>", running.raw, name="step-raw"),
    path(_STEP + "rerun", acting.rerun_step, name="step-rerun"),
    path(_STEP + "trace", tracing.step_trace, name="step-trace"),
    path("trace/", tracing.ask, name="trace-ask"),
    path("trace/<uuid:trace_id>/", tracing.trace, name="trace"),
    path("trace/<uuid:trace_id>/rules/<str:section>", tracing.trace_rules, name="trace-rules"),
    path("hosts/", hosts.hosts, name="hosts"),
    path("hosts/add", hosts.add_host, name="add-host"),
    path("hosts/<int:host_id>/", hosts.host, name="host"),
    path("hosts/<int:host_id>/scan", hosts.scan, name="host-scan"),
    path("hosts/<int:host_id>/pin", hosts.pin, name="host-pin"),
]
