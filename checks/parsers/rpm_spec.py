"""A .spec file as text. It is read, never expanded: expanding runs ``%(…)`` and ``%{lua:…}`` as the caller (rpm macro manual).

>>> spec = parse_spec('''Name: tool
... %global debug_package %{nil}
... %define __os_install_post \\\\
...     /usr/lib/rpm/brp-compress \\\\
...     %{nil}
... # %global dist .el9
... %build
... echo %(date)
... %files
... /usr/bin/tool
... ''')
>>> [(d.kind, d.name, d.body, d.line) for d in spec.definitions][0]
('global', 'debug_package', '%{nil}', 2)
>>> spec.definitions[1].body
'/usr/lib/rpm/brp-compress %{nil}'
>>> spec.definitions[2].in_comment, [s.name for s in spec.sections], [(l.line, l.text) for l in spec.shell]
(True, ['build', 'files'], [(8, '%(date)')])
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.reading import whole_lines
from checks.results import Reason

SECTIONS = (
    *(
        "description",
        "package",
        "prep",
        "generate_buildrequires",
        "conf",
        "build",
        "install",
        "check",
        "clean",
        "files",
        "changelog",
    ),
    *("pre", "post", "preun", "postun", "pretrans", "posttrans", "preuntrans", "postuntrans", "verifyscript"),
    *("triggerin", "triggerun", "triggerprein", "triggerpostun", "sourcelist", "patchlist"),
    *("filetriggerin", "filetriggerun", "filetriggerpostun"),
    *("transfiletriggerin", "transfiletriggerun", "transfiletriggerpostun"),
)
_TAG = re.compile(r"^\s*([A-Za-z][A-Za-z0-9()]*)\s*:\s*(.*?)\s*$")
_SECTION = re.compile(rf"^\s*%({'|'.join(SECTIONS)})(?![A-Za-z0-9_])(.*)$")
_DEFINE = re.compile(r"(?<!%)%(define|global|undefine|bcond_with|bcond_without|bcond)\s+([A-Za-z_]\w*)(\([^)]*\))?")
_CONDITION = re.compile(r"^\s*%(if|ifarch|ifnarch|ifos|ifnos|elif|elifarch|elifos|else|endif)\b\s*(.*)$")
_USE = re.compile(r"(?<!%)%(?:\{[!?]*([A-Za-z_][A-Za-z0-9_]*)|([A-Za-z_][A-Za-z0-9_]*))")
_RUNS = re.compile(r"(?<!%)%(?:\(|\{lua:|\{expand:%\()")


@dataclass(frozen=True)
class Definition:
    """A macro definition. ``condition`` is "" outside any %if, "1"/"0" under constant ones, else the condition's text."""

    kind: str
    name: str
    options: str
    body: str
    line: int
    in_comment: bool = False
    in_braces: bool = False
    condition: str = ""


@dataclass(frozen=True)
class Place:
    """Something that stands on a line: a section and its options, a piece of text that runs code."""

    line: int
    name: str
    text: str


@dataclass
class Spec:
    """A whole .spec file."""

    definitions: list[Definition] = field(default_factory=list)
    sections: list[Place] = field(default_factory=list)
    tags: dict[str, tuple[str, int]] = field(default_factory=dict)
    uses: dict[str, list[int]] = field(default_factory=dict)
    shell: list[Place] = field(default_factory=list)
    comment_macros: list[Place] = field(default_factory=list)
    open_conditions: int = 0

    def last(self, name: str) -> Definition | None:
        """The definition that wins: the last one that is not under ``%if 0``."""
        return next((d for d in reversed(self.definitions) if d.name == name and d.condition != "0"), None)

    @property
    def noarch(self) -> bool:
        """True for a package without machine code by its own word."""
        return self.tags.get("buildarch", ("", 0))[0] == "noarch"


def parse_spec(text: str) -> Spec:
    """Read the spec. Raises ParseError when the text is not a spec or has no %files, which is what a cut one looks like."""
    lines = whole_lines(text)
    spec = Spec()
    conditions: list[str] = []
    number = 0
    while number < len(lines):
        start = number + 1
        logical, number = _logical_line(lines, number)
        _read_line(spec, logical, start, conditions)
    spec.open_conditions = len(conditions)
    if "name" not in spec.tags and not spec.sections:
        raise ParseError("this is not an rpm spec: it has neither a Name: tag nor a section such as %install", line=1)
    if conditions or not any(section.name == "files" for section in spec.sections):
        say = "an %if is not closed" if conditions else "there is no %files section"
        raise ParseError(f"the spec is not whole: {say}, so a definition may be missing", Reason.TRUNCATED, line=len(lines))
    return spec


def _logical_line(lines: list[str], number: int) -> tuple[str, int]:
    """The line with what continues it: after a backslash, and until the braces of a definition balance."""
    parts = [lines[number]]
    number += 1
    defines = _DEFINE.search(parts[0])
    while number < len(lines):
        joined = "\n".join(parts)
        if not joined.endswith("\\") and not (defines and joined.count("{") > joined.count("}")):
            break
        parts.append(lines[number])
        number += 1
    return "\n".join(parts), number


def _read_line(spec: Spec, logical: str, start: int, conditions: list[str]) -> None:
    comment = logical.lstrip().startswith("#")
    if not comment and (match := _CONDITION.match(logical)):
        _condition(conditions, match[1], match[2].strip())
    elif not comment and (match := _SECTION.match(logical)):
        spec.sections.append(Place(start, match[1], match[2].strip()))
    elif not comment and not spec.sections and (match := _TAG.match(logical)):
        spec.tags.setdefault(match[1].lower(), (match[2], start))
    for match in _DEFINE.finditer(logical):
        spec.definitions.append(_definition(logical, match, start, comment=comment, condition=_combined(conditions)))
    for offset, line in enumerate(logical.split("\n")):
        for match in _USE.finditer(line):
            spec.uses.setdefault(match[1] or match[2], []).append(start + offset)
        for match in _RUNS.finditer(line):
            spec.shell.append(Place(start + offset, "lua" if "lua" in match[0] else "shell", line[match.start() :].strip()))
        if comment and (match := _USE.search(line)):
            spec.comment_macros.append(Place(start + offset, match[1] or match[2], line.strip()))


def _definition(logical: str, match: re.Match[str], start: int, *, comment: bool, condition: str) -> Definition:
    before = logical[: match.start()]
    depth = before.count("{") - before.count("}")
    body = logical[match.end() :]
    if depth > 0:
        body = _until_closed(body)
    elif match[1] == "undefine":
        body = ""
    body = " ".join(part.strip() for part in body.replace("\\\n", "\n").split("\n") if part.strip())
    line = start + before.count("\n")
    return Definition(match[1], match[2], match[3] or "", body.strip(), line, comment, depth > 0, condition)


def _until_closed(body: str) -> str:
    depth = 0
    for position, character in enumerate(body):
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return body[:position]
    return body


def _condition(conditions: list[str], word: str, text: str) -> None:
    if word == "endif":
        if conditions:
            conditions.pop()
    elif word.startswith("if"):
        conditions.append(text if word == "if" else f"{word} {text}")
    elif conditions:  # %else and %elif turn a constant round; anything else stays a condition
        conditions[-1] = {"0": "1", "1": "0"}.get(conditions[-1], f"not {conditions[-1]}") if word == "else" else text


def _combined(conditions: list[str]) -> str:
    if "0" in conditions:
        return "0"
    open_ones = [condition for condition in conditions if condition != "1"]
    return " and ".join(open_ones)
