"""The document of a revision's text, read once per process: a revision never changes, so its text is the key."""

from __future__ import annotations

from functools import lru_cache

from runbooks.document.model import Document
from runbooks.document.parse import parse


@lru_cache(maxsize=256)
def document_of(text: str) -> Document:
    """The parsed runbook."""
    return parse(text)
