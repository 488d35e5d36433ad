"""Runs, their steps, and what they found. The database is the truth; a broker message is only a doorbell.

A step is one check on one host. ``wave`` orders steps of a host: a step is ready when no open step of its host has a lower wave.
``fence`` grows with every claim; a result is accepted only from the holder of the current fence.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from runbooks.choices import STEP_OPEN, RunState, StepState
from runbooks.models.host import Host
from runbooks.models.runbook import Revision


class Run(models.Model):
    """One execution of a revision on a set of hosts."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="runs")
    state = models.CharField(max_length=12, choices=RunState.choices, default=RunState.QUEUED)
    verdict = models.CharField(max_length=10, blank=True)
    params = models.JSONField(default=dict)
    hosts = models.ManyToManyField(Host, related_name="runs")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    origin = models.CharField(max_length=40, default="web")
    repeats = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="repeated_by")
    idempotency_scope = models.CharField(max_length=80, blank=True)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001  NULL keeps runs without a key apart
    request_sha256 = models.CharField(max_length=64, blank=True)
    last_seq = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField()

    class Meta:
        ordering = ("-created_at",)
        indexes = (models.Index(fields=("-created_at",), name="run_newest"),)
        constraints = (models.UniqueConstraint(fields=("idempotency_scope", "idempotency_key"), name="run_idempotency_key_once"),)

    def __str__(self) -> str:
        return f"run {self.id}"


class Step(models.Model):
    """One check of a run on one host."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="steps")
    check_id = models.CharField(max_length=80)
    position = models.PositiveIntegerField()
    wave = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=12, choices=StepState.choices, default=StepState.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ("position", "host_id")
        constraints = (models.UniqueConstraint(fields=("run", "check_id", "host"), name="step_once"),)
        indexes = (
            models.Index(fields=("state", "published_at"), name="step_open", condition=Q(state__in=STEP_OPEN)),
            models.Index(fields=("run", "host", "wave"), name="step_of_host"),
        )

    def __str__(self) -> str:
        return f"{self.check_id} on {self.host_id}"


class Result(models.Model):
    """What a terminal step says; exactly one per step, whoever closed it."""

    step = models.OneToOneField(Step, primary_key=True, on_delete=models.CASCADE, related_name="result")
    fence = models.PositiveIntegerField()
    verdict = models.CharField(max_length=10)
    reason = models.CharField(max_length=40, blank=True)
    finding = models.TextField(blank=True)
    facts = models.JSONField(default=dict)
    fact_lines = models.JSONField(default=dict)
    findings = models.JSONField(default=list)
    probe = models.CharField(max_length=80)
    probe_version = models.PositiveIntegerField(default=1)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.verdict}: {self.finding}"


class Output(models.Model):
    """Raw output, redacted, compressed, stored once per content."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    data = models.BinaryField()
    size = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.sha256


class ResultSection(models.Model):
    """A section of a result: its raw output by content address, and how its command ended."""

    result = models.ForeignKey(Result, on_delete=models.CASCADE, related_name="sections", db_index=False)  # section_once serves
    name = models.CharField(max_length=80)
    command = models.CharField(max_length=300, blank=True)
    stdout = models.ForeignKey(Output, on_delete=models.PROTECT, related_name="+")
    stderr = models.TextField(blank=True)
    rc = models.IntegerField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    timed_out = models.BooleanField(default=False)
    dropped_bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("result", "name"), name="section_once"),)

    def __str__(self) -> str:
        return self.name


class Attempt(models.Model):
    """A claim of a step that did not end it as ``done``: of one that did, the step itself says all.

    Append-only; ``late`` keeps what a worker brought after it had lost its fence.
    """

    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="attempts", db_index=False)  # attempt_once serves
    number = models.PositiveIntegerField()
    fence = models.PositiveIntegerField()
    worker = models.CharField(max_length=120)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=20, blank=True)
    late = models.JSONField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("step", "fence"), name="attempt_once"),)

    def __str__(self) -> str:
        return f"attempt {self.number} of step {self.step_id}"


class RunEvent(models.Model):
    """What changed in a run, in order and without gaps: ``seq`` is taken under the run's row lock."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events", db_index=False)  # event_once serves
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)
    step = models.ForeignKey(Step, null=True, blank=True, on_delete=models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("seq",)
        constraints = (models.UniqueConstraint(fields=("run", "seq"), name="event_once"),)

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"


class ProcessTick(models.Model):
    """A sign of life of a worker, a reaper or a drain, so that the page can say who is missing since when."""

    name = models.CharField(max_length=120, primary_key=True)
    kind = models.CharField(max_length=20)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
