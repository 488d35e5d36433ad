r"""The lines of a .spec as rpm takes them: joined while a brace is open or a backslash ends one, and the definitions in them.

Knowledge: rpm's copyNextLineFromOFI and doDefine. Only ``%{``, ``%(`` and ``%[`` open a brace; a definition's body ends with its
line, unless a brace or a backslash carries it on, or the braces around it close.

>>> [(start, text) for start, text in logical_lines(["%define a \\", "  b", "%{!?c:", "%global d 1", "}", "make"])]
[(1, '%define a \\\n  b'), (3, '%{!?c:\n%global d 1\n}'), (6, 'make')]
>>> found = scan("%{!?c:\n%global d %{nil}\n%global e 2\n}")
>>> [(one.kind, one.name, one.body, one.nested) for one in found.definitions], found.line_starts
([('global', 'd', '%{nil}', True), ('global', 'e', '2', True)], [0])
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.results import Reason

_BRACE = re.compile(r"\\.|%%|%[{(\[]|[{}()\[\]]")
_PIECE = re.compile(
    r"\\[\s\S]|%%|\n|%(?P<kind>define|global|undefine|bcond_with|bcond_without|bcond)[^\S\n]+(?P<name>[A-Za-z_]\w*)"
    r"(?P<options>\([^)\n]*\))?|%[{(\[]|[{}()\[\]]"
)
_CLOSES = {"}": "{", ")": "(", "]": "["}
_MANY = 50
"""More definitions than this inside one another are nobody's spec."""


@dataclass(frozen=True)
class RawDefinition:
    """A definition as it stands: ``offset`` is where it begins. ``nested`` means inside braces or another definition's body."""

    kind: str
    name: str
    options: str
    body: str
    offset: int
    nested: bool


@dataclass
class Scanned:
    """The definitions of a logical line, and where those of its lines begin that are inside no brace and no body."""

    definitions: list[RawDefinition] = field(default_factory=list)
    line_starts: list[int] = field(default_factory=list)


def logical_lines(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Each logical line with the number of its first line. Raises ParseError when the text ends inside one."""
    opened = dict.fromkeys("{([", 0)
    parts: list[str] = []
    start = 1
    for number, line in enumerate(lines, 1):
        parts.append(line)
        for match in _BRACE.finditer(line):
            _count(opened, match[0])
        odd = (len(line) - len(line.rstrip("\\"))) % 2 == 1
        if odd or any(opened.values()):
            continue
        yield start, "\n".join(parts)
        parts, start = [], number + 1
    if parts and any(opened.values()):
        raise ParseError(f"the spec is not whole: a macro's brace of line {start} is not closed", Reason.TRUNCATED, line=start)
    if parts:
        yield start, "\n".join(parts)


def _count(opened: dict[str, int], token: str) -> None:
    """As rpm counts: a bare brace matters only inside one that % opened."""
    if token in ("%{", "%(", "%["):
        opened[token[1]] += 1
    elif token in opened:
        opened[token] += opened[token] > 0
    elif token in _CLOSES:
        opened[_CLOSES[token]] -= opened[_CLOSES[token]] > 0


def scan(text: str) -> Scanned:
    """The definitions of a logical line, in order."""
    found = Scanned(line_starts=[0])
    opened = dict.fromkeys("{([", 0)
    body_end = inside = 0
    for match in _PIECE.finditer(text):
        token, place = match[0], match.start()
        depth = any(opened.values())
        if match["kind"]:
            inside = inside + 1 if place < body_end else 0
            if inside > _MANY:
                raise ParseError(f"more than {_MANY} definitions stand inside one another", Reason.UNPARSED)
            end = _body_end(text, match.end(), enclosed=depth)
            body = "" if match["kind"] == "undefine" else text[match.end() : end]
            found.definitions.append(
                RawDefinition(
                    match["kind"], match["name"], match["options"] or "", body.strip(), place, depth or place < body_end
                )
            )
            body_end = max(body_end, end)
        elif token[-1] == "\n":
            if not depth and match.end() > body_end:
                found.line_starts.append(match.end())
        else:
            _count(opened, token)
    return found


def _body_end(text: str, start: int, *, enclosed: bool) -> int:
    """Where the body ends that begins there: at its line's end, or where the braces around it close."""
    opened = dict.fromkeys("{([", 0)
    bare = 0
    for match in _PIECE.finditer(text, start):
        piece = match[0]
        if piece == "\n" and not any(opened.values()):
            return match.start()
        if enclosed and not any(opened.values()) and piece in "{}":
            bare += 1 if piece == "{" else -1
            if bare < 0:
                return match.start()
        _count(opened, piece)
    return len(text)
