"""What a probe is, and the report its judge fills in."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from checks.collectors.base import Collector, Privilege
from checks.errors import EvidenceError
from checks.evidence import instead, unusable, why
from checks.params import Param
from checks.results import Evidence, Finding, ProbeResult, Reason, Section, Verdict, deciding

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Threshold:
    """A limit that a runbook may override.

    ``mark`` is its provenance: V measured, S source, D document, I issue, W writeup, J judgement.
    """

    name: str
    default: float
    unit: str
    say: str
    source: str
    mark: str = "J"


@dataclass(frozen=True)
class FactSpec:
    """A fact's stable name (its unit is part of it), its type and what it means."""

    name: str
    type: str
    say: str


@dataclass(frozen=True)
class Rule:
    """A rule's stable id, its condition in words, what to do about it, and where the knowledge comes from."""

    id: str
    say: str
    source: str
    remedy: str = ""


@dataclass(frozen=True)
class Probe:
    """An entry of the catalogue. ``judge`` is pure: it reads sections and fills a Report; it may raise EvidenceError."""

    id: str
    title: str
    question: str
    collectors: tuple[Collector, ...]
    judge: Callable[[Report], None]
    facts: tuple[FactSpec, ...]
    rules: tuple[Rule, ...]
    sources: tuple[str, ...]
    params: tuple[Param, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    version: int = 1
    heavy: bool = False
    interval_s: int = 10

    @cached_property
    def declared(self) -> tuple[frozenset[str], Mapping[str, Rule], Mapping[str, Threshold]]:
        """The names of its facts, its rules by id, its thresholds by name."""
        facts = frozenset(fact.name for fact in self.facts)
        return facts, {rule.id: rule for rule in self.rules}, {limit.name: limit for limit in self.thresholds}

    @property
    def sampled(self) -> bool:
        """True when the probe compares two samples."""
        return any(collector.sampled for collector in self.collectors)

    @property
    def privilege(self) -> Privilege:
        """The highest privilege any of its collectors needs."""
        order = list(Privilege)
        return max((collector.privilege for collector in self.collectors), key=order.index, default=Privilege.USER)

    def section_names(self) -> tuple[str, ...]:
        """The names of all sections it reads, in the order they are collected."""
        names: list[str] = []
        for collector in self.collectors:
            names += [f"{collector.name}_a", f"{collector.name}_b"] if collector.sampled else [collector.name]
        return tuple(names)

    def evaluate(
        self, sections: Iterable[Section], params: Mapping[str, Any] | None = None, limits: Mapping[str, float] | None = None
    ) -> ProbeResult:
        """Judge the sections. Never raises: a defect of the probe itself is ``unknown`` with reason ``probe_error``."""
        report = Report(self, sections, params or {}, limits or {})
        try:
            report.judge()
        except Exception as error:  # a probe's defect must not take the other steps' results with it
            log.exception("probe %s failed on its evidence", self.id)
            report.unknown(Reason.PROBE_ERROR, f"the probe itself failed ({type(error).__name__}); the raw output is kept")
        return report.result()


class Report:
    """Sections in, facts and findings out. The judge of a probe works on one of these."""

    def __init__(self, probe: Probe, sections: Iterable[Section], params: Mapping[str, Any], limits: Mapping[str, float]) -> None:
        self.probe = probe
        self.sections = {section.name: section for section in sections}
        self.params = params
        self._declared, self._rules, self._thresholds = probe.declared
        self.limits = {name: threshold.default for name, threshold in self._thresholds.items()} | dict(limits)
        self.facts: dict[str, Any] = {}
        self.fact_lines: dict[str, Evidence] = {}
        self.findings: list[Finding] = []

    def judge(self) -> None:
        """Run the probe's judge; evidence it could not do without becomes an ``unknown`` finding. Other errors pass through."""
        try:
            self.probe.judge(self)
        except EvidenceError as error:
            line = [self.evidence(error.section, error.line)] if error.section and error.line else []
            self.unknown(error.reason, error.say, line)
        except ValueError as error:
            if "integer string conversion" not in str(error):
                raise
            self.unknown(Reason.UNPARSED, "the output holds a number of thousands of digits, and no counter has so many")

    def has(self, name: str) -> bool:
        """True when that section arrived whole and its command succeeded."""
        try:
            self.need(name)
        except EvidenceError:
            return False
        return True

    def need(self, name: str, *, rc_ok: tuple[int, ...] = (0,), allow_empty: bool = False) -> Section:
        """The section, whole. Raises EvidenceError with the reason when it is absent, late, cut, refused or empty."""
        section = self.sections.get(name)
        if section is None:
            raise EvidenceError(f"the section {name} was not collected", Reason.MISSING, name)
        reason = unusable(section, rc_ok, allow_empty)
        if reason:
            raise EvidenceError(why(section, reason), reason, name)
        return section

    def evidence(self, section: str, line: int, mark: str = "") -> Evidence:
        """That line of that section as evidence."""
        found = self.sections.get(section)
        return Evidence(section, line, found.line(line) if found else "", mark)

    def fact(self, name: str, value: Any, section: str = "", line: int = 0) -> None:
        """Record a fact and the line it came from. A fact that the probe does not declare is a defect."""
        if name not in self._declared:
            raise KeyError(f"{self.probe.id} declares no fact {name}")
        self.facts[name] = value
        if section and line:
            self.fact_lines[name] = self.evidence(section, line)

    def find(
        self,
        rule: str,
        verdict: Verdict,
        say: str,
        *,
        value: Any = None,
        limit: str = "",
        unit: str = "",
        evidence: Iterable[Evidence] = (),
        remedy: str = "",
        reason: Reason | None = None,
    ) -> None:
        """Add a finding. ``limit`` names the threshold that decided; margin and unit come from it."""
        known = self._rules[rule]
        threshold = self.limits[limit] if limit else None
        margin = None
        if threshold and isinstance(value, int | float):
            margin = round((value - threshold) / threshold, 4)
        if limit and not unit:
            unit = self._thresholds[limit].unit
        bad = verdict in (Verdict.WARN, Verdict.CRIT)
        self.findings.append(
            Finding(
                rule=rule,
                verdict=verdict,
                say=say,
                value=value,
                threshold=threshold,
                unit=unit,
                margin=margin,
                evidence=tuple(evidence),
                remedy=remedy or (known.remedy if bad else ""),
                source=known.source,
                reason=reason,
            )
        )

    def level(self, value: float, warn: str, crit: str = "") -> tuple[Verdict, str]:
        """The verdict of ``value`` against the named thresholds (at or above is beyond), and the threshold that decided."""
        if math.isnan(value):
            raise EvidenceError("the output holds nan where a number must stand")
        if crit and value >= self.limits[crit]:
            return Verdict.CRIT, crit
        if value >= self.limits[warn]:
            return Verdict.WARN, warn
        return Verdict.OK, warn

    def unknown(self, reason: Reason, say: str, evidence: Iterable[Evidence] = (), rule: str = "") -> None:
        """Add the finding that something could not be told, why, and what to collect instead."""
        self.findings.append(
            Finding(
                rule=rule or "evidence",
                verdict=Verdict.UNKNOWN,
                say=say,
                evidence=tuple(evidence),
                remedy=instead(reason, self.probe.id),
                reason=reason,
            )
        )

    def skip(self, say: str) -> None:
        """The probe does not apply to this host."""
        self.findings.append(Finding(rule="applies", verdict=Verdict.SKIPPED, say=say, reason=Reason.NOT_APPLICABLE))

    def result(self) -> ProbeResult:
        """Roll up: the worst finding decides; a probe that found nothing is ``unknown``, never ``ok``."""
        if not self.findings:
            self.unknown(Reason.UNPARSED, "the output held nothing that this probe can judge")
        finding = deciding(self.findings)
        return ProbeResult(
            probe=self.probe.id,
            version=self.probe.version,
            verdict=finding.verdict,
            reason=finding.reason,
            finding=finding.say,
            facts=self.facts,
            fact_lines=self.fact_lines,
            findings=tuple(self.findings),
            sections=tuple(self.sections.values()),
        )
