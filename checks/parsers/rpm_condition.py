"""What a spec's %if says, as far as the text tells: true, false, or None when that depends on the host or the command line.

Knowledge: rpm's expression parser. Nothing is run; a macro whose value is not known for sure makes its part None.

>>> decide("0%{?with_debug}", {"with_debug": "1"}.get), decide("%{undefined fedora} || 0", {}.get)
(True, True)
>>> def nobody_knows(name): raise UndecidedError(name)
>>> decide("0%{?fedora} >= 27", nobody_knows), decide("0 && 0%{?fedora}", nobody_knows), decide('"a" == "b"', {}.get)
(None, False, False)
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

Lookup = Callable[[str], str | None]
"""A macro's body, None when it is not defined for sure. Raises UndecidedError when nobody knows."""

_MACRO = re.compile(
    r"%\{(?P<not>!?)\?(?P<optional>\w+)(?::(?P<text>[^{}]*))?\}|%\{(?P<test>defined|undefined) +(?P<tested>\w+)\}"
    r"|%\{(?P<braced>\w+)\}|%(?P<not2>!?)\?(?P<optional2>\w+)|%(?P<bare>[A-Za-z_]\w*)"
)
_PART = re.compile(r'"[^"]*"|(?:%\{[^{}]*\}|%!?\??\w+|[\w.~])+|&&|\|\||[=!<>]=|[!<>()+*/-]|\S')
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_LONG = 1000
Value = int | str | None


class UndecidedError(Exception):
    """The text does not tell."""


def decide(condition: str, lookup: Lookup) -> bool | None:
    """Whether the condition holds; None when the text does not tell."""
    if len(condition) > _LONG:
        return None
    try:
        parts = _Parts(_PART.findall(condition), lookup)
        value = parts.either()
        return None if value is None or parts.left else bool(value)
    except (UndecidedError, RecursionError):
        return None


class _Parts:
    """The parts of an expression, read from the left."""

    def __init__(self, parts: list[str], lookup: Lookup) -> None:
        self.left, self.lookup = parts[::-1], lookup

    def _next(self, *wanted: str) -> str:
        return self.left.pop() if self.left and self.left[-1] in wanted else ""

    def either(self) -> Value:
        value = self.both()
        while self._next("||"):
            other = self.both()
            value = 1 if value or other else (None if value is None or other is None else 0)
        return value

    def both(self) -> Value:
        value = self.compared()
        while self._next("&&"):
            other = self.compared()
            no = (value is not None and not value) or (other is not None and not other)
            value = 0 if no else (None if value is None or other is None else 1)
        return value

    def compared(self) -> Value:
        value = self.single()
        while sign := self._next(*_COMPARE):
            other = self.single()
            if type(value) is not type(other) or value is None:
                value = None
            else:
                value = int(_COMPARE[sign](value, other))
        return value

    def single(self) -> Value:
        if not self.left:
            raise UndecidedError
        part = self.left.pop()
        if part == "!":
            value = self.single()
            return None if value is None else int(not value)
        if part == "(":
            value = self.either()
            if not self._next(")"):
                raise UndecidedError
            return value
        return self._value(part)

    def _value(self, part: str) -> Value:
        try:
            text = expand(part, self.lookup)
        except UndecidedError:
            return None
        if len(text) > 1 and text[0] == text[-1] == '"':
            return text[1:-1]
        return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def expand(text: str, lookup: Lookup, depth: int = 0) -> str:
    """The text with its macros replaced. Raises UndecidedError when one is not known or is more than a name."""

    def value(match: re.Match[str]) -> str:
        if match["test"]:
            return str(int((lookup(match["tested"]) is not None) == (match["test"] == "defined")))
        optional = match["optional"] or match["optional2"]
        body = lookup(optional or match["braced"] or match["bare"])
        if not optional:
            if body is None:
                raise UndecidedError(match[0])
            return body
        if match["not"] or match["not2"]:
            return (match["text"] or "") if body is None else ""
        return "" if body is None else body if match["text"] is None else match["text"]

    if depth > 8:
        raise UndecidedError(text)
    found = _MACRO.sub(value, text.replace("%{nil}", ""))
    if "%" not in found:
        return found
    if found == text:
        raise UndecidedError(text)
    return expand(found, lookup, depth + 1)
