"""The way of a new connection's first packet through iptables, with the probability of each way.

A walk over tables and chains that splits where a rule matches only sometimes (``statistic``) and tries both answers where a
match cannot be told: where both lead to the same end the answer is certain all the same, elsewhere it is ``unknown``.
Checked against the kernel: pod, host and outside to ClusterIP and NodePort, hairpin, no endpoints (tests/live).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from checks.analyzers.packet import Node, Packet
from checks.analyzers.packet_index import RuleIndex
from checks.analyzers.packet_match import verdict_of
from checks.analyzers.packet_route import FROM_HOST, FROM_OUTSIDE, decide
from checks.analyzers.packet_state import Branch, Stage, State, Step
from checks.analyzers.packet_targets import HARMLESS, Effect, apply
from checks.parsers.iptables_rules import Match, Rule, RuleSet

MAX_DEPTH = 32
MAX_FORKS = 10
MAX_WAYS = 20_000
"""A service of 5,000 endpoints has as many ways; chains that return after a die was thrown double them with each rule."""
MAX_LOOKS = 1_000_000
"""How many rules are looked at in one trace: chains that call each other twice double them with each level."""
MAX_STEPS = 256
"""How many rules one way can match; a real one matches some twenty."""


class Tracer:
    """Traces packets through one rule set; its indexes are kept between traces."""

    def __init__(self, rules: RuleSet, node: Node | None = None) -> None:
        self.rules = rules
        self.node = node or Node()
        self.index = RuleIndex()
        self.ways = self.looks = 0

    def trace(self, packet: Packet, stages: tuple[Stage, ...] = ()) -> list[Branch]:
        """Every way the packet can take; the probabilities sum to 1."""
        self.ways, self.looks = 1, 0
        packet = packet.copy()
        if packet.origin == "host":
            packet.iif, packet.local_out = "", True
        stages = stages or (FROM_HOST if packet.origin == "host" else FROM_OUTSIDE)
        return merged(self._advance(State(packet, 1.0, stages)))

    def _advance(self, state: State) -> list[Branch]:
        done: list[Branch] = []
        while True:
            if not state.frames:
                end = self._next_stage(state)
                if end is not None:
                    return [*done, end]
                continue
            chain, rules, position = state.frames[-1]
            if position >= len(rules):
                state.frames.pop()
                if not state.frames and (end := self._policy(state)):
                    return [*done, end]
                continue
            state.frames[-1] = (chain, rules, position + 1)
            rule = rules[position]
            self.looks += 1
            if self.looks > MAX_LOOKS or self.ways > MAX_WAYS:
                return [*done, state.end("unknown", "these rules hold more ways than can be followed")]
            chance = verdict_of(rule, state.packet, self.node)
            if chance == 0.0 or (chance is None and rule.target in HARMLESS):
                continue
            if chance is None:
                return [*done, *self._both(rule, state)]
            if chance < 1.0:
                self.ways += 1
                taken = state.copy()
                taken.weight *= chance
                state.weight *= 1 - chance
                end = self._take(rule, taken)
                done += [end] if end else self._advance(taken)
            elif end := self._take(rule, state):
                return [*done, end]

    def _take(self, rule: Rule, state: State) -> Branch | None:
        """Follow the rule's target; a Branch when the packet ends there."""
        if rule.target not in HARMLESS:
            state.record(rule)
            if state.steps > MAX_STEPS:
                return state.end("unknown", f"more than {MAX_STEPS} rules match this packet one after the other")
        chain = self.rules.chain(rule.table, rule.target)
        if chain is not None:
            if len(state.frames) >= MAX_DEPTH:
                return state.end("unknown", f"chains call each other more than {MAX_DEPTH} deep")
            if rule.goto:
                state.frames.pop()
            state.frames.append((chain.name, self.index.candidates(chain, state.packet), 0))
            return None
        effect = apply(rule, state)
        if effect is Effect.TABLE_DONE:
            state.frames.clear()
        elif effect is Effect.RETURN:
            state.frames.pop()
            return self._policy(state) if not state.frames else None
        elif effect is Effect.DROPPED:
            return state.end("DROP")
        elif effect is Effect.REJECTED:
            return state.end("REJECT")
        elif effect is Effect.UNKNOWN:
            return state.end("unknown", f"line {rule.line}: what {rule.target} does is not known here", rule)
        return None

    def _policy(self, state: State) -> Branch | None:
        """The end of a base chain: its policy."""
        chain = self.rules.chain(state.table, state.base)
        if chain is None or chain.policy != "DROP":
            return None
        state.trail = (state.trail, Step(state.table, state.base, chain.line, f"policy of {state.base} is DROP"))
        return state.end("DROP")

    def _next_stage(self, state: State) -> Branch | None:
        if not state.stages:
            return state.end("ACCEPT")
        (table, name), *rest = state.stages
        state.stages = tuple(rest)
        if table == "route":
            return decide(name, state, self.node)
        if table == "nat" and state.packet.untracked:
            return None
        chain = self.rules.chain(table, name)
        if chain is not None:
            state.table, state.base = table, name
            state.frames.append((name, self.index.candidates(chain, state.packet), 0))
        return None

    def _both(self, rule: Rule, state: State) -> list[Branch]:
        """Try both answers of a match that cannot be told."""
        if state.forks >= MAX_FORKS:
            return [state.end("unknown", f"line {rule.line} and others look at what this capture does not show", rule)]
        state.forks += 1
        self.ways += 1
        asked = _question(rule, state.packet, self.node)
        yes, no = state.copy(), state.copy()
        if asked:
            when_yes, when_no = _answers(rule, asked)
            yes.packet.assume(asked, value=when_yes)
            no.packet.assume(asked, value=when_no)
            chance = verdict_of(rule, yes.packet, self.node)
            end = self._take(rule, yes) if chance == 1.0 else None
            if chance is None:
                return [state.end("unknown", _unseen(rule), rule)]
        else:
            end = self._take(rule, yes)
        taken = [end] if end else self._advance(yes)
        skipped = self._advance(no)
        if same_ends(taken, skipped):
            return skipped
        return [state.end("unknown", _unseen(rule), rule)]


