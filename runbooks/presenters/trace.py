"""The trace page: one question about a packet, its answer, the drawing, the same in words, and the rules as evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from checks import catalog
from runbooks.execution.store import read_output
from runbooks.models import Step as RunStep
from runbooks.models import Trace
from runbooks.parsed import document_of
from runbooks.presenters import hints
from runbooks.presenters.card import CardView, OtherFinding
from runbooks.presenters.database import Detail, HostRow
from runbooks.presenters.evidence import SectionView
from runbooks.presenters.facts import FactTable, fact_table
from runbooks.presenters.over_hosts import Choice
from runbooks.presenters.run import present_card
from runbooks.presenters.shown import LABELS, Shown, label, of_verdict
from runbooks.presenters.trace_chain import Item, chain
from runbooks.presenters.trace_drawing import Pen, choose, draw, percent
from runbooks.presenters.trace_layout import Drawing
from runbooks.presenters.trace_log import Links, Log, home_of, rule_log
from runbooks.presenters.trace_places import find_places
from runbooks.presenters.trace_ways import Way, address, ways_of
from runbooks.presenters.words import visible
from runbooks.tracing import question_of

LISTED, LISTED_WORST = 24, 12
OTHERS = 6


@dataclass(frozen=True)
class TraceView:
    """Everything of a trace that is shown. ``drawing`` is None where no way was found."""

    shown: Shown
    label: str
    title: str
    target: str
    question: Mapping[str, Any]
    card: CardView
    drawing: Drawing | None = None
    describe: str = ""
    chain: tuple[Item, ...] = ()
    sections: tuple[SectionView, ...] = ()
    rules: int = 0
    total: int = 0
    others_left: int = 0
    section_names: tuple[str, ...] = ()

    @property
    def waiting(self) -> bool:
        """True while a host has still to answer."""
        return self.card.open


@dataclass(frozen=True)
class _Found:
    """What a trace left behind, wherever it was made."""

    question: Mapping[str, Any]
    verdict: str
    detail: Detail
    card: CardView
    texts: Mapping[str, str]
    commands: Mapping[str, str]


def present_trace(trace: Trace) -> TraceView:
    """A trace through pasted rules."""
    kept = list(trace.sections.select_related("stdout"))
    texts = {one.name: read_output(one.stdout).decode("utf-8", "replace").replace("\r\n", "\n") for one in kept}
    detail = Detail(trace.facts, {}, tuple(trace.findings))
    found = _Found(trace.question, trace.verdict, detail, _card(trace, detail), texts, {one.name: one.command for one in kept})
    return _view(found)


def present_step_trace(step: RunStep) -> TraceView:
    """The trace that a step of a run made, from its stored facts; a waiting view while the step is open."""
    check = document_of(step.run.revision.text).step(step.check_id)
    question = question_of(check.with_ if check else {}, step.run.params)
    shown = present_card(step.run_id, step.check_id, Choice(step.host_id))
    assert shown is not None
    result = getattr(step, "result", None)
    if result is None:
        return _bare(question, replace(shown, shown=Shown.QUEUED if shown.shown == Shown.QUEUED else Shown.RUNNING))
    sections = list(result.sections.select_related("stdout").order_by("id"))
    rules = [one for one in sections if one.name.endswith("-save") or one.name.startswith("nft_kp")]
    texts = {one.name: read_output(one.stdout).decode("utf-8", "replace").replace("\r\n", "\n") for one in rules}
    detail = Detail(result.facts or {}, {}, tuple(result.findings or ()))
    card = replace(shown, shown=of_verdict(result.verdict) if shown.unreached is None else Shown.UNREACHABLE)
    return _view(_Found(question, result.verdict, detail, card, texts, {one.name: one.command for one in sections}))


def _bare(question: Mapping[str, Any], card: CardView) -> TraceView:
    target = visible(address(question.get("dst"), question.get("dport")))
    title = _("Reading the rules of %(host)s") % {"host": card.host.name if card.host else card.meta}
    return TraceView(card.shown, str(LABELS[card.shown]), title, target, question, card)


def _view(found: _Found) -> TraceView:
    facts, question = found.detail.facts, found.question
    bad = {str(one.get("rule")) for one in found.detail.findings if one.get("verdict") == "crit"}
    gaps = any(one.get("verdict") == "unknown" and one.get("rule") == "evidence" for one in found.detail.findings)
    ways = ways_of(facts, question, bad, whole=not gaps)
    count = max(int(facts.get("branch_count") or 0), len(ways))
    lines = {name: text.split("\n") for name, text in found.texts.items()}
    home = home_of(ways[0].steps if ways else (), lines)
    keys = {hop.key for way in ways for hop in way.hops}
    lost = _broken(facts, ways)
    drawn, rest = choose(ways, count, lost)
    listed, unlisted = choose(ways, count, lost, LISTED, LISTED_WORST)
    links = Links()
    places = find_places(found.texts.get(home, ""), keys)
    pen = Pen(question, places, links)
    drawing, items = draw(drawn, rest, pen) if drawn else None, chain(listed, unlisted, pen)
    target = visible(str(facts.get("service") or address(question.get("dst"), question.get("dport"))))
    sections, rules = rule_log(
        Log(home, lines.get(home, ()), links.lines), [*listed, *drawn], found.detail.findings, found.commands
    )
    meant = any(way.rewritten for way in ways)  # some rule rewrites the target, so these rules know it as a service
    word = found.card.shown if meant or found.card.shown != Shown.OK else Shown.INFO
    return TraceView(
        shown=word,
        label=label(word, ""),
        title=_title(word, target, lost, count, meant=meant),
        target=target,
        question=question,
        card=replace(found.card, shown=word, label=label(word, ""), others=found.card.others[:OTHERS], facts=_facts(found)),
        drawing=drawing,
        describe=_describe(drawn, rest.count),
        chain=items,
        sections=sections,
        rules=rules,
        total=len(lines.get(home, ())),
        others_left=max(0, len(found.card.others) - OTHERS),
        section_names=tuple(found.texts),
    )


def _facts(found: _Found) -> FactTable:
    """The facts that say something beside the drawing. A finding's value is a share of ways, never one of these."""
    plain = {name: value for name, value in found.detail.facts.items() if name not in ("branches", "sum_probability")}
    return fact_table(catalog.catalog().get(found.card.probe), Detail(plain))


