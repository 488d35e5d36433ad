"""The forms in which a section of the ``ip`` family may arrive: JSON, iproute2's text, busybox's text, files of /proc.

The collectors print JSON with one element per line, and frame everything else with ``== COMMAND`` lines and a closing
``== end`` (see ``checks.parsers.files``), so that a cut is seen. A paste may hold bare text: it must end with a line end, and
what a paste left out below its last line nobody can see, unless ``== end`` closes it there too.

>>> output = read_output('[{"dst":"default","dev":"eth0"},\\n{"dst":"10.0.0.0/24","dev":"eth0"}]\\n')
>>> output.tool, [(element.line, element["dst"]) for element in output.elements]
('json', [(1, 'default'), (2, '10.0.0.0/24')])
>>> output = read_output("== busybox ip -o route show\\ndefault via 10.0.0.1 dev eth0 \\n\\n== end\\n")
>>> output.tool, output.lines
('busybox', [(2, 'default via 10.0.0.1 dev eth0 ')])
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from itertools import accumulate
from typing import Any, Concatenate, ParamSpec, TypeVar

from checks.errors import ParseError
from checks.parsers.files import split_files
from checks.parsers.reading import whole_lines
from checks.results import Reason

P = ParamSpec("P")
T = TypeVar("T")

_JSON = re.compile(r"\s*\[\s*[\[{\]]")
_JSON_MAYBE_CUT = re.compile(r"\s*\[\s*\Z")
_TOOL_MISSING = re.compile(r"(?:ip|bash|sh|ash)\b.*(?:not found|No such file or directory)\s*$")
_REFUSED = re.compile(
    r"^(?:ip: )?(?:RTNETLINK answers|Error|Dump terminated|Cannot (?:open|send|bind|talk)|Object \"|Option \"|Command \"|Usage: )"
)


@dataclass(frozen=True)
class Element:
    """One object of a JSON answer with the text it was read from."""

    data: dict[str, Any]
    line: int
    source: str

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or ``default``."""
        return self.data.get(key, default)

    def line_of(self, key: str, value: str) -> int:
        """The line on which that key stands with that text value; the element's own line when it is not found."""
        match = re.search(rf'"{re.escape(key)}"\s*:\s*{re.escape(json.dumps(value))}', self.source)
        return self.line + self.source.count("\n", 0, match.start(0)) if match else self.line


@dataclass(frozen=True)
class Output:
    """What was read: ``tool`` is json, iproute2, busybox or procfs; ``framed`` is False for a bare paste."""

    tool: str
    framed: bool
    elements: tuple[Element, ...] = ()
    lines: list[tuple[int, str]] = field(default_factory=list)
    files: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def file(self, name: str) -> list[tuple[int, str]]:
        """The numbered lines of the file whose path ends with ``name``; empty when it is not there."""
        return next((lines for path, lines in self.files.items() if path.endswith(name)), [])


def read_output(text: str) -> Output:
    """Tell the form and split it. Raises ParseError when it was cut, when the tool was missing, or when it refused."""
    if not text.strip():
        raise ParseError("there is no output", Reason.EMPTY)
    if text.startswith(("== ", "!! ")):
        return _read_framed(text)
    if _JSON_MAYBE_CUT.match(text):
        raise ParseError("the JSON stops after its first bracket; it was cut", Reason.TRUNCATED, line=1)
    if _JSON.match(text):
        return Output("json", framed=True, elements=tuple(_elements(text)))
    lines = _without_blanks(list(enumerate(whole_lines(text), 1)))
    framed = lines[-1][1] == "== end"
    lines = lines[: len(lines) - framed]
    if not lines:
        return Output("iproute2", framed=True)
    _refuse_errors(lines)
    if lines[0][1].startswith(("IP address ", "Iface\t", "Inter-|")):
        return Output("procfs", framed=False, files={"/proc/net/" + _PASTED[lines[0][1][:3]]: lines})
    return Output("iproute2", framed=framed, lines=lines)


