"""What a rule about kube-proxy's chains says when it fires, and what it may know of the host beside the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.packet import Node
from checks.parsers.iptables_rules import Chain, Rule
from checks.results import Reason, Verdict


class Line(NamedTuple):
    """A line of a section, and the word in it that decided."""

    section: str
    number: int
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One finding to be: a rule id of the catalogue, its verdict, its sentence and its lines."""

    rule: str
    verdict: Verdict
    say: str
    lines: tuple[Line, ...] = ()
    value: Any = None
    limit: str = ""
    remedy: str = ""
    reason: Reason | None = None


class Knob(NamedTuple):
    """A kernel setting and the line it was read from."""

    value: str
    line: Line


@dataclass(slots=True)
class Host:
    """What the other sections say of the host. None: that section was not there or is not whole."""

    mode: str = ""
    proxy: Line | None = None
    proxy_running: bool | None = None
    proxy_young: bool = False
    proxy_whole: bool = False
    cluster_cidrs: tuple[str, ...] = ()
    ipvs0: Line | None = None
    ipvs0_addresses: int | None = None
    knobs: Mapping[str, Knob] | None = None
    absent_knobs: frozenset[str] = frozenset()
    devices: Mapping[str, Line] | None = None
    bridges: frozenset[str] = frozenset()
    pod_routes: tuple[tuple[str, Line], ...] | None = None
    own_blocks: frozenset[str] = frozenset()
    failed_neighbours: Mapping[tuple[str, str], Line] = field(default_factory=dict)
    legacy_nat: Line | None = None
    nft_tables: Mapping[tuple[str, str], Line] | None = None
    drop_chains: tuple[tuple[str, str, Line], ...] = ()
    listeners: Mapping[tuple[str, int], Line] | None = None
    hairpins: Mapping[str, tuple[bool, Line]] | None = None
    foreign: tuple[tuple[str, Line], ...] = ()
    unreliable: frozenset[tuple[str, str]] = frozenset()
    marked_drop: bool | None = None
    save_ms: int | None = None
    node: Node = field(default_factory=Node)

    def knob(self, ending: str) -> Knob | None:
        """The setting whose path ends so."""
        for path, knob in (self.knobs or {}).items():
            if path.endswith(ending):
                return knob
        return None


Limits = Mapping[str, float]
Check = Callable[[KubeProxy, Host, Limits], Iterable[Fault]]


def at(model: KubeProxy, rule: Rule, mark: str = "") -> Line:
    """The line of a rule. ``mark`` is kept only where the line holds it."""
    return Line(model.rules.section, rule.line, mark if mark in rule.raw else "")


def declared(model: KubeProxy, chain: Chain | None) -> tuple[Line, ...]:
    """The line that declares a chain."""
    return (Line(model.rules.section, chain.line, chain.name),) if chain and chain.line else ()


def jumps_to(model: KubeProxy, table: str, base: str, target: str) -> Rule | None:
    """The rule of a base chain that leads to ``target``, directly or over other chains."""
    for rule in model.rules.rules_of(table, base):
        if rule.target == target or target in _reached(model, table, rule.target):
            return rule
    return None


def _reached(model: KubeProxy, table: str, start: str) -> Iterator[str]:
    seen = {start}
    waiting = [start]
    while waiting:
        for rule in model.rules.rules_of(table, waiting.pop()):
            if rule.target and rule.target not in seen and model.rules.chain(table, rule.target):
                seen.add(rule.target)
                waiting.append(rule.target)
                yield rule.target


def some(names: Iterable[str], most: int = 3) -> str:
    """A few names of many.

    >>> some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    found = list(dict.fromkeys(names))
    rest = len(found) - most
    return ", ".join(found[:most]) + (f" and {rest} more" if rest > 0 else "")
