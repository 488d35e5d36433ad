"""Every golden case under tests/cases/probes: same bytes in, same verdict out. The README there says how to add one."""

from __future__ import annotations

from typing import Any

import pytest

from checks.results import Verdict

BAD = (Verdict.WARN, Verdict.CRIT)


def test_it_gives_the_expected_verdict(case: Any, deciding_finding: Any) -> None:
    expected, result = case.expected, case.judge()
    found = deciding_finding(result)
    told = {"verdict": str(result.verdict), "rule": found.rule, "reason": result.reason and str(result.reason)}
    wanted = {key: expected[key] for key in ("verdict", "rule", "reason") if key in expected}
    assert wanted or case.name.startswith("not_"), "expected.json must state the verdict"
    assert {key: told[key] for key in wanted} == wanted, result.finding
    assert expected.get("say", "") in result.finding


def test_it_reads_the_expected_facts(case: Any) -> None:
    wanted = case.expected.get("facts", {})
    facts = case.judge().as_json()["facts"]
    found = {name: facts.get(name, "(no such fact)") for name in wanted}
    assert found == {name: pytest.approx(value) if isinstance(value, float) else value for name, value in wanted.items()}


def test_it_points_at_the_deciding_lines(case: Any, deciding_finding: Any) -> None:
    result = case.judge()
    pointed = {(line.section, line.line) for line in deciding_finding(result).evidence}
    wanted = {(line["section"], line["line"]) for line in case.expected.get("evidence", [])}
    assert wanted <= pointed
    sections = {section.name: section for section in case.sections}
    for finding in result.findings:
        for line in finding.evidence:
            assert line.section in sections, f"{finding.rule} points into {line.section}, which this case does not hold"
            assert 1 <= line.line <= len(sections[line.section].lines), f"{finding.rule} points at {line.section}:{line.line}"
            assert line.text == sections[line.section].line(line.line)
            assert line.mark in line.text, f"{finding.rule}: {line.mark!r} is not in {line.text!r}"


def test_it_does_not_fire_on_its_near_cases(case: Any) -> None:
    if not case.name.startswith("not_"):
        return
    rules = [rule.id for rule in case.probe.rules if (case.name + "_").startswith(f"not_{rule.id}_")]
    assert rules, f"{case.name} names no rule of {case.probe_id}: {[rule.id for rule in case.probe.rules]}"
    rule = max(rules, key=len)
    fired = [finding for finding in case.judge().findings if finding.rule == rule and finding.verdict in BAD]
    assert not fired
