"""Where the fences of a Markdown file begin and end, by the rules of pymdownx.superfences (read in its source, 12.x).

A closing fence repeats the opening one exactly and stands at its indent; a line further left than the fence breaks it off.
The renderer uses superfences itself; ``lint`` reports every check fence on which the two do not agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OURS = ("check", "remedy")
_OPENING = re.compile(
    r"""(?P<fence>~{3,}|`{3,})[ \t]*
    (?:\{(?P<braces>[^\n]*)\}|\.?(?P<lang>[\w\#.+-]+)(?P<attributes>(?:[ \t]+[^\n]*)?)|)[ \t]*$""",
    re.VERBOSE,
)
_QUOTED_ATTRIBUTES = re.compile(r"""(?:[ \t]+[a-zA-Z][a-zA-Z0-9_]*(?:=(?:"[^"]*"|'[^']*'))?)*[ \t]*""")
_MEANT = re.compile(
    r"^(?P<prefix>[>\s]*+(?:(?:[-*+]|\d{1,9}[.)])[>\s]*+)?)"
    r"(?P<ticks>`{2,}|~{2,})[ \t]*\{?[ \t]*\.?(?:check|remedy)(?![\w-])"
)


@dataclass(frozen=True)
class Fence:
    """A closed fence: the line it opens on, its language, and its text with the file column each line begins at."""

    line: int
    column: int
    lang: str
    text: str
    indents: tuple[int, ...]
    end: int


@dataclass(frozen=True)
class Broken:
    """A line that means to start a fence and does not. ``why`` is the problem's code."""

    line: int
    column: int
    why: str
    header: str


@dataclass(frozen=True)
class Scan:
    """All fences of a file and all broken starts, in order."""

    fences: tuple[Fence, ...]
    broken: tuple[Broken, ...]


@dataclass(frozen=True)
class _Opening:
    number: int
    prefix: str
    column: int
    ticks: str
    lang: str


def scan(lines: list[str], first: int = 0) -> Scan:
    """Read the fences from line index ``first`` on.

    >>> [(fence.line, fence.lang, fence.text) for fence in scan(["# a", "```check", "id: x", "```"]).fences]
    [(2, 'check', 'id: x')]
    """
    fences: list[Fence] = []
    broken: list[Broken] = []
    number = first
    while number < len(lines):
        opening = _open(lines[number], number)
        if opening is None:
            broken += _meant(lines[number], number)
            number += 1
            continue
        end, closed = _close(lines, opening)
        if closed:
            fences.append(_fence(lines, end, opening))
        elif end == len(lines) or opening.lang in OURS:
            broken.append(Broken(number + 1, opening.column + 1, "unclosed-fence", lines[number][opening.column :]))
        number = end + 1
    return Scan(tuple(fences), tuple(broken))


def _open(line: str, number: int) -> _Opening | None:
    column = len(line) - len(line.lstrip("> \t"))
    match = _OPENING.match(line, column)
    if match is None:
        return None
    lang = match["lang"] or ""
    if match["braces"] is not None:
        named = re.match(r"\s*\.([\w-]+)", match["braces"])
        lang = named[1] if named else ""
        if lang in OURS:  # superfences would take ``{.check}``; refused, so that there is one way to write a check
            return None
    elif not _QUOTED_ATTRIBUTES.fullmatch(match["attributes"] or ""):
        return None
    return _Opening(number, line[:column].expandtabs(4), column, match["fence"], lang)


def _split(line: str, columns: int) -> tuple[str, int]:
    """The prefix of a line up to that many columns, tabs made spaces, and how many characters it took."""
    taken, prefix = 0, ""
    while taken < len(line) and len(prefix) < columns and line[taken] in "> \t":
        prefix += " " * (4 - len(prefix) % 4) if line[taken] == "\t" else line[taken]
        taken += 1
    return prefix, taken


def _close(lines: list[str], opening: _Opening) -> tuple[int, bool]:
    """The index of the closing line and True, or of the line that breaks the fence off (or the end) and False."""
    width, depth = len(opening.prefix), opening.prefix.count(">")
    closing = re.compile(re.escape(opening.ticks) + r"[ \t]*$")
    blank_before = False
    for number in range(opening.number + 1, len(lines)):
        prefix, taken = _split(lines[number], width)
        content = lines[number][taken:]
        deeper = prefix.count(">") > depth
        if content.strip() or deeper:
            shallow = prefix.count(">") < depth
            if deeper or (len(prefix) < opening.column if depth else len(prefix) != width) or (shallow and blank_before):
                return number, False
            if closing.match(content):
                return number, True
        blank_before = not content.strip()
    return len(lines), False


def _fence(lines: list[str], end: int, opening: _Opening) -> Fence:
    body = lines[opening.number + 1 : end]
    taken = tuple(_split(line, len(opening.prefix))[1] for line in body)
    text = "\n".join(line[count:] for line, count in zip(body, taken, strict=True))
    return Fence(opening.number + 1, opening.column + 1, opening.lang, text, taken, end + 1)


def _meant(line: str, number: int) -> list[Broken]:
    match = _MEANT.match(line)
    if match is None:
        return []
    header = line[match.end("prefix") :]
    if len(match["ticks"]) < 3:
        why = "" if match["ticks"][0] in header.lstrip("`~") else "short-fence"
    elif match["prefix"].strip("> \t"):
        why = "fence-on-list-line"
    else:
        why = "fence-attributes"
    return [Broken(number + 1, match.end("prefix") + 1, why, header)] if why else []
