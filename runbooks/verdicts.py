"""Roll-up of verdicts, pure: of a check over its hosts, of a run over its confirming checks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from checks.results import Verdict, worst
from runbooks.document.comparing import Comparing, compare_hosts
from runbooks.document.model import Document


def over_hosts(verdicts: Iterable[str]) -> Verdict:
    """The verdict of one check over its hosts: the worst, where not knowing is worse than ``ok``."""
    return worst(Verdict(verdict) for verdict in verdicts)


def of_run(confirming: Collection[str], results: Iterable[tuple[str, str]]) -> Verdict:
    """The verdict of a run from (check id, verdict) pairs: the worst over the confirming checks.

    A crit or warn stands however much is missing; otherwise anything unknown makes the run unknown. A runbook that marks no
    check as confirming counts them all.

    >>> of_run({"zombies"}, [("zombies", "ok"), ("slab", "crit")])
    <Verdict.OK: 'ok'>
    >>> of_run({"zombies", "slab"}, [("zombies", "ok"), ("slab", "unknown")])
    <Verdict.UNKNOWN: 'unknown'>
    """
    pairs = list(results)
    counted = [verdict for check_id, verdict in pairs if check_id in confirming]
    return over_hosts(counted or [verdict for _, verdict in pairs])


def compared(document: Document, told: Iterable[tuple[str, str, str, Mapping[str, Any]]]) -> dict[str, Comparing]:
    """What the hosts say together, by check id, for the checks that compare them; from (check id, host, verdict, facts).

    A host to which the check does not apply is left out; one that could not tell keeps the comparison from being ``ok``.
    """
    rules = {check.id: check.compare for check in document.steps if check.compare}
    facts: dict[str, dict[str, Mapping[str, Any]]] = {check_id: {} for check_id in rules}
    for check_id, host, verdict, found in told:
        if check_id in rules and verdict != Verdict.SKIPPED:
            facts[check_id][host] = found
    return {check_id: compare_hosts(rule, facts[check_id]) for check_id, rule in rules.items()}


def collected(verdicts: Iterable[str]) -> tuple[int, int]:
    """How many steps gave an answer, of how many that applied: the "7 of 9 collected" of the page.

    >>> collected(["ok", "unknown", "skipped", "crit"])
    (2, 3)
    """
    applied = [verdict for verdict in verdicts if verdict != Verdict.SKIPPED]
    return sum(verdict != Verdict.UNKNOWN for verdict in applied), len(applied)
