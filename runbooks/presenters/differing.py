"""What the hosts of a run say together, for the checks that compare them (``compare`` in the runbook)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checks.results import Verdict
from runbooks import verdicts
from runbooks.document.model import Check
from runbooks.presenters.database import RunRows, read_facts
from runbooks.presenters.shown import LABELS, Shown, of_verdict
from runbooks.presenters.words import visible

NAMED = 3


@dataclass(frozen=True)
class Differing:
    """Hosts that stand apart, or that keep the others from being compared. ``hosts`` is empty where the sentence names them."""

    shown: Shown
    label: str
    say: str
    hosts: str = ""


def differing(rows: RunRows, checks: Sequence[Check]) -> dict[str, Differing]:
    """By check id, for the checks that every host has answered and that do not find all hosts alike."""
    asked = [check for check in checks if check.compare and all(cell.closed for cell in rows.cells[check.id].values())]
    if not asked:
        return {}
    cells = [cell for check in asked for cell in rows.cells[check.id].values()]
    facts = read_facts([cell.step for cell in cells])
    told = sorted(
        ((cell.check, rows.hosts[cell.host].name, cell.verdict, facts.get(cell.step) or {}) for cell in cells),
        key=lambda one: one[1],  # as the run's verdict was made
    )
    by_author = {check.id for check in asked if check.compare and check.compare.say}
    found = {}
    for check_id, comparing in verdicts.compared(rows.document, told).items():
        if comparing.verdict in (Verdict.OK, Verdict.SKIPPED):
            continue
        word = of_verdict(str(comparing.verdict))
        more = f" +{len(comparing.odd) - NAMED}" if len(comparing.odd) > NAMED else ""
        odd = ", ".join(comparing.odd[:NAMED]) + more if check_id in by_author else ""
        found[check_id] = Differing(word, str(LABELS[word]), visible(comparing.say), visible(odd))
    return found