def _broken(facts: Mapping[str, Any], ways: Sequence[Way]) -> float:
    """The share of the connections that does not arrive. Not all ways may be listed, but their sum is known."""
    listed = sum(way.probability for way in ways if way.shown == Shown.CRIT)
    if len(ways) >= int(facts.get("branch_count") or 0):
        return listed
    unclear = sum(way.probability for way in ways if way.shown == Shown.UNKNOWN)
    return max(listed, 1 - float(facts.get("accepted_ratio", 1.0)) - unclear) if listed else 0.0


def _title(word: Shown, target: str, broken: float, count: int, *, meant: bool) -> str:
    """The heading."""
    names = {"target": target, "share": percent(broken), "n": count}
    if word == Shown.CRIT and broken > 0.9995:
        return _("No connection to %(target)s arrives") % names
    if word == Shown.CRIT and broken:
        return _("%(share)s of the connections to %(target)s do not arrive") % names
    if word in (Shown.OK, Shown.INFO) and not meant:
        return _("No rule here makes %(target)s a service: the packet passes as it is") % names
    if word in (Shown.OK, Shown.INFO):
        return ngettext("The way to %(target)s is open", "Each of %(n)s ways to %(target)s is open", count) % names
    if word == Shown.WARN:
        return _("%(target)s can be reached, with a warning") % names
    if word == Shown.CRIT:
        return _("The rules for %(target)s are broken") % names
    return _("Cannot tell whether connections to %(target)s arrive") % names


def _describe(ways: Sequence[Way], more: int) -> str:
    """The drawing in a sentence or two."""
    if not ways:
        return ""
    chains = ", ".join(visible(hop.chain) for hop in ways[0].hops)
    ends = "; ".join(f"{percent(way.probability)}: {visible(way.target)}, {way.say}" for way in ways)
    rest = " " + ngettext("%(n)s more way is not drawn.", "%(n)s more ways are not drawn.", more) % {"n": more} if more else ""
    return _("The first way goes through %(chains)s. %(ends)s.%(rest)s The list below says the same in text.") % {
        "chains": chains,
        "ends": ends,
        "rest": rest,
    }


def _card(trace: Trace, detail: Detail) -> CardView:
    """The card of a paste: as a run's card, without a host."""
    word = of_verdict(trace.verdict)
    probe = catalog.catalog().get(trace.probe)
    remedy = next((str(one["remedy"]) for one in detail.findings if one.get("say") == trace.finding and one.get("remedy")), "")
    settle = hints.Hint(str(_("Settle it:")), _("paste the whole output, from its first line to its last"))
    return CardView(
        check="trace",
        number=1,
        title=probe.title if probe else trace.probe,
        probe=trace.probe,
        shown=word,
        label=label(word, trace.reason),
        meta=_("pasted rules"),
        took="",
        finding=visible(trace.finding),
        host=HostRow(0, _("pasted rules"), "", "", ""),
        facts=fact_table(probe, detail),
        others=tuple(
            OtherFinding(
                of_verdict(str(one["verdict"])), str(LABELS[of_verdict(str(one["verdict"]))]), visible(str(one["say"])), ""
            )
            for one in detail.findings
            if one.get("say") != trace.finding
        ),
        hint=settle if word == Shown.UNKNOWN else hints.remedy(visible(remedy)),
    )
