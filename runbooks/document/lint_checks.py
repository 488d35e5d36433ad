"""A runbook against itself and against the catalogue: probes, parameters, limits, facts, and the order of the steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from checks.errors import ParamError
from checks.params import Param
from checks.params import read as read_param
from checks.probes.base import FactSpec, Probe
from checks.results import Verdict
from runbooks.document.expressions import comparisons
from runbooks.document.fields import Problems, nearest
from runbooks.document.lint import Draft
from runbooks.document.located import Node, Place
from runbooks.document.model import Check, Comparison, Condition, Reference
from runbooks.document.sentences import names, stray_brace

_NUMERIC = ("int", "float", "number")
_VERDICTS = tuple(str(verdict) for verdict in Verdict)


@dataclass(frozen=True)
class Missing:
    """A name that stands for nothing: the sentence, the wrong piece of text, and what it was probably meant to be."""

    say: str
    wrong: str
    near: str = ""


class Scope:
    """The names that stand for something at one place: own facts, and steps with their probes (None: probe not known)."""

    def __init__(self, steps: Mapping[str, Probe | None], all_steps: tuple[str, ...], own: Probe | None = None) -> None:
        self.steps = steps
        self.all_steps = all_steps
        self.own = {spec.name: spec for spec in own.facts} if own else {}

    def missing(self, name: str) -> Missing | None:
        """What is wrong with a name; None when it stands for something."""
        head, dot, rest = name.partition(".")
        if head in self.own or (not dot and head in self.steps):
            return None
        if head in self.steps:
            return self._missing_fact(head, rest.partition(".")[0])
        if head in self.all_steps:
            return Missing(f"{head} is a later step: only steps above this one are known here", head)
        kind = "fact or step" if self.own else "earlier step"
        near = nearest(head, [*self.own, *self.steps])
        return Missing(f"there is no {kind} {head}" + (f"; did you mean {near}?" if near else ""), head, near)

    def _missing_fact(self, step: str, fact: str) -> Missing | None:
        probe = self.steps[step]
        known = [spec.name for spec in probe.facts] if probe else []
        if not known or fact in known:
            return None
        near = nearest(fact, known)
        hint = f"did you mean {step}.{near}?" if near else "its facts: " + ", ".join(known)
        return Missing(f"the step {step} has no fact {fact}; {hint}", f"{step}.{fact}", f"{step}.{near}" if near else "")

    def spec(self, name: str) -> FactSpec | None:
        """The declaration of the fact that a name stands for; None for a verdict, an entry of a fact, or an unknown probe."""
        head, dot, rest = name.partition(".")
        if not dot:
            return self.own.get(head)
        probe = self.steps.get(head) if head not in self.own else None
        return next((spec for spec in probe.facts if spec.name == rest), None) if probe else None

    def is_verdict(self, name: str) -> bool:
        """True for the bare name of a step."""
        return "." not in name and name not in self.own and name in self.steps


def lint_checks(draft: Draft, probes: Mapping[str, Probe] | None) -> None:
    """Check every step in order, then the conclusions. Without a catalogue only the runbook's own names are checked."""
    all_steps = tuple(check.id for check, _, _ in draft.checks)
    above: dict[str, Probe | None] = {}
    for check, node, _ in draft.checks:
        probe = (probes or {}).get(check.probe)
        if probes is not None:
            _probe(check, node, probe, probes, draft.problems)
        _arguments(check, node, probe, draft, Scope(above, all_steps))
        _conditions(check, node, probe, Scope(above, all_steps), Scope(above, all_steps, probe), draft.problems)
        above[check.id] = probe
    _conclusions(draft, Scope(above, all_steps))


def _probe(check: Check, node: Node, probe: Probe | None, probes: Mapping[str, Probe], problems: Problems) -> None:
    value = node.entries["probe"][1]
    if probe is None:
        near = nearest(check.probe, probes)
        hint = f"Did you mean {near}?" if near else "python -m checks list names them all."
        problems.error(
            value.place, "unknown-probe", f"There is no probe {check.probe}. {hint}", near, len(check.probe) if near else 0
        )
        return
    known = [threshold.name for threshold in probe.thresholds]
    for name, (place, _) in _entries(node, "limits"):
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else "its limits: " + (", ".join(known) or "none")
            problems.error(place, "unknown-limit", f"{check.probe} has no limit {name}; {hint}", near, len(name) if near else 0)
    for name in ("samples", "interval_s"):
        if getattr(check, name) and not probe.sampled:
            problems.error(node.entries[name][0], "not-sampled", f"{check.probe} reads once: leave {name} out")
    if check.compare and check.compare.fact not in [spec.name for spec in probe.facts]:
        near = nearest(check.compare.fact, [spec.name for spec in probe.facts])
        hint = f"; did you mean {near}?" if near else ""
        problems.error(node.entries["compare"][0], "unknown-fact", f"{check.probe} has no fact {check.compare.fact}{hint}")


def _entries(node: Node, key: str) -> Iterator[tuple[str, tuple[Place, Node]]]:
    if key in node.entries:
        yield from node.entries[key][1].entries.items()


