"""Sentences with facts in them: ``{fact}`` or ``{step.fact}``, names only. No formats, no attributes, no template language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runbooks.document.evaluation import lookup
from runbooks.document.expressions import NAME

NOT_KNOWN = "(not known)"
_NAME = re.compile(rf"\{{({NAME})\}}")
_MAX = 120
# what a terminal, a chat or a reader's eye would act on and not show: control, bidirectional and zero-width characters
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def names(sentence: str) -> Iterator[tuple[str, int]]:
    """Each name and the offset of its opening brace.

    >>> list(names("{dying} of {memcg.total}"))
    [('dying', 0), ('memcg.total', 11)]
    """
    for match in _NAME.finditer(sentence):
        yield match[1], match.start()


def stray_brace(sentence: str) -> int | None:
    """The offset of the first brace that is not part of a ``{name}``, or None."""
    rest = _NAME.sub(lambda match: " " * len(match[0]), sentence)
    found = re.search(r"[{}]", rest)
    return found.start() if found else None


def fill(sentence: str, facts: Mapping[str, Any]) -> str:
    """The sentence with its facts. A missing fact reads ``(not known)``.

    >>> fill("{dying} of {total}, read in {ms} ms", {"dying": 13000, "ms": 41.26})
    '13000 of (not known), read in 41.3 ms'
    """
    return _NAME.sub(lambda match: spell(lookup(facts, match[1])), sentence)


def spell(value: Any) -> str:
    """A fact as a person reads it, on one line and not longer than a sentence bears."""
    if value is None:
        return NOT_KNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    text = ", ".join(spell(item) for item in value) if isinstance(value, list | tuple) else str(value)
    text = _HIDDEN.sub("\ufffd", " ".join(text.split()))
    return text if len(text) <= _MAX else text[: _MAX - 1] + "…"
