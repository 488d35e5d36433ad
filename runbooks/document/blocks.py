"""Cleaned, so well-formed, HTML cut at its outermost elements; each check's slot is taken out and remembered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

_VOID = ("br", "hr", "img")
_INLINE = (
    *("", "a", "abbr", "b", "br", "code", "del", "em", "i", "img", "ins", "kbd", "mark", "q", "s", "samp", "small", "span"),
    *("strong", "sub", "sup", "var"),
)


@dataclass(frozen=True)
class Block:
    """An outermost element, or a paragraph made of bare text, and the numbers of the checks whose slots it held."""

    tag: str
    html: str
    checks: tuple[int, ...]


class Blocks(HTMLParser):
    """``found`` lists the blocks in order."""

    def __init__(self, cleaned: str, slot: re.Pattern[str]) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[Block] = []
        self._html = cleaned
        self._slot = slot
        self._starts = [0]
        for line in cleaned.split("\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._depth = 0
        self._begin = 0
        self._tag = ""
        self._bare: list[str] = []
        self.feed(cleaned)
        self.close()
        self._cut(len(cleaned), "")
        self._end_bare()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._depth == 0:
            self._cut(self._offset(), "")
            self._tag = tag
        if tag not in _VOID:
            self._depth += 1
        elif self._depth == 0:
            self._cut(self._offset() + len(self.get_starttag_text() or ""), tag)

    def handle_endtag(self, tag: str) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._cut(self._html.index(">", self._offset()) + 1, self._tag)

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._starts[line - 1] + column

    def _cut(self, end: int, tag: str) -> None:
        """End a block. A slot ends the paragraph it touches; what follows it arrives bare and becomes a paragraph again."""
        piece = self._html[self._begin : end]
        self._begin = end
        numbers = tuple(int(number) for number in self._slot.findall(piece))
        if tag in _INLINE and not numbers:
            self._bare.append(piece)
        else:
            self._end_bare()
            rest = re.sub(r"<p>\s*</p>", "", self._slot.sub("", piece)).strip()
            self.found.append(Block(tag, rest, numbers))

    def _end_bare(self) -> None:
        text = "".join(self._bare).strip()
        if text:
            self.found.append(Block("p", f"<p>{text}</p>", ()))
        self._bare.clear()
