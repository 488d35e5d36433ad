"""The number that decided, one dot per host, on an axis that shows its thresholds as zones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.results import Verdict
from runbooks.presenters.database import Cell, Detail
from runbooks.presenters.shown import LABELS, Shown
from runbooks.presenters.words import number, quantity

FEWEST = 4
LOG_FROM = 20  # largest to smallest value
ROWS = (8, 16, 24, 12, 20)  # heights of dots, so that equal values stand side by side
LEFT, WIDTH = 2.0, 95.0


@dataclass(frozen=True)
class Dot:
    """A host at its value, in percent of the width."""

    shown: Shown
    x: float
    y: int


@dataclass(frozen=True)
class Zone:
    """What lies beyond a threshold."""

    shown: Shown
    x: float
    width: float


@dataclass(frozen=True)
class SpreadView:
    """The drawing and the same in words."""

    dots: tuple[Dot, ...]
    zones: tuple[Zone, ...]
    ticks: tuple[tuple[float, str], ...]
    say: str


def spread(cells: Sequence[Cell], details: Mapping[int, Detail], rule: str) -> SpreadView | None:
    """The values that a rule judged on these hosts; None when they are few, all alike, or no numbers."""
    found = [(cell, one) for cell in cells for one in _judged(details.get(cell.step), rule)]
    values = [float(one["value"]) for _cell, one in found]
    if len(values) < FEWEST or min(values) == max(values):
        return None
    axis = _Axis(values)
    unit = str(found[0][1].get("unit") or "")
    dots = tuple(Dot(cell.shown, axis.at(float(one["value"])), ROWS[i % len(ROWS)]) for i, (cell, one) in enumerate(found))
    ticks = tuple((axis.at(tick), quantity(tick, unit)) for tick in axis.ticks())
    return SpreadView(dots, _zones(axis, [one for _cell, one in found]), ticks, _say(found, unit))


def _judged(detail: Detail | None, rule: str) -> list[Mapping[str, Any]]:
    same = (one for one in detail.findings if one.get("rule") == rule) if detail else iter(())
    return [one for one in same if isinstance(one.get("value"), int | float) and math.isfinite(one["value"])][:1]


class _Axis:
    """From values to percent of the width; logarithmic when the values are far apart."""

    def __init__(self, values: Sequence[float]) -> None:
        self.low, self.high = min(values), max(values)
        self.log = self.low > 0 and self.high / self.low >= LOG_FROM

    def at(self, value: float) -> float:
        low, high, here = (math.log(x) if self.log else x for x in (self.low, self.high, max(value, self.low)))
        return round(LEFT + WIDTH * min(1.0, (here - low) / (high - low)), 2)

    def ticks(self) -> list[float]:
        """Powers of ten on a logarithmic axis, both ends and the middle on another."""
        if self.log:
            powers = [10.0**n for n in range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)]
            if len(powers) >= 2:
                return [int(power) if power >= 1 else power for power in powers[:: max(1, len(powers) // 4)]]
        return [self.low, self.high]


def _zones(axis: _Axis, findings: Sequence[Mapping[str, Any]]) -> tuple[Zone, ...]:
    """From the warning and the critical threshold to the right end, where more is worse and the threshold is on the axis."""
    limits: dict[Shown, float] = {}
    for one in findings:
        limit, bad = one.get("threshold"), one["verdict"] in (Verdict.CRIT, Verdict.WARN)
        if limit is None or (bad and one["value"] < limit):
            continue
        limits[Shown.CRIT if one["verdict"] == Verdict.CRIT else Shown.WARN] = float(limit)
    inside = sorted((limit, word) for word, limit in limits.items() if axis.low <= limit <= axis.high)
    edges = [axis.at(limit) for limit, _word in inside] + [100.0]
    return tuple(Zone(word, edges[i], round(edges[i + 1] - edges[i], 2)) for i, (_limit, word) in enumerate(inside))


def _say(found: Sequence[tuple[Cell, Mapping[str, Any]]], unit: str) -> str:
    parts = []
    for word in Shown:
        values = [one["value"] for cell, one in found if cell.shown == word]
        if values:
            low, high = quantity(min(values), unit), quantity(max(values), unit)
            parts.append(f"{number(len(values))} {LABELS[word]}: {low if low == high else f'{low} – {high}'}")
    return "; ".join(parts)
