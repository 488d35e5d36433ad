"""Markdown to the parts of a page: safe HTML, cut so that each check stands beside the prose before it.

superfences finds the fences (measured: right in lists, quotes and four-backtick examples); each check leaves a slot with a
nonce of this render, and a slot that does not survive into the cleaned HTML was in a comment or in indented code.
"""

from __future__ import annotations

import html
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import markdown

from runbooks.document.blocks import Block, Blocks
from runbooks.document.highlight import code_block
from runbooks.document.model import Part
from runbooks.document.sanitize import clean

MEDIA = "/media/"
COPY_SAYS = "Copy"
COPIED_SAYS = "Copied"
REMEDY_SAYS = "This changes the host. Sidenote only reads; run it yourself."
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


@dataclass(frozen=True)
class Rendered:
    """The parts, and per check fence in file order: the text the renderer saw, and whether its slot survived."""

    parts: tuple[Part, ...]
    seen: tuple[str, ...]
    reached: frozenset[int]


def render(text: str, check_ids: Mapping[int, str], media: str = MEDIA) -> Rendered:
    """Render the body. ``check_ids`` names the check of the n-th check fence. May raise RecursionError on absurd nesting."""
    slots = _Slots(secrets.token_hex(12))
    raw = _markdown(slots).convert(text)
    blocks = Blocks(slots.fill(clean(raw, slots.nonce, media, anchor_of)), slots.pattern("check")).found
    reached = frozenset(number for block in blocks for number in block.checks)
    return Rendered(_parts(blocks, check_ids), tuple(slots.checks), reached)


def anchor_of(heading: str) -> str:
    """The id of a heading, in a name space of its own so that no heading can take the place of a page's element.

    >>> anchor_of("Is it the kernel?"), anchor_of("解决方案")
    ('h-is-it-the-kernel', 'h-解决方案')
    """
    return "h-" + (re.sub(r"[^\w]+", "-", heading.removeprefix("h-").lower()).strip("-") or "section")


@dataclass
class _Slots:
    """What the fences left behind during one render."""

    nonce: str
    checks: list[str] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)

    def check(self, src: str, *_: Any, **__: Any) -> str:
        self.checks.append(src)
        return f'<div data-slot="{self.nonce}-check-{len(self.checks) - 1}"></div>'

    def remedy(self, src: str, *_: Any, **__: Any) -> str:
        self.remedies.append(src)
        return f'<div data-slot="{self.nonce}-remedy-{len(self.remedies) - 1}"></div>'

    def pattern(self, kind: str) -> re.Pattern[str]:
        return re.compile(rf'<div data-slot="{self.nonce}-{kind}-(\d+)"></div>')

    def fill(self, cleaned: str) -> str:
        """Put the remedies in."""
        return self.pattern("remedy").sub(lambda match: _remedy(self.remedies[int(match[1])]), cleaned)


def _markdown(slots: _Slots) -> markdown.Markdown:
    def any_inputs(_language: str, inputs: dict[str, str], options: dict[str, Any], attrs: dict[str, Any], _md: Any) -> bool:
        options.update(inputs)
        return True

    fences = [
        {"name": name, "class": "", "format": form, "validator": any_inputs}
        for name, form in (("check", slots.check), ("remedy", slots.remedy), ("*", code_block))
    ]
    return markdown.Markdown(
        extensions=["pymdownx.superfences", "tables", "sane_lists"],
        extension_configs={"pymdownx.superfences": {"custom_fences": fences}},
        output_format="html",
    )


def _remedy(command: str) -> str:
    return (
        f'<div class="cmd" data-remedy><pre><code>{html.escape(command.strip())}</code></pre>'
        f'<button type="button" class="btn btn--quiet btn--small end" data-copy data-done="{COPIED_SAYS}">'
        f'<i class="icon i-copy" aria-hidden="true"></i><span>{COPY_SAYS}</span></button></div>'
        f'<p class="muted">{REMEDY_SAYS}</p>'
    )


def _parts(blocks: list[Block], check_ids: Mapping[int, str]) -> tuple[Part, ...]:
    parts: list[Part] = []
    taken: Counter[str] = Counter()
    part = Part()
    for block in blocks:
        if block.tag in _HEADINGS and not block.checks:
            _add(parts, part)
            heading = " ".join(html.unescape(re.sub(r"<[^>]*>", "", block.html)).split())
            anchor = anchor_of(heading)
            taken[anchor] += 1
            part = Part(heading, int(block.tag[1]), anchor if taken[anchor] == 1 else f"{anchor}-{taken[anchor]}")
            continue
        part = replace(part, html_before="\n".join(filter(None, (part.html_before, block.html))))
        for number in block.checks:
            if number in check_ids:
                parts.append(replace(part, check_id=check_ids[number]))
                part = Part()
    _add(parts, part)
    return tuple(parts)


def _add(parts: list[Part], part: Part) -> None:
    if part.heading or part.html_before:
        parts.append(part)
