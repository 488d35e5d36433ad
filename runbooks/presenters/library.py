"""The library as a list, and one runbook as it is read before anything runs."""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass

from django.db.models import Q

from checks import catalog
from checks.collectors.base import Privilege
from runbooks.document.model import Check, Document
from runbooks.models import Revision, Runbook
from runbooks.parsed import document_of
from runbooks.presenters.run import PartView, part_view
from runbooks.presenters.words import in_language, language_of, quantity, visible

EXCERPT = 220


@dataclass(frozen=True)
class Entry:
    """A runbook in the list."""

    slug: str
    title: str
    other_title: str
    lang: str
    kind: str
    tags: tuple[str, ...]
    checks: int
    excerpt: str
    excerpt_lang: str


@dataclass(frozen=True)
class LibraryView:
    """The runbooks that match, and the tags of all of them with their counts."""

    entries: tuple[Entry, ...]
    total: int
    tags: tuple[tuple[str, int], ...]
    query: str
    tag: str


def present_library(query: str = "", tag: str = "") -> LibraryView:
    """The published runbooks that hold every word of ``query`` in title, tags or text, and carry ``tag``: one statement."""
    published = Runbook.objects.filter(published__isnull=False).select_related("published")
    tags: Counter[str] = Counter()
    for found in published.values_list("tags", flat=True):
        tags.update(found)
    for word in query.split():
        published = published.filter(
            Q(title__icontains=word)
            | Q(title_zh__icontains=word)
            | Q(slug__icontains=word)
            | Q(tags__icontains=word)
            | Q(published__text__icontains=word)
        )
    books = [book for book in published if not tag or tag in book.tags]
    total = Runbook.objects.filter(published__isnull=False).count()
    return LibraryView(tuple(_entry(book) for book in books), total, tuple(tags.most_common(24)), query, tag)


def _entry(book: Runbook) -> Entry:
    assert book.published is not None
    document = document_of(book.published.text)
    excerpt = excerpt_of(document)
    return Entry(
        slug=book.slug,
        title=(title := in_language(book.title, book.title_zh)),
        other_title=_other(book, title),
        lang=language_of(title),
        kind=book.kind,
        tags=tuple(book.tags),
        checks=len(document.steps),
        excerpt=excerpt,
        excerpt_lang=language_of(excerpt),
    )


_PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)


def excerpt_of(document: Document) -> str:
    """The first paragraph of the narrative as plain text, cut at a word."""
    for part in document.parts:
        match = _PARAGRAPH.search(part.html_before)
        if match:
            text = " ".join(html.unescape(re.sub(r"<[^>]*>", "", match[1])).split())
            return text if len(text) <= EXCERPT else text[:EXCERPT].rsplit(" ", 1)[0].rstrip(" .,;:") + "…"
    return ""


@dataclass(frozen=True)
class CommandView:
    """What a check runs: its title, the very sh text, and the privilege it needs."""

    name: str
    title: str
    script: str
    privilege: str


@dataclass(frozen=True)
class PlanView:
    """A check before it runs."""

    check: str
    number: int
    title: str
    probe: str
    question: str
    known: bool
    commands: tuple[CommandView, ...]
    privilege: str
    interval_s: int | None
    confirms: bool
    heavy: bool
    limits: tuple[tuple[str, str, str], ...]
    condition: bool


@dataclass(frozen=True)
class RunbookView:
    """A runbook as it is read."""

    slug: str
    title: str
    other_title: str
    lang: str
    kind: str
    tags: tuple[str, ...]
    revision: int
    author: str
    changed_at: object
    parts: tuple[tuple[PartView, PlanView | None], ...]
    checks: int
    needs_root: int
    active: int
    source: str
    errata: tuple[str, ...]


def present_runbook(revision: Revision) -> RunbookView:
    """A revision with its plan. Needs ``runbook`` and ``author`` loaded."""
    document, book = document_of(revision.text), revision.runbook
    titles = {check.id: (number, check.title or check.id) for number, check in enumerate(document.steps, 1)}
    plans = {check.id: _plan(check, *titles[check.id]) for check in document.steps}
    parts = [(part_view(part, titles), plans.get(part.check_id or "")) for part in document.parts]
    return RunbookView(
        slug=book.slug,
        title=(title := in_language(book.title, book.title_zh)),
        other_title=_other(book, title),
        lang=language_of(title),
        kind=book.kind,
        tags=tuple(book.tags),
        revision=revision.number,
        author=revision.author.get_username() if revision.author else "",
        changed_at=revision.created_at,
        parts=tuple(parts),
        checks=len(plans),
        needs_root=sum(plan.privilege in (Privilege.ROOT, Privilege.NETNS) for plan in plans.values()),
        active=sum(plan.privilege == Privilege.ACTIVE for plan in plans.values()),
        source=document.meta.source.title,
        errata=document.meta.source.errata,
    )


def _other(book: Runbook, title: str) -> str:
    """The title in the other language, where there is one."""
    return next((one for one in map(visible, (book.title, book.title_zh)) if one and one != title), "")


def _plan(check: Check, number: int, title: str) -> PlanView:
    probe = catalog.catalog().get(check.probe)
    collectors = probe.collectors if probe else ()
    commands = tuple(CommandView(one.name, one.title, one.script.strip(), str(one.privilege)) for one in collectors)
    limits = []
    for threshold in probe.thresholds if probe else ():
        own = check.limits.get(threshold.name)
        if own is not None:
            limits.append((threshold.say, quantity(own, threshold.unit), quantity(threshold.default, threshold.unit)))
    return PlanView(
        check=check.id,
        number=number,
        title=title,
        probe=check.probe,
        question=probe.question if probe else "",
        known=probe is not None,
        commands=commands,
        privilege=str(probe.privilege) if probe else "",
        interval_s=(check.interval_s or probe.interval_s) if probe and probe.sampled else None,
        confirms=check.confirms,
        heavy=bool(probe and probe.heavy),
        limits=tuple(limits),
        condition=check.when is not None,
    )
