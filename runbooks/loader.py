"""The shipped library into the database: one runbook per file, by its name; the same text a second time changes nothing.

A new text of ours is published only where ours was published before. Where an author has published a revision of their own, that
one stays; our text is kept beside it as an unpublished revision, and the loader says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from django.conf import settings

from runbooks.document.model import Problem
from runbooks.models import Revision, Runbook
from runbooks.revisions import LintError, add_revision

SHIPPED = "shipped with Sidenote"


class How(StrEnum):
    """What became of a file."""

    NEW = "new"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT_ASIDE = "kept aside"
    REFUSED = "refused"


@dataclass(frozen=True)
class Loaded:
    """A file of the library and what became of it. ``say`` is for a person; it is empty where nothing happened."""

    path: Path
    slug: str
    how: How
    say: str = ""
    problems: tuple[Problem, ...] = ()


def library_files(folder: Path) -> list[Path]:
    """The runbooks of a library, in order."""
    return sorted(folder.rglob("*.md"))


def load_library(folder: Path | None = None) -> Iterator[Loaded]:
    """Load every file; one that is refused does not keep the others out."""
    taken: dict[str, Path] = {}
    for path in library_files(folder or Path(settings.LIBRARY_DIR)):
        if path.stem in taken:
            yield Loaded(path, path.stem, How.REFUSED, f"the name {path.stem} is taken by {taken[path.stem]}; rename one")
            continue
        taken[path.stem] = path
        yield _load(path)


def _load(path: Path) -> Loaded:
    slug = path.stem
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        return Loaded(path, slug, How.REFUSED, f"not UTF-8: {error.reason} at byte {error.start}")
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    if Revision.objects.filter(runbook__slug=slug, sha256=sha256).exists():
        return Loaded(path, slug, How.UNCHANGED)
    runbook = Runbook.objects.select_related("published").filter(slug=slug).first()
    ours = runbook is None or runbook.published is None or is_shipped(runbook.published)
    try:
        revision = add_revision(slug, text, comment=SHIPPED, publish=ours)
    except LintError as error:
        return Loaded(path, slug, How.REFUSED, f"{len(error.problems)} problems", error.problems)
    if runbook is None:
        return Loaded(path, slug, How.NEW, revision.runbook.title)
    if ours:
        return Loaded(path, slug, How.UPDATED, f"revision {revision.number} is published")
    assert runbook.published is not None
    say = (
        f"your revision {runbook.published.number} stays published; ours is revision {revision.number}, unpublished: compare them"
    )
    return Loaded(path, slug, How.KEPT_ASIDE, say)


def is_shipped(revision: Revision) -> bool:
    """True for a revision that the loader made."""
    return revision.author_id is None and revision.comment == SHIPPED
