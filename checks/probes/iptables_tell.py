"""Turning faults into findings, with the lines that show them. No probes of its own."""

from __future__ import annotations

from collections.abc import Sequence

from checks.analyzers.kube_proxy_fault import Fault, Line
from checks.probes.base import Probe, Report
from checks.results import Evidence, Reason, Verdict


def evidence(report: Report, lines: Sequence[Line]) -> list[Evidence]:
    """Lines of sections as evidence; a mark that the line does not hold is left out."""
    found = []
    for section, number, mark in lines:
        if section in report.sections and number:
            text = report.sections[section].line(number)
            found.append(report.evidence(section, number, mark if mark in text else ""))
    return list(dict.fromkeys(found))


def tell(report: Report, faults: Sequence[Fault], *, soft: frozenset[Verdict] = frozenset()) -> None:
    """Add a finding per fault; verdicts in ``soft`` are only told."""
    seen = {(finding.rule, finding.say) for finding in report.findings}
    for fault in faults:
        if (fault.rule, fault.say) in seen:
            continue
        seen.add((fault.rule, fault.say))
        if fault.verdict is Verdict.UNKNOWN:
            report.unknown(fault.reason or Reason.UNPARSED, fault.say, evidence(report, fault.lines), fault.rule)
            continue
        report.find(
            fault.rule,
            Verdict.INFO if fault.verdict in soft else fault.verdict,
            fault.say,
            value=fault.value,
            limit=fault.limit,
            evidence=evidence(report, fault.lines),
            remedy=fault.remedy,
        )


PROBES: tuple[Probe, ...] = ()
