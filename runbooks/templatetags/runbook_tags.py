"""Small pieces of the pages: pills, numbers, inline code, groups of lines."""

from __future__ import annotations

import re
from datetime import datetime

from django import template
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from runbooks.presenters import words

register = template.Library()

_CODE = re.compile(r"`([^`]+)`")


@register.simple_tag
def icon(word: str) -> SafeString:
    """The sign of a verdict, for eyes only."""
    return format_html('<i class="icon v-icon" data-verdict="{}" aria-hidden="true"></i>', word)


@register.simple_tag
def pill(word: str, label: str, *, solid: bool = False) -> SafeString:
    """A verdict with its sign and its word."""
    return format_html(
        '<span class="pill{}" data-verdict="{}"><i class="icon v-icon" aria-hidden="true"></i>{}</span>',
        " pill--solid" if solid else "",
        word,
        label,
    )


@register.filter
def inline_code(text: str) -> SafeString:
    """Escaped text whose back-quoted pieces are set as code."""
    pieces = _CODE.split(text)
    made = [
        format_html("<code>{}</code>", piece) if number % 2 else conditional_escape(piece) for number, piece in enumerate(pieces)
    ]
    return mark_safe("".join(made))  # noqa: S308  every piece was escaped in the line above


@register.filter
def author_html(html: str) -> SafeString:
    """HTML that the document's renderer has cleaned (runbooks.document.sanitize). For nothing else."""
    return mark_safe(html)  # noqa: S308


@register.filter
def ago(moment: datetime | None) -> str:
    """How long ago."""
    return words.ago(moment)


@register.filter
def number(value: float) -> str:
    """A number with separators."""
    return words.number(value)


@register.filter
def visible(text: str) -> str:
    """Foreign text with its control characters shown."""
    return words.visible(str(text))


@register.filter
def zh(text: str) -> str:
    """``zh`` for Chinese text, for a lang attribute; empty for other text."""
    return "zh" if words.is_chinese(str(text)) else ""