_PASTED = {"IP ": "arp", "Ifa": "route", "Int": "dev"}


_STUMBLES = (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError, OverflowError)


def guarded(parse: Callable[P, T]) -> Callable[P, T]:
    """A parser that raises nothing but ParseError, whatever it is given."""

    @wraps(parse)
    def guard(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return parse(*args, **kwargs)
        except _STUMBLES as error:
            raise ParseError(f"the output holds a value that cannot be read ({str(error)[:80]})") from error

    return guard


def built(line: int, build: Callable[Concatenate[int, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``build`` makes of one line; whatever it stumbles over becomes a ParseError of that line."""
    try:
        return build(line, *args, **kwargs)
    except _STUMBLES as error:
        raise ParseError(f"line {line} holds a value that cannot be read ({str(error)[:80]})", line=line) from error


def _read_framed(text: str) -> Output:
    files = split_files(text)
    if not files.complete:
        raise ParseError("the output was cut: its closing line is missing", Reason.TRUNCATED)
    parts = {path: _numbered(files.text(path), files.line_of(path)) for path in files}
    for path, lines in parts.items():
        if re.match(r"(busybox )?ip\b|bridge\b", path):
            _refuse_errors(lines)
            tool = "busybox" if path.startswith("busybox") else "iproute2"
            return Output(tool, framed=True, lines=_without_blanks(lines))
    if not parts:
        path, state = next(iter(files.absent.items()), ("the output", "missing"))
        reason = Reason.NEED_PRIVILEGE if state == "unreadable" else Reason.MISSING
        raise ParseError(f"there is nothing to read: {path} is {state}", reason)
    return Output("procfs", framed=True, files=parts)


def _numbered(text: str, first: int) -> list[tuple[int, str]]:
    return list(enumerate(text.split("\n")[:-1], first))


def _without_blanks(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    return [(number, line) for number, line in lines if line.strip()]


def _refuse_errors(lines: list[tuple[int, str]]) -> None:
    number, first = next(((number, line) for number, line in lines if line.strip()), (0, ""))
    if _TOOL_MISSING.search(first):
        raise ParseError(f"the ip command is not there: {first.strip()[:120]}", Reason.TOOL_MISSING, line=number)
    if _REFUSED.match(first):
        raise ParseError(f"ip did not answer: {first.strip()[:120]}", Reason.FAILED, line=number)


def _elements(text: str) -> Iterator[Element]:
    """The objects of the outermost array. Empty ones, which ip prints for what a filter took out, are left out."""
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    decoder = json.JSONDecoder(object_pairs_hook=_first_wins)
    position = text.index("[") + 1
    blank = re.compile(r"[\s,]*")
    while True:
        position = blank.match(text, position).end()  # type: ignore[union-attr]  # it matches the empty string
        if text[position : position + 1] == "]":
            break
        try:
            data, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise _broken(text, getattr(error, "pos", position), starts) from None
        if not isinstance(data, dict):
            raise ParseError("the JSON is not a list of objects", line=bisect_right(starts, position))
        if data:
            first = text.find('"', position)
            yield Element(data, bisect_right(starts, first), text[first:end])
        position = end
    if text[position + 1 :].strip():
        line = bisect_right(starts, position)
        raise ParseError(f"line {line}: there is more text after the end of the JSON", line=line)


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A route with an encapsulation prints ``dst`` and ``src`` twice: first its own, then the tunnel's."""
    return dict(reversed(pairs))


def _broken(text: str, position: int, starts: list[int]) -> ParseError:
    line = min(bisect_right(starts, position), len(starts) - 1)
    if text.rstrip().endswith("]") and position < len(text.rstrip()) - 1:
        return ParseError(f"line {line} is not valid JSON", line=line)
    return ParseError("the JSON stops before its end; it was cut", Reason.TRUNCATED, line=line)
