"""Writeups. A revision is immutable: its text, its hash, its number; a run names the revision it executed."""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings
from django.db import models


class Runbook(models.Model):
    """A writeup with check steps. Its text lives in revisions; the published one is what people read and run."""

    slug = models.SlugField(max_length=120, unique=True)
    title = models.CharField(max_length=300)
    title_zh = models.CharField(max_length=300, blank=True)
    kind = models.CharField(max_length=20, default="incident")
    tags = models.JSONField(default=list, blank=True)
    published = models.ForeignKey("Revision", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("title",)
        permissions = (("start_run", "Can start, stop and repeat runs"),)

    def __str__(self) -> str:
        return self.title


class Revision(models.Model):
    """One immutable text of a runbook, byte for byte as its author gave it."""

    runbook = models.ForeignKey(Runbook, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64, editable=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    comment = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=("runbook", "number"), name="revision_number_once"),)

    def __str__(self) -> str:
        return f"{self.runbook.slug} revision {self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only a new revision can be saved."""
        if not self._state.adding:
            raise ValueError("a revision is immutable; save a new one")
        self.sha256 = hashlib.sha256(self.text.encode()).hexdigest()
        super().save(*args, **kwargs)
