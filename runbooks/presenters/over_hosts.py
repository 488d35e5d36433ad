"""One check over several hosts: its word, its counts, and which hosts can be chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runbooks.presenters.database import Cell, Detail, HostRow
from runbooks.presenters.shown import LABELS, Shown, worst_seen
from runbooks.presenters.words import number, quantity, seconds

PICKS_OF: Mapping[Shown, int] = {Shown.CRIT: 3, Shown.WARN: 2, Shown.UNKNOWN: 2, Shown.UNREACHABLE: 2}
HOSTS_MAX = 60  # a larger run is shown by groups, and only its worst hosts are read whole
NAMED_ALL = 8
SEVERITY = (Shown.CRIT, Shown.WARN, Shown.UNKNOWN, Shown.OK, Shown.INFO, Shown.UNREACHABLE, Shown.NA, Shown.RUNNING, Shown.QUEUED)


@dataclass(frozen=True)
class Pick:
    """A host, or a number of them, to choose in a card."""

    shown: Shown
    text: str
    value: str = ""
    host: int | None = None
    current: bool = False


@dataclass(frozen=True)
class Bar:
    """A piece of the tally bar, in percent of its width."""

    shown: Shown
    x: float
    width: float


@dataclass(frozen=True)
class Choice:
    """Which host a card shows, and whether it lists all of them."""

    host: int | None = None
    list_all: bool = False


WORST_HOST = Choice()


def shown_over_hosts(cells: Sequence[Cell]) -> Shown:
    """The word of a check over its hosts."""
    still_open = [cell for cell in cells if not cell.closed]
    if still_open:
        begun = len(still_open) < len(cells) or any(cell.shown == Shown.RUNNING for cell in still_open)
        return Shown.RUNNING if begun else Shown.QUEUED
    return worst_seen(cell.shown for cell in cells) or Shown.QUEUED


def in_order(cells: Sequence[Cell], details: Mapping[int, Detail], hosts: Mapping[int, HostRow]) -> list[Cell]:
    """The worst host first; within a verdict the one farthest beyond its threshold."""

    def key(cell: Cell) -> tuple[int, float, str]:
        margin = (deciding_finding(cell, details) or {}).get("margin")
        return (SEVERITY.index(cell.shown), -abs(margin or 0), hosts[cell.host].name)

    return sorted(cells, key=key)


def deciding_finding(cell: Cell, details: Mapping[int, Detail]) -> Mapping[str, Any] | None:
    """The finding whose sentence heads the result."""
    detail = details.get(cell.step)
    if detail is None:
        return None
    same = (finding for finding in detail.findings if finding.get("say") == cell.finding)
    return next(same, detail.findings[0] if detail.findings else None)


def chosen(ordered: Sequence[Cell], choice: Choice) -> Cell | None:
    """The host that a card shows: the chosen one, else the worst that has answered."""
    for cell in ordered:
        if cell.host == choice.host:
            return cell
    answered = [cell for cell in ordered if cell.closed]
    return answered[0] if answered else None


def meta(word: Shown, cells: Sequence[Cell], hosts: Mapping[int, HostRow]) -> str:
    if len(cells) == 1:
        return hosts[cells[0].host].name
    if word == Shown.QUEUED:
        return ngettext("%(n)s host", "%(n)s hosts", len(cells)) % {"n": number(len(cells))}
    answered = [cell for cell in cells if cell.closed and cell.shown not in (Shown.UNREACHABLE, Shown.NA)]
    if word == Shown.RUNNING:
        told = sum(cell.answered for cell in cells)
        return _("%(n)s of %(m)s hosts answered") % {"n": number(told), "m": number(len(cells))}
    if word in (Shown.UNREACHABLE, Shown.NA):
        return _("%(n)s of %(m)s hosts") % {"n": number(sum(c.shown == word for c in cells)), "m": number(len(cells))}
    same = sum(cell.shown == word for cell in answered)
    return _("%(n)s of %(m)s hosts") % {"n": number(same), "m": number(len(answered))}


def took(cells: Sequence[Cell]) -> str:
    times = [cell.duration_ms for cell in cells if cell.duration_ms is not None]
    begun = [cell.started_at for cell in cells if cell.started_at and not cell.closed]
    if begun:
        return _("%(time)s so far") % {"time": seconds((timezone.now() - min(begun)).total_seconds() * 1000)}
    tries = max((cell.attempt for cell in cells), default=0)
    text = seconds(max(times)) if times else ""
    return _("%(time)s, %(n)s tries") % {"time": text, "n": tries} if tries > 1 and text else text


def bars(cells: Sequence[Cell]) -> tuple[Bar, ...]:
    counts = Counter(cell.shown for cell in cells)
    bars, x = [], 0.0
    for word in SEVERITY:
        if counts[word]:
            share = 100 * counts[word] / len(cells)
            bars.append(Bar(word, round(x, 2), round(max(share - 0.35, 0.3), 2)))
            x += share
    return tuple(bars)


def tally_say(cells: Sequence[Cell]) -> str:
    counts = Counter(cell.shown for cell in cells)
    return ", ".join(f"{number(counts[word])} {LABELS[word]}" for word in SEVERITY if counts[word])


def picks(
    ordered: Sequence[Cell], details: Mapping[int, Detail], hosts: Mapping[int, HostRow], current: Cell | None, choice: Choice
) -> tuple[Pick, ...]:
    counts: Counter[Shown] = Counter()
    made: list[Pick] = []
    more: Counter[Shown] = Counter()
    for cell in ordered:
        if not cell.closed:
            continue
        counts[cell.shown] += 1
        if choice.list_all or len(ordered) <= NAMED_ALL or counts[cell.shown] <= PICKS_OF.get(cell.shown, 0) or cell is current:
            finding = deciding_finding(cell, details) or {}
            value = finding.get("value")
            simple = isinstance(value, int | float) and not isinstance(value, bool)
            text = quantity(value, str(finding.get("unit") or "")) if simple else ""
            made.append(Pick(cell.shown, hosts[cell.host].name, text, cell.host, cell is current))
        else:
            more[cell.shown] += 1
    for word, count in more.items():
        is_first = not any(pick.shown == word for pick in made)
        words = {"n": number(count), "verdict": LABELS[word]}
        say = (_("%(n)s %(verdict)s") if is_first else _("%(n)s more: %(verdict)s")) % words
        made.append(Pick(word, say))
    return tuple(sorted(made, key=lambda pick: SEVERITY.index(pick.shown)))
