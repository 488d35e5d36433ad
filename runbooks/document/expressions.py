"""Conditions: closed comparisons ``fact op literal``, combined by ``all:`` and ``any:``. No eval, no templates.

``evaluation`` says what a condition is worth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import regex

from runbooks.document.located import Node, Place, PlacedError, scalar
from runbooks.document.model import Combined, Comparison, Condition

OPERATORS = ("==", "!=", "<=", ">=", "<", ">", "in", "matches")
NAME = r"[a-z][a-z0-9_]*(?:\.[A-Za-z0-9][A-Za-z0-9_]*){0,3}"
_TOKEN = re.compile(
    rf"""\s*(?:(?P<name>{NAME})(?![\w.-])
      |(?P<string>'[^']*'|"[^"]*")
      |(?P<word>[A-Za-z0-9_.+-]+)
      |(?P<op>==|!=|<=|>=|<|>)
      |(?P<mark>[\[\],])
      |(?P<other>\S))""",
    re.VERBOSE,
)
_PATTERN_MAX = 500
_START = Place(1, 1)


class ExpressionError(PlacedError):
    """A condition that cannot be read."""


def read_condition(node: Node, depth: int = 0) -> Condition:
    """The condition of a YAML value: a comparison, ``{all: […]}`` or ``{any: […]}``. Raises ExpressionError."""
    if isinstance(node.plain, str):
        return parse_comparison(node.plain, node.text_at)
    if isinstance(node.plain, dict) and len(node.entries) == 1 and depth < 5:
        (how, (_, parts)) = next(iter(node.entries.items()))
        if how in ("all", "any") and parts.items:
            return Combined(how, tuple(read_condition(item, depth + 1) for item in parts.items))
    raise ExpressionError(node.place, 'write a comparison in quotes, such as "dying >= 5000", or all: or any: with a list')


def parse_comparison(source: str, place: Place = _START) -> Comparison:
    """Read one ``operand op literal``.

    >>> parse_comparison("memcg_total >= 60000")
    Comparison(operand='memcg_total', op='>=', literal=60000, source='memcg_total >= 60000')
    >>> parse_comparison("mode.mode in [v1, 'hybrid']").literal
    ['v1', 'hybrid']
    """
    tokens = list(_tokens(source, place))
    if not tokens or tokens[0].kind != "name":
        raise ExpressionError(tokens[0].place if tokens else place, "begin with a fact, such as dying, or with step.fact")
    if len(tokens) == 1:
        raise ExpressionError(tokens[0].place, f"compare {tokens[0].text} with something, such as {tokens[0].text} == crit")
    op = tokens[1]
    if op.text not in OPERATORS:
        raise ExpressionError(op.place, *_wrong_operator(op.text))
    literal, rest = _literal(tokens[2:], op)
    if rest:
        raise ExpressionError(rest[0].place, "one comparison ends here: combine several with all: or any: and a list")
    _check_literal(op, literal, tokens[2].place)
    begins = tokens[0].place
    return Comparison(tokens[0].text, op.text, literal, source.strip(), begins.line, begins.column)


class _Token:
    def __init__(self, kind: str, text: str, place: Place) -> None:
        self.kind = kind
        self.text = text
        self.place = place


def _tokens(source: str, place: Place) -> Iterator[_Token]:
    position = 0
    while source[position:].strip():
        match = _TOKEN.match(source, position)
        assert match is not None
        assert match.lastgroup is not None
        start = match.start(match.lastgroup)
        text = match[match.lastgroup]
        here = Place(place.line, place.column + start)
        if match.lastgroup == "other":
            raise ExpressionError(here, _wrong_character(text))
        yield _Token(match.lastgroup, text, here)
        position = match.end()


def _wrong_character(text: str) -> str:
    if text in "'\"":
        return "close the quote that begins here"
    if text == "=":
        return "write == to compare"
    if text in "&|!":
        return "combine comparisons with all: or any: and a list; negate with !="
    return f"{text} has no meaning here: write fact, operator, value"


def _wrong_operator(text: str) -> tuple[str, str, int]:
    say = f"write one of {' '.join(OPERATORS)} instead of {text}"
    instead = {"is": "==", "eq": "==", "contains": "matches", "like": "matches", "gt": ">", "lt": "<"}.get(text, "")
    return say, instead, len(text)


def _literal(tokens: list[_Token], after: _Token) -> tuple[Any, list[_Token]]:
    if not tokens:
        raise ExpressionError(after.place, f"write a value after {after.text}")
    if tokens[0].text != "[" or tokens[0].kind != "mark":
        return _scalar(tokens[0]), tokens[1:]
    values: list[Any] = []
    rest = tokens[1:]
    while rest and not (rest[0].kind == "mark" and rest[0].text == "]"):
        values.append(_scalar(rest[0]))
        rest = rest[1:]
        if rest and rest[0].kind == "mark" and rest[0].text == ",":
            rest = rest[1:]
        elif rest and rest[0].text != "]":
            raise ExpressionError(rest[0].place, "put commas between the values of a list")
    if not rest:
        raise ExpressionError(tokens[0].place, "close the list with ]")
    if not values:
        raise ExpressionError(tokens[0].place, "put at least one value in the list")
    return values, rest[1:]


def _scalar(token: _Token) -> Any:
    if token.kind == "string":
        return token.text[1:-1]
    if token.kind in ("name", "word"):
        return scalar(token.text)
    raise ExpressionError(token.place, "write a number, a word, text in quotes, or a list in brackets")


def _check_literal(op: _Token, literal: Any, place: Place) -> None:
    if op.text in ("<", "<=", ">", ">="):
        values = literal if isinstance(literal, list) else [literal]
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            raise ExpressionError(place, f"{op.text} compares numbers: write a number, or use == or matches for text")
    if op.text == "in" and not isinstance(literal, list):
        raise ExpressionError(place, "write a list in brackets after in, such as [v1, hybrid]")
    if op.text == "matches":
        if not isinstance(literal, str):
            raise ExpressionError(place, "write a regular expression in quotes after matches")
        try:
            compiled(literal)
        except ValueError as error:
            raise ExpressionError(place, str(error)) from None


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> regex.Pattern[str]:
    """The regular expression. Raises ValueError with what to write instead."""
    if len(pattern) > _PATTERN_MAX:
        raise ValueError(f"shorten the regular expression to {_PATTERN_MAX} characters")
    try:
        return regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"this regular expression cannot be read: {error}") from None


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """All comparisons of a condition, in order."""
    if isinstance(condition, Comparison):
        yield condition
    else:
        for part in condition.parts:
            yield from comparisons(part)