def _arguments(check: Check, node: Node, probe: Probe | None, draft: Draft, scope: Scope) -> None:
    declared = {param.name: param for param in probe.params} if probe else {}
    for name, (place, value) in _entries(node, "with"):
        if probe and name not in declared:
            near = nearest(name, declared)
            hint = f"did you mean {near}?" if near else "its parameters: " + (", ".join(declared) or "none")
            say = f"{check.probe} has no parameter {name}; {hint}"
            draft.problems.error(place, "unknown-parameter", say, near, len(name) if near else 0)
            continue
        argument = check.with_.get(name)
        if isinstance(argument, Reference):
            _reference(argument, value.place, declared.get(name), draft, scope)
        elif probe and argument is not None:
            try:
                read_param(declared[name], argument)
            except ParamError as error:
                draft.problems.error(value.place, "bad-parameter", error.say)
    for param in declared.values():
        if param.required and param.default is None and param.name not in check.with_:
            place = node.entries["with"][0] if "with" in node.entries else node.entries["probe"][0]
            draft.problems.error(
                place, "missing-parameter", f"{check.probe} needs with: {{{param.name}: …}}, {param.help or param.type}"
            )


def _reference(reference: Reference, place: Place, wanted: Param | None, draft: Draft, scope: Scope) -> None:
    if reference.step:
        missing = scope.missing(reference.name)
        if missing:
            draft.problems.error(place, "unknown-fact", missing.say)
        return
    declared = {param.name: param for param in draft.meta.params}
    if reference.name not in declared:
        near = nearest(reference.name, declared)
        hint = f"did you mean {{{near}}}?" if near else "declare it under params: in the front matter"
        draft.problems.error(place, "unknown-parameter", f"the runbook has no parameter {reference.name}; {hint}")
        return
    given = declared[reference.name]
    if wanted and wanted.required and not given.required and given.default is None:
        say = f"{wanted.name} is required here: give {given.name} a default or required: true in the front matter"
        draft.problems.error(place, "missing-parameter", say)


def _conditions(check: Check, node: Node, probe: Probe | None, above: Scope, inside: Scope, problems: Problems) -> None:
    if check.when:
        _condition(check.when, above, problems)
    for rule in check.expect:
        _condition(rule.condition, inside, problems, bare_ok=probe is None)
    for item in node.entries["expect"][1].items if "expect" in node.entries else ():
        _sentence(item, "say", inside, problems, bare_ok=probe is None)


def _conclusions(draft: Draft, scope: Scope) -> None:
    for conclusion in draft.meta.conclusions:
        _condition(conclusion.condition, scope, draft.problems)
    listed = draft.meta_node.entries.get("conclusions") if draft.meta_node else None
    for item in listed[1].items if listed else ():
        for key in ("say", "do", "fix", "next"):
            _sentence(item, key, scope, draft.problems)
    if draft.meta.conclusions and not any(check.confirms for check, _, _ in draft.checks):
        draft.problems.warning(Place(1, 1), "no-confirming-step", "mark the steps that decide with confirms: true")


def _condition(condition: Condition, scope: Scope, problems: Problems, *, bare_ok: bool = False) -> None:
    """``bare_ok``: bare names are facts of a probe that is not known here, so nothing can be said about them."""
    for comparison in comparisons(condition):
        name = comparison.operand
        if bare_ok and "." not in name:
            continue
        place = Place(comparison.line, comparison.column)
        missing = scope.missing(name)
        if missing:
            problems.error(place, "unknown-fact", missing.say, missing.near, len(missing.wrong) if missing.near else 0)
        elif scope.is_verdict(name):
            _verdict_words(comparison, place, problems)
        else:
            _fact_type(comparison, scope.spec(name), place, problems)


def _verdict_words(comparison: Comparison, place: Place, problems: Problems) -> None:
    words = comparison.literal if isinstance(comparison.literal, list) else [comparison.literal]
    wrong = next((word for word in words if word not in _VERDICTS), None)
    if comparison.op not in ("==", "!=", "in") or wrong is not None:
        say = f"{comparison.operand} is a step: compare its verdict, as in {comparison.operand} == crit ({', '.join(_VERDICTS)})"
        problems.error(place, "not-a-verdict", say)


def _fact_type(comparison: Comparison, spec: FactSpec | None, place: Place, problems: Problems) -> None:
    if spec is None:
        return
    kind = spec.type.rstrip("?")
    values = comparison.literal if isinstance(comparison.literal, list) else [comparison.literal]
    if kind in _NUMERIC and comparison.op != "matches" and not all(isinstance(value, int | float) for value in values):
        problems.error(place, "wrong-type", f"{comparison.operand} is a number: compare it with a number")
    elif kind == "str" and comparison.op in ("<", "<=", ">", ">="):
        problems.error(place, "wrong-type", f"{comparison.operand} is text: compare it with ==, in or matches")
    elif kind == "bool" and not all(isinstance(value, bool) for value in values):
        problems.error(place, "wrong-type", f"{comparison.operand} is true or false: compare it with == true")


def _sentence(item: Node, key: str, scope: Scope, problems: Problems, *, bare_ok: bool = False) -> None:
    if key not in item.entries or not isinstance(item.entries[key][1].plain, str):
        return
    node = item.entries[key][1]
    place = node.text_at
    stray = stray_brace(node.plain)
    if stray is not None:
        say = "write {fact} or {step.fact}: nothing else may stand between braces"
        problems.error(Place(place.line, place.column + stray), "bad-sentence", say)
    for name, offset in names(node.plain):
        missing = None if bare_ok and "." not in name else scope.missing(name)
        if missing:
            here = Place(place.line, place.column + offset + 1)
            problems.error(here, "unknown-fact", missing.say, missing.near, len(missing.wrong) if missing.near else 0)
