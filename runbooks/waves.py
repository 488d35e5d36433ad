"""In which order the checks of a runbook run: a check comes after the checks whose answers it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from checks.catalog import catalog
from runbooks.document.expressions import comparisons
from runbooks.document.model import Check, Document, Reference
from runbooks.document.sentences import names


def operands(check: Check) -> Iterator[str]:
    """Every name of another step that the check may read: in its parameters, its condition, its rules and their sentences.

    A name whose head is a fact of the check's own probe means that fact.
    """
    yield from (value.name for value in check.with_.values() if isinstance(value, Reference) and value.step)
    if check.when:
        yield from (comparison.operand for comparison in comparisons(check.when))
    probe = catalog().get(check.probe)
    own = {spec.name for spec in probe.facts} if probe else set()
    for rule in check.expect:
        read = [*(comparison.operand for comparison in comparisons(rule.condition)), *(name for name, _ in names(rule.say))]
        yield from (name for name in read if name.partition(".")[0] not in own)


@dataclass(frozen=True)
class Waves:
    """The wave of each check, and what each one needs. A wave begins on a host when the one before it has ended there."""

    of: Mapping[str, int]
    needs: Mapping[str, frozenset[str]]

    def needed_for(self, check_id: str) -> set[str]:
        """The check and everything it depends on, however far."""
        found: set[str] = set()
        waiting = [check_id]
        while waiting:
            if (name := waiting.pop()) not in found:
                found.add(name)
                waiting += self.needs.get(name, ())
        return found


def waves(document: Document) -> Waves:
    """Lay the checks out. A check can need only checks that stand before it in the text, so there is no ring."""
    of: dict[str, int] = {}
    needs: dict[str, frozenset[str]] = {}
    for check in document.steps:
        needs[check.id] = frozenset(name.partition(".")[0] for name in operands(check)) & of.keys()
        of[check.id] = 1 + max((of[name] for name in needs[check.id]), default=-1)
    return Waves(of, needs)
