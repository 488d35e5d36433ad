"""The facts of one result as rows: what it is, its value, and the threshold that judged it beside the value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from checks.probes.base import Probe
from checks.results import Verdict
from runbooks.presenters.database import Detail
from runbooks.presenters.shown import Shown, of_verdict
from runbooks.presenters.words import named, quantity, unit_of, visible

FIRST = 6


@dataclass(frozen=True)
class FactRow:
    """A row of the table. ``name`` is the fact's id; empty when a finding's value is no fact of the probe. ``note`` is the
    threshold, or what the fact means."""

    name: str
    label: str
    value: str
    note: str = ""
    shown: Shown | None = None


@dataclass(frozen=True)
class FactTable:
    """The rows that matter first, and the others."""

    first: tuple[FactRow, ...] = ()
    others: tuple[FactRow, ...] = ()


NO_FACTS = FactTable()


def fact_table(probe: Probe | None, detail: Detail) -> FactTable:
    """Judged facts first, worst on top; then the rest in the probe's own order. At most six stand in the card at once."""
    says = {spec.name: spec.say for spec in probe.facts} if probe else {}
    rules = {rule.id: rule.say for rule in probe.rules} if probe else {}
    judged = _judged(detail, says, rules)
    taken = {row.name for row in judged}
    rest = [_row(name, detail.facts[name], says) for name in (*says, *detail.facts) if name in detail.facts and name not in taken]
    rest = list({row.name: row for row in rest}.values())
    rest = [row for row in rest if detail.facts[row.name] != ""]  # an empty text tells nothing
    plain = [row for row in rest if not isinstance(detail.facts[row.name], list | dict) and detail.facts[row.name] is not None]
    first = (judged + plain)[:FIRST]
    shown = {id(row) for row in first}
    return FactTable(tuple(first), tuple(row for row in (*judged, *rest) if id(row) not in shown))


_ORDER = (Verdict.CRIT, Verdict.WARN, Verdict.UNKNOWN, Verdict.OK, Verdict.INFO, Verdict.SKIPPED)


def _judged(detail: Detail, says: Mapping[str, str], rules: Mapping[str, str]) -> list[FactRow]:
    rows: list[FactRow] = []
    taken: set[str] = set()
    for finding in sorted(detail.findings, key=lambda one: _ORDER.index(one["verdict"]) if one["verdict"] in _ORDER else 9):
        value, threshold = finding.get("value"), finding.get("threshold")
        if value is None or isinstance(value, dict | list):
            continue
        name = _fact_of(finding, detail, taken)
        if not name and threshold is None:
            continue
        unit = str(finding.get("unit") or unit_of(name))
        label = named(name) if name else rules.get(str(finding.get("rule")), "")
        taken.add(name or str(finding.get("rule")))
        word = of_verdict(str(finding["verdict"]))
        note = threshold_note(finding, unit) or says.get(name, "")
        rows.append(FactRow(name, visible(label), quantity(value, unit), visible(note), word))
    return rows


def _fact_of(finding: Mapping[str, Any], detail: Detail, taken: Iterable[str]) -> str:
    """The fact whose value a finding judged: equal in value, and best read from the same line."""
    value = finding.get("value")
    same = [name for name, fact in detail.facts.items() if name not in taken and _equal(fact, value)]
    lines = {(line.get("section"), line.get("line")) for line in finding.get("evidence") or ()}
    for name in same:
        line = detail.fact_lines.get(name) or {}
        if (line.get("section"), line.get("line")) in lines:
            return name
    return same[0] if len(same) == 1 and finding.get("threshold") is not None else ""  # equal by chance proves nothing


def _equal(fact: Any, value: Any) -> bool:
    return type(fact) is type(value) and bool(fact == value)


def _row(name: str, value: Any, says: Mapping[str, str]) -> FactRow:
    return FactRow(name, visible(named(name)), quantity(value, unit_of(name)), visible(says.get(name, "")))


def threshold_note(finding: Mapping[str, Any], unit: str = "") -> str:
    """The threshold in words: "critical from 10,000", or "critical below 3" where less is worse."""
    threshold, value = finding.get("threshold"), finding.get("value")
    if threshold is None:
        return ""
    limit = quantity(threshold, unit)
    verdict = finding["verdict"]
    bad = verdict in (Verdict.CRIT, Verdict.WARN)
    numeric = isinstance(value, int | float)
    less_is_worse = numeric and ((bad and value < threshold) or (verdict == Verdict.OK and value > threshold))
    if verdict == Verdict.CRIT:
        return (_("critical below %(limit)s") if less_is_worse else _("critical from %(limit)s")) % {"limit": limit}
    return (_("warning below %(limit)s") if less_is_worse else _("warning from %(limit)s")) % {"limit": limit}
