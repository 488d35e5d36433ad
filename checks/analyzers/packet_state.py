"""Where a trace stands: the packet, the rules it has matched, what it has still to cross; and the branch it ends as."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from checks.analyzers.packet import Hop, Packet
from checks.parsers.iptables_rules import Rule

Stage = tuple[str, str]
"""A table and its base chain; or "route" and the name of a routing decision."""


@dataclass(frozen=True, slots=True)
class Step:
    """A rule that matched, or the policy that decided."""

    table: str
    chain: str
    line: int
    text: str


@dataclass(slots=True)
class Branch:
    """One way and how likely it is. ``verdict`` is ACCEPT, DROP, REJECT, timeout, unreachable or unknown.

    ``doubt`` is the rule that decides an unknown way.
    """

    probability: float
    verdict: str
    packet: Packet
    path: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    route: Hop | None = None
    doubt: Step | None = None

    @property
    def end(self) -> tuple[str, str, int, str]:
        """What an onlooker could tell this way from another by."""
        return (self.verdict, self.packet.dst, self.packet.dport, self.packet.snat)


@dataclass(slots=True)
class State:
    """One walker. ``frames`` are the chains it is inside of, each with the position of its next rule."""

    packet: Packet
    weight: float
    stages: tuple[Stage, ...]
    table: str = ""
    base: str = ""
    frames: list[tuple[str, Sequence[Rule], int]] = field(default_factory=list)
    trail: tuple[Any, Step] | None = None
    steps: int = 0
    notes: tuple[str, ...] = ()
    route: Hop | None = None
    forks: int = 0

    def copy(self) -> State:
        """An independent walker at the same place."""
        other = copy.copy(self)
        other.packet = self.packet.copy()
        other.frames = list(self.frames)
        return other

    def record(self, rule: Rule) -> None:
        """Remember a rule that matched."""
        self.trail = (self.trail, _step(rule))
        self.steps += 1

    def note(self, say: str) -> None:
        """Remember something a reader must know, once."""
        if say not in self.notes:
            self.notes = (*self.notes, say)

    def end(self, verdict: str, say: str = "", doubt: Rule | None = None) -> Branch:
        """The branch that ends here."""
        if say:
            self.note(say)
        steps: list[Step] = []
        trail = self.trail
        while trail is not None:
            trail, step = trail
            steps.append(step)
        path = tuple(reversed(steps))
        return Branch(self.weight, verdict, self.packet, path, self.notes, self.route, _step(doubt) if doubt else None)


def _step(rule: Rule) -> Step:
    return Step(rule.table, rule.chain, rule.line, rule.raw.strip())
