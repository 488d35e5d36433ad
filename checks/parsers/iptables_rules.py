"""What a set of iptables rules is, whichever text it was read from: tables, chains, rules, and what is missing from them.

Readers: ``iptables_save``, ``iptables_loose`` (grepped rules, ``iptables -S``), ``iptables_nvl`` (``iptables -nvL``).
Every rule knows its 1-based line. ``RuleSet.complete`` is False as soon as anything may be missing; then absence proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from checks.parsers.iptables_options import TARGETS


class Match(NamedTuple):
    """One condition of a rule. ``module`` is the match extension it belongs to, empty for -s -d -i -o -p."""

    option: str
    value: str
    negated: bool
    module: str


@dataclass(slots=True, eq=False)
class Rule:
    """One rule. ``options`` are the target's own words; ``opaque`` means a condition that this reader does not know."""

    line: int
    raw: str
    table: str
    chain: str
    matches: tuple[Match, ...]
    target: str
    options: tuple[str, ...]
    goto: bool
    opaque: bool
    packets: int | None
    bytes: int | None

    def value(self, option: str) -> str:
        """The value of the first condition of that name; an empty string when there is none."""
        for match in self.matches:
            if match.option == option:
                return match.value
        return ""

    def match(self, option: str) -> Match | None:
        """The first condition of that name."""
        for match in self.matches:
            if match.option == option:
                return match
        return None

    @property
    def comment(self) -> str:
        """The text of ``--comment``."""
        return self.value("comment")

    @property
    def conditions(self) -> tuple[Match, ...]:
        """The matches that can say no: all but comments."""
        return tuple(match for match in self.matches if match.option != "comment")

    @property
    def unconditional(self) -> bool:
        """True when every packet matches."""
        return not self.opaque and not self.conditions

    def option(self, name: str) -> str:
        """The word after ``--name`` among the target's options; an empty string when it is not there."""
        flag = "--" + name
        for position, word in enumerate(self.options):
            if word == flag:
                return self.options[position + 1] if position + 1 < len(self.options) else ""
        return ""

    def has_option(self, name: str) -> bool:
        """True when the target has the flag ``--name``."""
        return "--" + name in self.options


@dataclass(slots=True, eq=False)
class Chain:
    """A chain in order. ``policy`` is None for a chain that is not built in; ``line`` is 0 when its declaration was not seen.

    ``shown`` means that this one chain was listed to its end.
    """

    name: str
    table: str
    line: int = 0
    policy: str | None = None
    rules: list[Rule] = field(default_factory=list)
    references: int | None = None
    shown: bool = False


@dataclass(slots=True, eq=False)
class Table:
    """A table. ``committed`` is True when its end was seen."""

    name: str
    line: int
    chains: dict[str, Chain] = field(default_factory=dict)
    committed: bool = False

    def rules(self) -> Iterator[Rule]:
        """All rules, chain by chain."""
        for chain in self.chains.values():
            yield from chain.rules


class Gap(NamedTuple):
    """A place where something is missing or could not be read."""

    line: int
    say: str


@dataclass(slots=True, eq=False)
class RuleSet:
    """The rules of one family and one backend. ``cut`` means the text ends inside a table, as a truncated capture does.

    ``loose`` means lines without their tables: grepped or pasted, tables guessed from the chains. ``listing`` means the form of
    ``iptables -L``, whose chains have a heading but whose tables have no end. ``ended`` means that the collector's own end mark
    was seen: then a table that is not there does not exist.
    """

    section: str = ""
    tool: str = ""
    version: str = ""
    family: int = 0
    backend: str = "unsuffixed"
    line: int = 0
    tables: dict[str, Table] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    notices: list[Gap] = field(default_factory=list)
    cut: bool = False
    loose: bool = False
    listing: bool = False
    ended: bool = False
    last_line: int = 0

    @property
    def complete(self) -> bool:
        """True when every table that was begun also ended and every line was understood."""
        return (
            bool(self.tables or self.ended)
            and not self.gaps
            and not self.loose
            and all(table.committed for table in self.tables.values())
        )

    def chain(self, table: str, name: str) -> Chain | None:
        """That chain, or None."""
        found = self.tables.get(table)
        return found.chains.get(name) if found else None

    def rules_of(self, table: str, name: str) -> list[Rule]:
        """The rules of that chain; none when it is not there."""
        chain = self.chain(table, name)
        return chain.rules if chain else []

    def rules(self) -> Iterator[Rule]:
        """All rules of all tables."""
        for table in self.tables.values():
            yield from table.rules()

    def whole(self, chain: Chain) -> bool:
        """True when its last rule was certainly its last: its table ended, or another chain's rules follow."""
        if chain.shown:
            return True
        if self.complete or self.loose or self.gaps or chain.table not in self.tables:
            return self.complete
        table = self.tables[chain.table]
        if table.committed:
            return True
        if self.listing:
            return any(other.line > chain.line for each in self.tables.values() for other in each.chains.values())
        last = chain.rules[-1].line if chain.rules else self.last_line
        return any(other.rules and other.rules[0].line > last for other in table.chains.values())

    def visible(self, table: str, name: str, trusted: frozenset[str] = frozenset()) -> bool:
        """True when that chain and all it leads to are whole, so that a packet can be followed through it.

        What stands in a ``trusted`` chain does not matter to the asker.
        """
        seen = set(trusted)
        waiting = [name]
        while waiting:
            chain = self.chain(table, waiting.pop())
            if chain is None or not self.whole(chain):
                return False
            for rule in chain.rules:
                if rule.target and rule.target not in TARGETS and rule.target not in seen:
                    seen.add(rule.target)
                    waiting.append(rule.target)
        return True

    @property
    def rule_count(self) -> int:
        """How many rules there are."""
        return sum(len(chain.rules) for table in self.tables.values() for chain in table.chains.values())

    @property
    def chain_count(self) -> int:
        """How many chains there are."""
        return sum(len(table.chains) for table in self.tables.values())


BASE_CHAINS = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
"""The built-in chains of each table, in the order iptables prints them."""
