"""What a condition is worth, in three values: a fact that is missing makes it neither true nor false (None)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from checks.results import Verdict
from runbooks.document.expressions import compiled
from runbooks.document.model import Comparison, Condition

_MATCH_SECONDS = 0.2
_MATCH_TEXT = 65536


def evaluate(condition: Condition, facts: Mapping[str, Any]) -> bool | None:
    """True, False, or None when a missing fact leaves it open.

    >>> above = Comparison("a", ">", 1, "a > 1")
    >>> evaluate(above, {"a": 2}), evaluate(above, {})
    (True, None)
    """
    if isinstance(condition, Comparison):
        return _compare(condition, lookup(facts, condition.operand))
    answers = [evaluate(part, facts) for part in condition.parts]
    decided = condition.how == "any"
    if decided in answers:
        return decided
    return None if None in answers else not decided


def lookup(facts: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted name: a flat key, or a key within a step's or a fact's own mapping. None when it is missing."""
    if name in facts:
        return facts[name]
    head, dot, rest = name.rpartition(".")
    value = lookup(facts, head) if dot else None
    return value.get(rest) if isinstance(value, Mapping) else None


def _compare(comparison: Comparison, value: Any) -> bool | None:
    op, literal = comparison.op, comparison.literal
    if value is None:
        return None
    if value is Verdict.UNKNOWN:
        return _compare_unknown(op, literal)
    if op == "==":
        return _same(value, literal)
    if op == "!=":
        return not _same(value, literal)
    if op == "in":
        return any(_same(value, item) for item in literal)
    if op == "matches":
        return _matches(literal, value)
    return _ordered(op, value, literal)


def _compare_unknown(op: str, literal: Any) -> bool | None:
    """A step that could not tell is equal to ``unknown`` and to nothing else; whether it is not crit stays open."""
    named = "unknown" in literal if isinstance(literal, list) else literal == "unknown"
    return (op in ("==", "in")) if named and op in ("==", "in", "!=") else None


def _same(value: Any, literal: Any) -> bool:
    if isinstance(value, bool) or isinstance(literal, bool):
        return value is literal
    if isinstance(value, tuple):
        value = list(value)
    return bool(value == literal)


def _ordered(op: str, value: Any, literal: Any) -> bool | None:
    lists = isinstance(value, list | tuple) and isinstance(literal, list)
    left, right = (list(value), literal) if lists else ([value], [literal])
    if not all(_is_number(item) for item in [*left, *right]):
        return None
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[op]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _matches(pattern: str, value: Any) -> bool | None:
    """True when the text, or any entry of a list, matches; None when matching took too long."""
    until = time.monotonic() + _MATCH_SECONDS
    try:
        for text in value if isinstance(value, list | tuple) else [value]:
            if compiled(pattern).search(str(text)[:_MATCH_TEXT], timeout=max(until - time.monotonic(), 0.001)):
                return True
    except TimeoutError:
        return None
    return False
