"""Reading the rule sets of a report: what arrived, what is missing from it, what must not be said of it. No probes of its own."""

from __future__ import annotations

from collections.abc import Sequence

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.collectors.iptables import SAVES
from checks.errors import EvidenceError, ParseError
from checks.evidence import unusable, why
from checks.parsers.iptables_rules import Gap, RuleSet
from checks.parsers.iptables_text import read_rules
from checks.parsers.iptables_together import settled
from checks.probes.base import Probe, Report, Rule
from checks.results import Evidence, Reason, Section, Verdict

CAPTURE = Rule("capture", "one table is in the capture more than once", "the later output, or the fuller one, is judged")


def models(report: Report) -> list[KubeProxy]:
    """Every rule set that arrived, as a model. Says ``unknown`` for what is damaged; raises EvidenceError when all of it is."""
    found: list[RuleSet] = []
    silent: list[tuple[Section, Reason]] = []
    for collector in SAVES:
        section = report.sections.get(collector.name)
        if section is None:
            continue
        reason = unusable(section)
        if reason is Reason.TOOL_MISSING:
            silent.append((section, reason))
        elif reason:
            report.unknown(reason, why(section, reason))
        else:
            try:
                found += [_placed(rules) for rules in read_rules(section.text, section.name)]
            except ParseError as error:
                line = [report.evidence(section.name, error.line)] if error.line else []
                report.unknown(error.reason, error.say, line)
    if found or report.findings:
        return [KubeProxy(rules) for rules in settled(found)]
    if not silent:
        raise EvidenceError("no rules were collected: iptables-save, or the saves of both backends, are needed", Reason.MISSING)
    section, reason = silent[0]
    raise EvidenceError(why(section, reason), reason, section.name)


def _placed(rules: RuleSet) -> RuleSet:
    """The rule set with what only its section's name tells: the family when it has no rules, the backend when no header does."""
    rules.family = rules.family or (6 if rules.section.startswith("ip6") else 4)
    for backend in ("nft", "legacy"):
        if rules.backend == "unsuffixed" and f"-{backend}-" in rules.section:
            rules.backend = backend
    return rules


def tell_incomplete(report: Report, found: Sequence[KubeProxy]) -> None:
    """Say what is missing from each rule set, and which of several outputs is judged."""
    for model in found:
        rules = model.rules
        for notice in rules.notices:
            if not notice.say.startswith("#"):
                report.find(CAPTURE.id, Verdict.INFO, notice.say, evidence=gap_lines(report, model, [notice]))
        if rules.loose:
            say = "these are lone rules without their tables: what is not among them proves nothing"
            report.unknown(Reason.TRUNCATED, f"{rules.section}: {say}", gap_lines(report, model))
        elif rules.listing and not rules.complete:
            listed = " and ".join(rules.tables)
            say = f"{rules.section} is a listing of {listed}, which has no end mark: more may follow; iptables-save has one"
            report.unknown(Reason.TRUNCATED, say, gap_lines(report, model))
        elif rules.gaps:
            say = f"{rules.section}: {rules.gaps[0].say}; {len(rules.gaps)} such gaps, so the capture is not whole"
            report.unknown(Reason.TRUNCATED, say, gap_lines(report, model))
        elif not rules.complete:
            missing = ", ".join(table.name for table in rules.tables.values() if not table.committed)
            say = f"{rules.section}: the end of {missing} was not seen, so the capture may be cut"
            report.unknown(Reason.TRUNCATED, say)
        elif absent := [name for name in ("nat", "filter") if name not in rules.tables and _has_kube(model) and not rules.ended]:
            say = f"{rules.section} holds no table {' and no table '.join(absent)}: what stands there was not looked at"
            report.unknown(Reason.TRUNCATED, say)


def _has_kube(model: KubeProxy) -> bool:
    return any(name.startswith("KUBE-") for table in model.rules.tables.values() for name in table.chains)


def gap_lines(report: Report, model: KubeProxy, gaps: Sequence[Gap] | None = None) -> list[Evidence]:
    """The first lines that could not be read, or the lines of ``gaps``."""
    return [report.evidence(model.rules.section, gap.line) for gap in (gaps or model.rules.gaps)[:3] if gap.line]


def doubtful(report: Report, model: KubeProxy, found: Sequence[KubeProxy]) -> frozenset[Verdict]:
    """The verdicts that must not be given on this capture: what is missing could make them worse, or take them back.

    Damage anywhere: a warning could be more. A rule set of the same family that could not be read at all: it may be the one in
    force. Lone rules and listings are all that there is to judge, so their warnings stand.
    """
    damaged = {each.section for finding in report.findings if finding.rule == "evidence" for each in finding.evidence}
    if any(name.startswith("ip6") == (model.rules.family == 6) for name in unread(report, found)):
        return frozenset((Verdict.WARN, Verdict.CRIT))
    whole = all(each.rules.complete or each.rules.loose or each.rules.listing for each in found)
    lost = any(finding.verdict is Verdict.UNKNOWN and finding.rule == "evidence" for finding in report.findings)
    pasted = any(each.rules.loose or each.rules.listing for each in found)
    return frozenset() if whole and not damaged and (pasted or not lost) else frozenset((Verdict.WARN,))


def unread(report: Report, found: Sequence[KubeProxy]) -> list[str]:
    """The saves that arrived but could not be read."""
    return [c.name for c in SAVES if _present(report, c.name) and not any(each.rules.section == c.name for each in found)]


def _present(report: Report, name: str) -> bool:
    section = report.sections.get(name)
    return section is not None and section.rc != 127


PROBES: tuple[Probe, ...] = ()
