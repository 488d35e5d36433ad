"""The runbook's own answer to what a run has seen so far: each host is judged by what was seen on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from runbooks.document.expressions import comparisons
from runbooks.document.model import Conclusion, Open
from runbooks.document.verdicts import conclude
from runbooks.presenters.database import Cell, RunRows, read_facts

Facts = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True)
class Answer:
    """A conclusion and the hosts it holds on; or, with ``conclusion`` None, the steps that decide and those still open."""

    conclusion: Conclusion | None
    hosts: tuple[int, ...] = ()
    deciding: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


def answer_of(rows: RunRows) -> Answer | None:
    """The first conclusion of the document that holds on any host. None when the document has no conclusions."""
    conclusions = rows.document.meta.conclusions
    if not conclusions:
        return None
    named = _named_checks(rows)
    facts = (
        read_facts([cell.step for check in named for cell in rows.cells.get(check, {}).values() if cell.closed]) if named else {}
    )
    said = {host: _conclude(rows, host, facts) for host in rows.hosts}
    for conclusion in conclusions:
        holding = {
            host: one for host, one in said.items() if isinstance(one, Conclusion) and one.condition is conclusion.condition
        }
        if holding:
            unsettled = dict.fromkeys(step for one in holding.values() for step in one.unsettled)
            first = next(iter(holding.values()))
            return Answer(replace(first, unsettled=tuple(unsettled)), tuple(holding))
    opens = [one for one in said.values() if isinstance(one, Open)]
    return Answer(
        None,
        deciding=tuple(dict.fromkeys(step for one in opens for step in one.deciding)),
        open=tuple(dict.fromkeys(step for one in opens for step in one.open)),
    )


def _named_checks(rows: RunRows) -> list[str]:
    """The checks whose facts a condition or a sentence of the conclusions names."""
    texts = [
        text
        for one in rows.document.meta.conclusions
        for text in (one.say, one.do, one.fix, one.next, *(part.operand for part in comparisons(one.condition)))
    ]
    return [check for check in rows.cells if any(f"{check}." in text for text in texts)]


def _conclude(rows: RunRows, host: int, facts: Facts) -> Conclusion | Open:
    """What holds on one host. A check that ran on one host only counts for all."""
    cells = [_cell_for(row, host) for row in rows.cells.values()]
    closed = [cell for cell in cells if cell is not None and cell.closed]
    verdicts = {cell.check: cell.verdict or "unknown" for cell in closed}
    return conclude(rows.document, verdicts, {cell.check: facts.get(cell.step, {}) for cell in closed})


def _cell_for(row: Mapping[int, Cell], host: int) -> Cell | None:
    if len(row) == 1:
        return next(iter(row.values()))
    return row.get(host)
