"""How a state and a verdict are shown: one word that drives colour and shape (``data-verdict``), and its label."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from checks.results import Reason, Verdict
from runbooks.choices import UNREACHED, StepState


class Shown(StrEnum):
    """The words of the stylesheet."""

    CRIT = "crit"
    WARN = "warn"
    UNKNOWN = "unknown"
    OK = "ok"
    INFO = "info"
    NA = "na"
    UNREACHABLE = "unreachable"
    RUNNING = "running"
    QUEUED = "queued"


LABELS: dict[Shown, Promise] = {
    Shown.CRIT: _("Critical"),
    Shown.WARN: _("Warning"),
    Shown.UNKNOWN: _("Unknown"),
    Shown.OK: _("OK"),
    Shown.INFO: _("Info"),
    Shown.NA: _("Not applicable"),
    Shown.UNREACHABLE: _("Unreachable"),
    Shown.RUNNING: _("Running"),
    Shown.QUEUED: _("Queued"),
}

_PILL_OF_REASON: dict[str, Promise] = {
    Reason.PROBE_ERROR: _("Check failed"),
    Reason.CANCELLED: _("Stopped"),
    Reason.TIMEOUT: _("Timed out"),
    Reason.REFUSED: _("Refused"),
    Reason.NO_WORKER: _("Not run"),
    Reason.EXPIRED: _("Not run"),
    Reason.CONDITION_FALSE: _("Skipped"),
}


def shown(state: str, verdict: str = "", reason: str = "") -> Shown:
    """The word for one step on one host."""
    if state == StepState.QUEUED:
        return Shown.QUEUED
    if state == StepState.RUNNING:
        return Shown.RUNNING
    if reason in UNREACHED:
        return Shown.UNREACHABLE
    if verdict == Verdict.SKIPPED or (state == StepState.SKIPPED and verdict != Verdict.UNKNOWN):
        return Shown.NA
    try:
        return Shown(verdict)
    except ValueError:
        return Shown.UNKNOWN


def of_verdict(verdict: str) -> Shown:
    """The word for a finding's verdict."""
    return Shown.NA if verdict == Verdict.SKIPPED else Shown(verdict) if verdict in _SPOKEN else Shown.UNKNOWN


def label(word: Shown, reason: str = "") -> str:
    """The label of a pill; some reasons have a better word than "Unknown"."""
    if word in (Shown.UNKNOWN, Shown.NA) and reason in _PILL_OF_REASON:
        return str(_PILL_OF_REASON[reason])
    return str(LABELS[word])


_SPOKEN = {Shown.CRIT, Shown.WARN, Shown.UNKNOWN, Shown.OK, Shown.INFO}
_WORST_SEEN = (Shown.CRIT, Shown.WARN, Shown.UNKNOWN, Shown.OK, Shown.INFO)


def worst_seen(words: Iterable[Shown]) -> Shown | None:
    """The worst that was seen on a host that answered; unreachable only when none answered; None while nothing is known."""
    seen = set(words)
    for word in (*_WORST_SEEN, Shown.UNREACHABLE, Shown.NA):
        if word in seen:
            return word
    return None
