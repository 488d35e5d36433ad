"""The author's judgement on top of the probes': expectations per step, conclusions per run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from checks.results import Evidence, Finding, ProbeResult, Reason, Verdict, worst
from runbooks.document.evaluation import evaluate, lookup
from runbooks.document.expressions import comparisons
from runbooks.document.model import Check, Comparison, Conclusion, Condition, Document, Expectation, Open
from runbooks.document.sentences import fill


def apply_expectations(check: Check, result: ProbeResult, earlier: Mapping[str, Any] | None = None) -> ProbeResult:
    """The result with the author's rules added as findings ``expect[1]``, ``expect[2]`` … and the verdict rolled up.

    ``earlier`` is what earlier steps told (see ``known``). A rule whose fact is missing adds an ``unknown`` finding; a
    skipped step stays skipped. A rule never makes a verdict better.
    """
    if not check.expect or result.verdict is Verdict.SKIPPED:
        return result
    facts = {**(earlier or {}), **result.facts}
    added = [finding for number, rule in enumerate(check.expect, 1) for finding in _finding(number, rule, facts, result)]
    if not added:
        return result
    verdict = worst([result.verdict, *(finding.verdict for finding in added)])
    findings = (*result.findings, *added)
    if verdict is result.verdict:
        return replace(result, findings=findings)
    deciding = next(finding for finding in added if finding.verdict is verdict)
    return replace(result, findings=findings, verdict=verdict, finding=deciding.say, reason=deciding.reason)


def _finding(number: int, rule: Expectation, facts: Mapping[str, Any], result: ProbeResult) -> Iterator[Finding]:
    holds = evaluate(rule.condition, facts)
    first = next(comparisons(rule.condition))
    if holds is None:
        lacking = [part.operand for part in comparisons(rule.condition) if evaluate(part, facts) is None]
        say = f"the author's rule cannot be told: {', '.join(dict.fromkeys(lacking))} is not known here"
        yield Finding(f"expect[{number}]", Verdict.UNKNOWN, say, reason=Reason.MISSING)
    elif holds:
        value, threshold = lookup(facts, first.operand), _threshold(first)
        yield Finding(
            rule=f"expect[{number}]",
            verdict=rule.then,
            say=fill(rule.say, facts),
            value=value,
            threshold=threshold,
            margin=_margin(value, threshold),
            evidence=tuple(dict.fromkeys(_evidence(rule.condition, result))),
            source="this runbook",
        )


def _threshold(comparison: Comparison) -> float | None:
    literal = comparison.literal
    return literal if isinstance(literal, int | float) and not isinstance(literal, bool) else None


def _margin(value: Any, threshold: float | None) -> float | None:
    if not threshold or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round((value - threshold) / threshold, 4)


def _evidence(condition: Condition, result: ProbeResult) -> Iterator[Evidence]:
    for part in comparisons(condition):
        line = result.fact_lines.get(part.operand) or result.fact_lines.get(part.operand.partition(".")[0])
        if line:
            yield line


def known(verdicts: Mapping[str, Verdict | str], facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What ended steps have told, as conditions name it: a step's verdict by its id, its facts as ``step.fact``.

    >>> known({"mode": "ok"}, {"mode": {"mode": "v1"}})
    {'mode': <Verdict.OK: 'ok'>, 'mode.mode': 'v1'}
    """
    told: dict[str, Any] = {step: Verdict(verdict) for step, verdict in verdicts.items()}
    return told | {f"{step}.{name}": value for step, values in facts.items() for name, value in values.items()}


def conclude(
    document: Document, verdicts: Mapping[str, Verdict | str], facts: Mapping[str, Mapping[str, Any]]
) -> Conclusion | Open:
    """The first conclusion that holds, its sentences filled, or the steps that decide and those still open.

    ``verdicts`` and ``facts`` are by step id; a step that has not ended is absent from ``verdicts``. A conclusion further up
    that is not settled yet does not hide one that holds; the steps it waits for are named in ``unsettled``.
    """
    told = known(verdicts, facts)
    waiting: list[str] = []
    deciding: list[str] = []
    for conclusion in document.meta.conclusions:
        holds = evaluate(conclusion.condition, told)
        if holds:
            return replace(
                conclusion,
                say=fill(conclusion.say, told),
                do=fill(conclusion.do, told),
                fix=fill(conclusion.fix, told),
                next=fill(conclusion.next, told),
                unsettled=tuple(dict.fromkeys(waiting)),
            )
        parts = list(comparisons(conclusion.condition))
        deciding += [part.operand.partition(".")[0] for part in parts]
        if holds is None:
            waiting += [part.operand.partition(".")[0] for part in parts if evaluate(part, told) is None]
    return Open(tuple(dict.fromkeys(deciding)), tuple(dict.fromkeys(waiting)))
