"""A spec's macro definitions and the %if blocks that they stand in.

>>> blocks = Blocks(host=None)
>>> blocks.read("if", "0%{?fedora}", 1)
>>> blocks.now
'0%{?fedora}'
>>> blocks.read("else", "", 2)
>>> blocks.now
'not 0%{?fedora}'
>>> blocks.read("endif", "", 3)
>>> blocks.read("if", "0", 4)
>>> blocks.now == NEVER
True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.rpm_condition import UndecidedError, decide
from checks.results import Reason

NEVER = "0"
_DEEP = 100
"""More %if inside one another are nobody's spec."""


@dataclass(frozen=True)
class Definition:
    """A macro definition. ``condition`` is "" where it holds for sure, NEVER where it does not, else its open question."""

    kind: str
    name: str
    options: str
    body: str
    line: int
    in_comment: bool = False
    in_braces: bool = False
    condition: str = ""

    @property
    def sure(self) -> bool:
        """True when it is made whatever the host and the command line are."""
        return not self.condition and not self.in_braces


@dataclass
class _Block:
    line: int
    text: str
    holds: bool | None
    earlier: bool | None = False


class Blocks:
    """The %if blocks that are open, and what is known of the macros that they ask for. ``host`` holds all macros of the host."""

    def __init__(self, host: Mapping[str, str] | None) -> None:
        self.open: list[_Block] = []
        self._host = host
        self._own: dict[str, str | None] = {}
        self._unsure: set[str] = set()

    def read(self, word: str, text: str, line: int) -> None:
        """Take an %if, %else or %endif. Raises ParseError for one without its beginning: the head of the text is missing."""
        if word.startswith("if"):
            if len(self.open) >= _DEEP:
                raise ParseError(f"more than {_DEEP} %if stand inside one another", Reason.UNPARSED, line=line)
            self.open.append(_Block(line, *self._judge(word, text)))
            return
        if not self.open:
            raise ParseError(f"the spec is not whole: %{word} of line {line} has no %if above it", Reason.TRUNCATED, line=line)
        block = self.open[-1]
        if word == "endif":
            self.open.pop()
            return
        before = (block.earlier, block.holds)
        block.earlier = True if True in before else None if None in before else False
        block.text, holds = self._judge(word[2:], text) if word != "else" else (f"not {block.text}", True)
        block.holds = False if block.earlier or holds is False else None if block.earlier is None else holds

    def _judge(self, word: str, text: str) -> tuple[str, bool | None]:
        """What the condition says; a question for the machine (%ifarch) is the host's to answer."""
        return (text, decide(text, self._lookup)) if word == "if" else (f"{word} {text}", None)

    def _lookup(self, name: str) -> str | None:
        if name in self._own and name not in self._unsure:
            return self._own[name]
        if name in self._unsure or self._host is None:
            raise UndecidedError(name)
        return self._host.get(name)

    def define(self, definition: Definition) -> None:
        """Remember a definition for the conditions below it."""
        name = definition.name
        if definition.kind.startswith("bcond"):  # --with and --without on the command line decide
            self._unsure.add(f"with_{name}")
        elif definition.sure and not definition.options:
            self._unsure.discard(name)
            self._own[name] = None if definition.kind == "undefine" else definition.body
        elif definition.condition != NEVER:
            self._unsure.add(name)

    @property
    def now(self) -> str:
        """The condition of a definition that stands here."""
        if any(block.holds is False for block in self.open):
            return NEVER
        return " and ".join(block.text for block in self.open if block.holds is None)
