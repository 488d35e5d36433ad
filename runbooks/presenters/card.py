"""The card of one check: its verdict over the hosts, and the finding, facts and evidence of one host among them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks import catalog
from checks.probes.base import Probe
from runbooks.choices import UNREACHED, StepState
from runbooks.document.model import Check
from runbooks.models import ResultSection
from runbooks.presenters import hints
from runbooks.presenters.database import Cell, Detail, HostRow
from runbooks.presenters.differing import Differing
from runbooks.presenters.evidence import SectionView, brief, deciding_lines
from runbooks.presenters.facts import NO_FACTS, FactTable, fact_table, threshold_note
from runbooks.presenters.over_hosts import (
    HOSTS_MAX,
    SEVERITY,
    Bar,
    Choice,
    Pick,
    bars,
    chosen,
    deciding_finding,
    in_order,
    meta,
    picks,
    shown_over_hosts,
    tally_say,
    took,
)
from runbooks.presenters.shown import LABELS, Shown, label, of_verdict
from runbooks.presenters.spread import SpreadView, spread
from runbooks.presenters.words import visible


@dataclass(frozen=True)
class OtherFinding:
    """A further finding of the same result."""

    shown: Shown
    label: str
    say: str
    note: str


@dataclass(frozen=True)
class Unreached:
    """The shown host when nobody got into it: why, and what to do."""

    host: HostRow
    finding: str
    hint: hints.Hint | None
    decide_key: bool


@dataclass(frozen=True)
class CardView:
    """Everything a card shows."""

    check: str
    number: int
    title: str
    probe: str
    shown: Shown
    label: str
    meta: str
    took: str
    finding: str = ""
    host: HostRow | None = None
    step: int | None = None
    of_several: bool = False
    closed: int = 0
    total: int = 0
    bars: tuple[Bar, ...] = ()
    bars_say: str = ""
    spread: SpreadView | None = None
    picks: tuple[Pick, ...] = ()
    differing: Differing | None = None
    facts: FactTable = NO_FACTS
    others: tuple[OtherFinding, ...] = ()
    sections: tuple[SectionView, ...] = ()
    command: str = ""
    deciding: int = 0
    hint: hints.Hint | None = None
    unreached: Unreached | None = None

    @property
    def open(self) -> bool:
        """True while a host has still to answer."""
        return self.closed < self.total


def card(
    check: Check,
    position: int,
    cells: Sequence[Cell],
    details: Mapping[int, Detail],
    sections: Mapping[int, Sequence[ResultSection]],
    hosts: Mapping[int, HostRow],
    choice: Choice,
) -> CardView:
    """The card of a check. ``details`` holds at least the host to be shown; picks without a detail show no value."""
    ordered = in_order(cells, details, hosts)
    cell = chosen(ordered, choice)
    word = shown_over_hosts(cells)
    closed = sum(one.closed for one in cells)
    base: dict[str, Any] = {
        "check": check.id,
        "number": position,
        "title": check.title,
        "probe": check.probe,
        "shown": word,
        "label": label(word, cell.reason if cell else ""),
        "meta": meta(word, cells, hosts),
        "took": took(cells),
        "closed": closed,
        "total": len(cells),
        "of_several": len(cells) > 1,
        "unreached": _unreached(cell, hosts) if cell and cell.reason in UNREACHED else None,
    }
    if len(cells) > 1 and closed:
        rule = str((deciding_finding(cell, details) or {}).get("rule", "")) if cell else ""
        base["spread"] = spread([one for one in ordered if one.closed], details, rule) if len(cells) <= HOSTS_MAX else None
        base |= {"bars": bars(cells), "bars_say": tally_say(cells), "picks": picks(ordered, details, hosts, cell, choice)}
    if cell is not None and cell.closed:
        base |= _body(cell, details.get(cell.step, Detail()), sections.get(cell.step, ()), hosts)
        if len(cells) > 1:  # the card names the host before its finding
            base["finding"] = without_name(base["finding"], hosts[cell.host].name)
    return CardView(**base)


def without_name(sentence: str, name: str) -> str:
    """The sentence without the host it begins with, for a place that names the host before it.

    >>> without_name("web-1 (wei@192.0.2.7:22) refuses connections", "web-1")
    'refuses connections'
    >>> without_name("web-10 refuses connections", "web-1")
    'web-10 refuses connections'
    """
    return re.sub(rf"^{re.escape(name)}(?: \([^()]*\))?[: ]+", "", sentence, count=1)


def _body(cell: Cell, detail: Detail, sections: Sequence[ResultSection], hosts: Mapping[int, HostRow]) -> dict[str, Any]:
    probe: Probe | None = catalog.catalog().get(cell.probe)
    lines = deciding_lines(detail.findings)
    commands = {section.name: section.command for section in sections}
    finding = deciding_finding(cell, {cell.step: detail})
    hint = hints.remedy(visible(str((finding or {}).get("remedy") or "")))
    if cell.shown == Shown.UNKNOWN:
        hint = hints.settle(cell.reason, asked=cell.state != StepState.SKIPPED) or hint
    return {
        "finding": visible(cell.finding),
        "host": hosts[cell.host],
        "step": cell.step,
        "facts": fact_table(probe, detail),
        "others": _others(cell, detail),
        "sections": brief(lines, commands),
        "command": "; ".join(visible(section.command or section.name) for section in sections),
        "deciding": sum(len(section) for section in lines.values()),
        "hint": hint,
    }


def _others(cell: Cell, detail: Detail) -> tuple[OtherFinding, ...]:
    rest = [one for one in detail.findings if one.get("say") != cell.finding]
    rest.sort(key=lambda one: SEVERITY.index(of_verdict(str(one["verdict"]))))
    made = []
    for one in rest:
        word = of_verdict(str(one["verdict"]))
        note = threshold_note(one, str(one.get("unit") or ""))
        made.append(OtherFinding(word, str(LABELS[word]), visible(str(one["say"])), note))
    return tuple(made)


def _unreached(cell: Cell, hosts: Mapping[int, HostRow]) -> Unreached:
    hint = hints.reach(cell.reason, cell.probe)
    return Unreached(hosts[cell.host], visible(cell.finding), hint, hints.needs_key_decision(cell.reason))
