"""Roll-up of verdicts, pure: of a check over its hosts, of a run over its confirming checks."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from checks.results import Verdict, worst


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


def collected(verdicts: Iterable[str]) -> tuple[int, int]:
    """How many steps gave an answer, of how many that applied: the "7 of 9 collected" of the page.

    >>> collected(["ok", "unknown", "skipped", "crit"])
    (2, 3)
    """
    applied = [verdict for verdict in verdicts if verdict != Verdict.SKIPPED]
    return sum(verdict != Verdict.UNKNOWN for verdict in applied), len(applied)
