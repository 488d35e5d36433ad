"""The way of a packet through pasted rules: the question, the rules, and what was found, kept so that a link shows it again."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from runbooks.models.run import Output


class Trace(models.Model):
    """One question and its answer. ``question`` holds the probe's parameters. Never changes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    question = models.JSONField()
    verdict = models.CharField(max_length=10)
    reason = models.CharField(max_length=40, blank=True)
    finding = models.TextField(blank=True)
    facts = models.JSONField(default=dict)
    findings = models.JSONField(default=list)
    probe = models.CharField(max_length=80)
    probe_version = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = (models.Index(fields=("created_at",), name="trace_oldest"),)

    def __str__(self) -> str:
        return f"{self.verdict}: {self.finding}"


class TraceSection(models.Model):
    """A part of the pasted text that the probe reads, redacted, by content address."""

    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="sections")
    name = models.CharField(max_length=80)
    command = models.CharField(max_length=300, blank=True)
    stdout = models.ForeignKey(Output, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("trace", "name"), name="trace_section_once"),)

    def __str__(self) -> str:
        return self.name
