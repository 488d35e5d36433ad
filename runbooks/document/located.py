"""YAML in which every key and value knows its line and column.

Built from parser events without recursion: no anchors, aliases, tags or duplicate keys, and plain words keep their YAML 1.2
meaning (``no`` is a word, ``1:30`` is text). Knowledge: measured with PyYAML 6 and libyaml 0.2.5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DEPTH = 12
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18}|[0-9]{1,18})(?:[eE][-+]?[0-9]{1,2})?")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "Null": None, "~": None, "": None}

_SAYS = (
    ("mapping values are not allowed", "a value that holds ': ' must stand in quotes, and keys of one block must line up"),
    ("expected ':'", "write every line as key: value"),
    ("expected <block end>", "line up the keys of one block, and quote a value that begins with a quote or bracket as a whole"),
    ("expected ',' or ']'", "close the list with ] and put commas between its entries"),
    ("expected ',' or '}'", "close the block with } and put commas between its entries"),
    ("unexpected end of stream", "close the quote that begins here"),
    ("cannot start any token", "put the value in quotes: it begins with a character that YAML keeps for itself"),
    ("special characters are not allowed", "take out the control character"),
    ("unacceptable character", "take out the control character"),
    ("unknown escape", "use single quotes: in double quotes YAML reads \\ as the start of an escape"),
)


@dataclass(frozen=True)
class Place:
    """A line and a column of the file, both from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Node:
    """A value: ``plain`` is all of it, ``entries`` or ``items`` its parts. ``text_at`` is where a scalar's own text begins."""

    place: Place
    plain: Any
    entries: Mapping[str, tuple[Place, Node]] = field(default_factory=dict)
    items: tuple[Node, ...] = ()
    quoted: bool = False

    @property
    def text_at(self) -> Place:
        """The first character inside the quotes, if there are any."""
        return Place(self.place.line, self.place.column + self.quoted)


class PlacedError(Exception):
    """Something an author wrote that cannot be read: where, and what to write instead."""

    def __init__(self, place: Place, say: str, suggest: str = "", length: int = 0) -> None:
        super().__init__(say)
        self.place = place
        self.say = say
        self.suggest = suggest
        self.length = length


class YamlError(PlacedError):
    """Text that is not the YAML a runbook may hold."""


def load(text: str, first_line: int = 1, indents: tuple[int, ...] = ()) -> Node:
    """The block as a Node. ``first_line`` and ``indents`` say where its lines stand in the file.

    >>> node = load("id: zombies\\nlimits: {dying_crit: 5000}", first_line=10)
    >>> node.plain
    {'id': 'zombies', 'limits': {'dying_crit': 5000}}
    >>> node.entries["limits"][1].entries["dying_crit"][0]
    Place(line=11, column=10)
    """

    def place(line: int, column: int) -> Place:
        return Place(first_line + line, column + 1 + (indents[line] if line < len(indents) else 0))

    try:
        return _build(yaml.parse(text, Loader=_LOADER), place)
    except yaml.YAMLError as error:
        raise _explain(text, error, place) from None


def _build(events: Any, place: Callable[[int, int], Place]) -> Node:
    root = _Open(Place(1, 1), "root")
    stack = [root]
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent | yaml.DocumentEndEvent | yaml.StreamStartEvent | yaml.StreamEndEvent):
            continue
        here = place(event.start_mark.line, event.start_mark.column)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or _tagged(event):
            raise YamlError(here, "write the value itself: anchors, aliases and tags (& * !) are not read here")
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if len(stack) > _MAX_DEPTH:
                raise YamlError(here, f"nest at most {_MAX_DEPTH} levels deep")
            stack.append(_Open(here, "mapping" if isinstance(event, yaml.MappingStartEvent) else "list"))
        elif isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0]
            stack[-1].take(Node(here, scalar(event.value) if plain else event.value, quoted=not plain))
        else:
            done = stack.pop()
            stack[-1].take(done.node())
    if len(root.taken) > 1:
        raise YamlError(root.taken[1].place, "keep one block: a line of three dashes begins a second one")
    return root.taken[0] if root.taken else Node(place(0, 0), {})


def _tagged(event: Any) -> bool:
    return bool(getattr(event, "tag", None)) and event.tag != "!"


class _Open:
    """A mapping or list whose end has not been read yet."""

    def __init__(self, place: Place, kind: str) -> None:
        self.place = place
        self.kind = kind
        self.taken: list[Node] = []
        self.keys: set[str] = set()

    def take(self, node: Node) -> None:
        if self.kind == "mapping" and len(self.taken) % 2 == 0:
            if node.entries or node.items or isinstance(node.plain, dict | list):
                raise YamlError(node.place, "a key must be a plain word")
            key = str(node.plain)
            if key in self.keys:
                raise YamlError(node.place, f"{key} stands here twice: keep one", length=len(key))
            self.keys.add(key)
        self.taken.append(node)

    def node(self) -> Node:
        if self.kind == "list":
            return Node(self.place, [item.plain for item in self.taken], items=tuple(self.taken))
        pairs = list(zip(self.taken[::2], self.taken[1::2], strict=True))
        entries = {str(key.plain): (key.place, value) for key, value in pairs}
        return Node(self.place, {name: value.plain for name, (_, value) in entries.items()}, entries)


def scalar(text: str) -> Any:
    """The value of an unquoted word.

    >>> [scalar(word) for word in ("60000", "0.25", "1e3", "true", "no", "1:30", "2026-01-01", "~")]
    [60000, 0.25, 1000.0, True, 'no', '1:30', '2026-01-01', None]
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _explain(text: str, error: yaml.YAMLError, place: Callable[[int, int], Place]) -> YamlError:
    for number, line in enumerate(text.split("\n")):
        indent = len(line) - len(line.lstrip(" "))
        if line[indent : indent + 1] == "\t":
            return YamlError(place(number, indent), "indent with spaces: YAML does not read tabs", "  ", 1)
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", "") or error)
    opened = getattr(error, "context_mark", None)
    if opened and (mark is None or "end of stream" in problem or mark.line > text.count("\n")):
        mark = opened  # the end of the block says nothing; what was opened and never closed does
    here = place(mark.line, mark.column) if mark else _unprintable(text, error, place)
    say = next((sentence for key, sentence in _SAYS if key in problem), f"this is not valid YAML: {problem}")
    return YamlError(here, say)


def _unprintable(text: str, error: yaml.YAMLError, place: Callable[[int, int], Place]) -> Place:
    before = text[: getattr(error, "position", 0) or 0]
    return place(before.count("\n"), len(before) - before.rfind("\n") - 1)
