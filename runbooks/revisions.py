"""Saving a runbook: linted first, kept byte for byte, never changed afterwards."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Max

from checks.catalog import catalog
from runbooks.document.model import Document, Problem
from runbooks.document.parse import parse
from runbooks.models import Revision, Runbook


class LintError(Exception):
    """The text has errors; nothing was saved. ``problems`` has each with its line and column."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem.line}:{problem.column} {problem.say}" for problem in problems[:5]))


def read(text: str) -> Document:
    """The document of that text, linted against the catalogue."""
    return parse(text, probes=catalog())


def add_revision(slug: str, text: str, *, author: Any = None, comment: str = "", publish: bool = False) -> Revision:
    """Save the text as the runbook's next revision, in one transaction. The same text again is the same revision.

    Raises LintError when it has errors; then nothing is saved, published or not.
    """
    document = read(text)
    if not document.ok:
        raise LintError(document.problems)
    with transaction.atomic():
        runbook, _ = Runbook.objects.select_for_update().get_or_create(slug=slug, defaults={"title": document.meta.title})
        newest = runbook.revisions.order_by("-number").first()
        if newest is not None and newest.text == text:
            revision = newest
        else:
            number = (runbook.revisions.aggregate(last=Max("number"))["last"] or 0) + 1
            revision = Revision.objects.create(runbook=runbook, number=number, text=text, author=author, comment=comment)
        if publish or runbook.published is None:
            _describe(runbook, document)
            runbook.published = revision if publish else runbook.published
            runbook.save()
    return revision


def _describe(runbook: Runbook, document: Document) -> None:
    meta = document.meta
    runbook.title, runbook.title_zh, runbook.kind, runbook.tags = meta.title, meta.title_zh, meta.kind, list(meta.tags)
