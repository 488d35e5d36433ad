"""Reading a YAML block key by key; what is wrong becomes a Problem at the key's line and column, and reading goes on."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Any

from runbooks.document.expressions import ExpressionError, read_condition
from runbooks.document.located import Node, Place
from runbooks.document.model import Condition, Problem, Severity

PROBLEMS_MAX = 200
_WORD_MAX = 80


class TooManyProblemsError(Exception):
    """Whoever wrote this should mend what was found before more is looked for."""


class Problems:
    """The problems found so far. Raises TooManyProblemsError beyond PROBLEMS_MAX, which also bounds the work on hostile text."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def error(self, place: Place, code: str, say: str, suggest: str = "", length: int = 0) -> None:
        """Add an error: the runbook cannot be published."""
        self._add(Problem(place.line, place.column, Severity.ERROR, code, say, suggest, length))

    def warning(self, place: Place, code: str, say: str, suggest: str = "", length: int = 0) -> None:
        """Add a warning."""
        self._add(Problem(place.line, place.column, Severity.WARNING, code, say, suggest, length))

    def _add(self, problem: Problem) -> None:
        self.found.append(problem)
        if len(self.found) >= PROBLEMS_MAX:
            raise TooManyProblemsError

    def in_order(self) -> tuple[Problem, ...]:
        """Without repeats, by line and column."""
        return tuple(sorted(dict.fromkeys(self.found), key=lambda problem: (problem.line, problem.column)))


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name that the word was probably meant to be, or an empty string."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), "") if len(word) <= _WORD_MAX else ""


class Fields:
    """One mapping. Keys that ``known`` does not list are errors that name the nearest one."""

    def __init__(self, node: Node, problems: Problems, known: Collection[str], what: str) -> None:
        self.place = node.place
        self.problems = problems
        self.what = what
        self.entries = node.entries
        if not isinstance(node.plain, dict):
            problems.error(node.place, "shape", f"write {what} as lines of key: value")
        for key, (place, _) in node.entries.items():
            if key not in known:
                near = nearest(key, known)
                hint = f"did you mean {near}?" if near else "known keys: " + ", ".join(sorted(known))
                problems.error(place, "unknown-key", f"{what} has no key {key}; {hint}", near, len(key) if near else 0)

    def node(self, key: str) -> Node | None:
        """The value's node; None when the key is absent or empty."""
        found = self.entries.get(key)
        return found[1] if found and found[1].plain is not None else None

    def at(self, key: str) -> Place:
        """Where the key stands, or where the block begins."""
        return self.entries[key][0] if key in self.entries else self.place

    def wrong(self, key: str, say: str) -> None:
        """The value of that key has the wrong form."""
        self.problems.error(self.entries[key][1].place if key in self.entries else self.place, "bad-value", f"{key}: {say}")

    def text(self, key: str, *, required: bool = False) -> str:
        """A line of text. Numbers and true/false are taken as written."""
        node = self.node(key)
        if node is None:
            if required:
                self.problems.error(self.place, f"missing-{key}", f"{self.what} needs {key}:")
            return ""
        if isinstance(node.plain, dict | list):
            self.wrong(key, "write text here, in quotes if it holds ': ' or begins with a bracket")
            return ""
        return " ".join(str(node.plain).split())

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; a single text is a list of one."""
        node = self.node(key)
        if node is None:
            return ()
        items = node.items or (() if node.plain == [] else (node,))
        for item in items:
            if isinstance(item.plain, dict | list):
                self.problems.error(
                    item.place, "bad-value", f"{key}: write each entry as text, in quotes if it holds ': ' or brackets"
                )
        return tuple(str(item.plain) for item in items if not isinstance(item.plain, dict | list | None))

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        node = self.node(key)
        if node is None:
            return default
        if not isinstance(node.plain, bool):
            self.wrong(key, "write true or false")
            return default
        return node.plain

    def number(self, key: str, low: float, high: float, whole: bool = True) -> Any:
        """A number within limits, or None."""
        node = self.node(key)
        if node is None:
            return None
        value = node.plain
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not low <= value <= high:
            self.wrong(key, f"write a {'whole ' if whole else ''}number from {low:g} to {high:g}")
            return None
        return value

    def choice(self, key: str, known: Collection[str], default: str) -> str:
        """One of several words."""
        node = self.node(key)
        if node is None:
            return default
        if node.plain not in list(known):
            near = nearest(str(node.plain), known)
            say = f"{key}: write one of {', '.join(known)}"
            self.problems.error(node.place, "bad-value", say, near, len(str(node.plain)) if near and not node.quoted else 0)
            return default
        return str(node.plain)

    def condition(self, key: str, *, required: bool = False) -> Condition | None:
        """A condition, or None when it is absent or cannot be read."""
        node = self.node(key)
        if node is None:
            if required:
                self.problems.error(self.place, f"missing-{key}", f"{self.what} needs {key}: with a comparison in quotes")
            return None
        try:
            return read_condition(node)
        except ExpressionError as error:
            self.problems.error(error.place, "bad-expression", error.say, error.suggest, error.length)
            return None
