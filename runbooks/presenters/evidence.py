"""The lines that decided, with their numbers: from the findings alone, or in their place within the whole stored output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from checks.results import Verdict
from runbooks.presenters.shown import Shown, of_verdict
from runbooks.presenters.words import visible

CONTEXT = 2
FOLD_MAX = 400
LINE_MAX = 2000


@dataclass(frozen=True)
class Line:
    """A line of output. ``parts`` are pieces of text and whether each is the token that decided; links lead to ``anchor``."""

    number: int
    parts: tuple[tuple[str, bool], ...]
    shown: Shown | None = None
    anchor: str = ""

    @property
    def token(self) -> int:
        """The number of the first part that decided, from 1, or 0. A link leads there, so that it is seen in a long line."""
        return next((number for number, (_text, is_mark) in enumerate(self.parts, 1) if is_mark), 0)


@dataclass(frozen=True)
class Piece:
    """Lines that stand together. A ``folded`` piece is behind a button; one without lines is too long to be on a page."""

    lines: tuple[Line, ...]
    folded: bool = False
    count: int = 0


@dataclass(frozen=True)
class SectionView:
    """One command and what is shown of its output."""

    name: str
    command: str
    pieces: tuple[Piece, ...]
    total: int = 0
    note: str = ""
    error: str = ""


_WORST_FIRST = (Verdict.CRIT, Verdict.WARN, Verdict.UNKNOWN, Verdict.OK, Verdict.INFO, Verdict.SKIPPED)
Deciding = dict[str, dict[int, tuple[str, set[str], str]]]


def deciding_lines(findings: Iterable[Mapping[str, Any]]) -> Deciding:
    """By section and line number: the line's text, the tokens that decided, and the worst verdict it gave."""
    found: Deciding = {}
    for finding in findings:
        for line in finding.get("evidence") or ():
            section = found.setdefault(str(line["section"]), {})
            text, marks, verdict = section.get(int(line["line"]), (str(line["text"]), set(), str(finding["verdict"])))
            if line.get("mark"):
                marks.add(str(line["mark"]))
            section[int(line["line"])] = (text, marks, _worse(verdict, str(finding["verdict"])))
    return found


def _worse(one: str, other: str) -> str:
    return next((verdict for verdict in _WORST_FIRST if verdict in (one, other)), one)


def marked(text: str, marks: Iterable[str]) -> tuple[tuple[str, bool], ...]:
    """The text cut so that each token that decided is a piece of its own; every piece made visible.

    >>> marked("memory 10 13482 1", {"13482"})
    (('memory 10 ', False), ('13482', True), (' 1', False))
    """
    text = text[:LINE_MAX]
    pieces = [(text, False)]
    for mark in sorted(marks, key=len, reverse=True):
        pieces = [cut for piece, is_mark in pieces for cut in ([(piece, True)] if is_mark else _cut(piece, mark))]
    return tuple((visible(piece), is_mark) for piece, is_mark in pieces if piece)


def _cut(text: str, mark: str) -> list[tuple[str, bool]]:
    before, found, after = text.partition(mark)
    return [(before, False), (found, True), (after, False)] if found else [(text, False)]


def brief(deciding: Deciding, commands: Mapping[str, str]) -> tuple[SectionView, ...]:
    """The deciding lines alone, as the findings carry them. Needs no stored output."""
    views = []
    for section, lines in deciding.items():
        pieces: list[Piece] = []
        run: list[Line] = []
        for number in sorted(lines):
            if run and number != run[-1].number + 1:
                pieces.append(Piece(tuple(run)))
                run = []
            text, marks, verdict = lines[number]
            run.append(Line(number, marked(text, marks), of_verdict(verdict)))
        pieces.append(Piece(tuple(run)))
        views.append(SectionView(section, visible(commands.get(section, "")), tuple(pieces)))
    return tuple(views)


def whole(text: str, deciding: Mapping[int, tuple[str, set[str], str]]) -> tuple[tuple[Piece, ...], int]:
    """The whole output in pieces: deciding lines with their neighbours open, the rest folded. And its number of lines."""
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    near = {number + offset for number in deciding for offset in range(-CONTEXT, CONTEXT + 1)}
    if not deciding:
        near = set(range(1, 2 * CONTEXT + 5))
    pieces: list[Piece] = []
    start = 1
    while start <= len(lines):
        is_open = start in near
        end = start
        while end < len(lines) and (end + 1 in near) == is_open:
            end += 1
        is_open = is_open or end - start < 2  # a button for one or two lines would take as much room
        pieces.append(_piece(lines, start, end, deciding, is_open))
        start = end + 1
    return tuple(pieces), len(lines)


def _piece(lines: list[str], start: int, end: int, deciding: Mapping[int, tuple[str, set[str], str]], is_open: bool) -> Piece:
    count = end - start + 1
    if not is_open and count > FOLD_MAX:
        return Piece((), folded=True, count=count)
    made = []
    for number in range(start, end + 1):
        _text, marks, verdict = deciding.get(number, ("", set(), ""))
        made.append(Line(number, marked(lines[number - 1], marks), of_verdict(verdict) if verdict else None))
    return Piece(tuple(made), folded=not is_open, count=count)