def _unseen(rule: Rule) -> str:
    return f"line {rule.line} of {rule.table} {rule.chain} decides by what this capture does not show"


def _question(rule: Rule, packet: Packet, node: Node) -> tuple[str, str] | None:
    """The one unknown that the answer hangs on, so that later rules that ask it again get the same answer."""
    open_matches: list[Match] = []
    for match in rule.matches:
        alone = Rule(rule.line, "", "", "", (match,), "", (), rule.goto, opaque=False, packets=None, bytes=None)
        if verdict_of(alone, packet, node) is None:
            open_matches.append(match)
    if rule.opaque or len(open_matches) != 1:
        return None
    (match,) = open_matches
    if match.option in ("i", "o"):
        return (match.option, match.value)
    return ("dst-local", packet.dst) if match.option == "dst-type" else None


def _answers(rule: Rule, asked: tuple[str, str]) -> tuple[bool, bool]:
    """What to assume when the rule matches, and when it does not."""
    option = {"i": "i", "o": "o"}.get(asked[0], "dst-type")
    negated = any(match.negated for match in rule.matches if match.option == option)
    return (not negated, negated)


def _ends(branches: Iterable[Branch]) -> dict[tuple[str, str, int, str], float]:
    found: dict[tuple[str, str, int, str], float] = defaultdict(float)
    for branch in branches:
        found[branch.end] += branch.probability
    return found


def same_ends(one: list[Branch], other: list[Branch]) -> bool:
    """True when both lead to the same ends with the same probabilities."""
    first, second = _ends(one), _ends(other)
    return first.keys() == second.keys() and all(abs(first[end] - second[end]) < 1e-9 for end in first)


def merged(branches: list[Branch]) -> list[Branch]:
    """Branches without those that cannot happen; ways with the same rules become one."""
    found: dict[tuple[object, ...], Branch] = {}
    for branch in branches:
        key = (*branch.end, branch.path)
        if key in found:
            found[key].probability += branch.probability
        elif branch.probability > 0:
            found[key] = branch
    return list(found.values())
