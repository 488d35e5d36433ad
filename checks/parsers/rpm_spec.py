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
from collections.abc import Mapping
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.reading import whole_lines
from checks.parsers.rpm_blocks import NEVER, Blocks, Definition
from checks.parsers.rpm_lines import RawDefinition, logical_lines, scan
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
_CONDITION = re.compile(r"^\s*%(if|ifarch|ifnarch|ifos|ifnos|elif|elifarch|elifos|else|endif)\b\s*(.*)$")
_USE = re.compile(r"(?<!%)(?:%%)*%(?:\{[!?]*([A-Za-z_]\w*)|[!?]*([A-Za-z_]\w*))")
_RUNS = re.compile(r"(?<!%)(?:%%)*%(?:\(|\{lua:|\{expand:%\()")
_INCLUDE = re.compile(r"^\s*%include\b\s*(.*)$|(?<!%)%\{load:([^}\n]*)|\brpm\.((?:define|load)\(.*)")
_FILES = re.compile(r"^%(?:\w*files?|fontpkg|fontmetapkg)\b(?!\()", re.MULTILINE)
"""Macros that make a %files section, such as %gopkgfiles."""
_FORMATTED = 2
"""%s and %d in a comment are a program's words; no macro has so short a name."""


@dataclass(frozen=True)
class Place:
    """Something that stands on a line: a section and its options, a piece of text that runs code."""

    line: int
    name: str
    text: str


@dataclass
class Spec:
    """A whole .spec file. ``hidden`` are the places that bring in macros from elsewhere: other files, and Lua that defines."""

    definitions: list[Definition] = field(default_factory=list)
    sections: list[Place] = field(default_factory=list)
    tags: dict[str, tuple[str, int]] = field(default_factory=dict)
    uses: dict[str, list[int]] = field(default_factory=dict)
    shell: list[Place] = field(default_factory=list)
    hidden: list[Place] = field(default_factory=list)
    comment_macros: list[Place] = field(default_factory=list)

    def states(self, name: str, before: int = 0) -> list[Definition | None]:
        """The definitions that may hold at the end, or above line ``before``; None stands for what the host has."""
        found: list[Definition | None] = [None]
        for one in self.definitions:
            if one.name == name and one.condition != NEVER and (not before or one.line < before):
                found = [one] if one.sure else [*found, one]
        return found

    @property
    def in_changelog(self) -> bool:
        """True when the section read last is the changelog."""
        return bool(self.sections) and self.sections[-1].name == "changelog"

    def line_of(self, section: str) -> int:
        """Where that section begins first; 0 when there is none."""
        return next((place.line for place in self.sections if place.name == section), 0)

    @property
    def noarch(self) -> bool:
        """True for a package without machine code by its own word."""
        return self.tags.get("buildarch", self.tags.get("buildarchitectures", ("", 0)))[0] == "noarch"

    @property
    def has_setup(self) -> bool:
        """Whether %prep unpacks with %setup or with something that may: without it rpm makes no debuginfo package."""
        begin = self.line_of("prep")
        end = min((place.line for place in self.sections if place.line > begin), default=begin) if begin else 0
        inside = {name for name, lines in self.uses.items() if any(begin < line < end for line in lines)}
        own = {definition.name for definition in self.definitions}
        return "buildsubdir" in own or any(not _unpacks_nothing(name) for name in inside - own)


def _unpacks_nothing(name: str) -> bool:
    return bool(re.fullmatch(r"(?:SOURCE|PATCH|P|S)\d*|patch\d*|__\w+|_\w+|name|version|release|buildroot|nil|autopatch", name))


def parse_spec(text: str, host: Mapping[str, str] | None = None) -> Spec:
    """Read the spec; ``host`` holds all macros of the build host, when they are known.

    Raises ParseError when the text is not a spec, or has no %files, which is what a cut one looks like.
    """
    spec, blocks = Spec(), Blocks(host)
    lines = text.split("\n")
    for start, logical in logical_lines(lines if lines[-1] else lines[:-1]):
        _read_logical(spec, blocks, logical, start)
    if not spec.in_changelog:  # many a changelog lacks its last line end, and nothing below it decides
        whole_lines(text)
    if "name" not in spec.tags and not spec.sections:
        raise ParseError("this is not an rpm spec: it has neither a Name: tag nor a section such as %install", line=1)
    say = ""
    if blocks.open:
        say = f"the %if of line {blocks.open[-1].line} is not closed"
    elif "name" not in spec.tags and not spec.noarch:
        say = "there is no Name: tag"
    elif not any(section.name in ("files", "changelog") for section in spec.sections) and not _FILES.search(text):
        say = "there is no %files section"
    if say:
        raise ParseError(f"the spec is not whole: {say}, so a definition may be missing", Reason.TRUNCATED, line=len(lines))
    return spec


def _read_logical(spec: Spec, blocks: Blocks, logical: str, start: int) -> None:
    """One logical line: its own lines in order, and the definitions that begin in each of them."""
    found = scan(logical)
    waiting = list(reversed(found.definitions))
    starts = set(found.line_starts)
    offset = 0
    for number, line in enumerate(logical.split("\n"), start):
        end = offset + len(line)
        if line.lstrip().startswith("%dnl"):
            while waiting and waiting[-1].offset <= end:
                waiting.pop()
        else:
            comment = line.lstrip().startswith("#")
            if offset in starts and not comment:
                _read_line(spec, blocks, line, number)
            while waiting and waiting[-1].offset <= end:
                _define(spec, blocks, waiting.pop(), number, comment=comment)
            if blocks.now != NEVER:
                _read_words(spec, line, number, comment=comment)
        offset = end + 1


def _read_line(spec: Spec, blocks: Blocks, line: str, number: int) -> None:
    if match := _CONDITION.match(line):
        blocks.read(match[1], match[2].strip(), number)
    elif blocks.now == NEVER:
        return
    elif match := _SECTION.match(line):
        spec.sections.append(Place(number, match[1], match[2].strip()))
    elif not spec.sections and (match := _TAG.match(line)):
        spec.tags.setdefault(match[1].lower(), (match[2], number))


def _define(spec: Spec, blocks: Blocks, raw: RawDefinition, number: int, *, comment: bool) -> None:
    body = " ".join(part.strip() for part in raw.body.replace("\\\n", "\n").split("\n") if part.strip())
    definition = Definition(raw.kind, raw.name, raw.options, body, number, comment, raw.nested, blocks.now)
    if not spec.in_changelog:  # expanded there too, but when all is decided
        spec.definitions.append(definition)
    blocks.define(definition)


def _read_words(spec: Spec, line: str, number: int, *, comment: bool) -> None:
    """What the line uses, runs and includes."""
    names = [match[1] or match[2] for match in _USE.finditer(line)]
    for name in names:
        spec.uses.setdefault(name, []).append(number)
    for match in _RUNS.finditer(line):
        spec.shell.append(Place(number, "lua" if "lua" in match[0] else "shell", line[match.start() :].strip()))
    if (include := _INCLUDE.search(line)) and not comment:
        spec.hidden.append(Place(number, (include[1] or include[2] or include[3] or "").strip(), line.strip()))
    if comment and (name := next((name for name in names if len(name) > _FORMATTED and name not in SECTIONS), "")):
        spec.comment_macros.append(Place(number, name, line.strip()))
