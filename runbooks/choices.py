"""The states of runs and steps, and the sets that queries use. A state is spelled here and nowhere else."""

from __future__ import annotations

from django.db import models

from checks.results import Reason


class RunState(models.TextChoices):
    """``queued → running → finished | cancelled | expired``, with ``cancelling`` between."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class StepState(models.TextChoices):
    """A step is one check on one host. Terminal states never change (a database trigger holds it)."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    ERROR = "error"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    LOST = "lost"


RUN_OPEN = (RunState.QUEUED, RunState.RUNNING, RunState.CANCELLING)
RUN_TERMINAL = (RunState.FINISHED, RunState.CANCELLED, RunState.EXPIRED)
STEP_OPEN = (StepState.QUEUED, StepState.RUNNING)
STEP_TERMINAL = tuple(state for state in StepState if state not in STEP_OPEN)

UNREACHED = frozenset(
    {
        Reason.CONN_LOST,
        Reason.HOST_UNREACHABLE,
        Reason.CONNECT_REFUSED,
        Reason.CONNECT_TIMEOUT,
        Reason.DNS_FAILED,
        Reason.LOGIN_TIMEOUT,
        Reason.SSH_PROTOCOL,
        Reason.HOSTKEY_CHANGED,
        Reason.HOSTKEY_UNKNOWN,
        Reason.AUTH_FAILED,
        Reason.AGENT_OFFLINE,
    }
)
"""Reasons that say nothing about the host's health, because nobody got in."""


class TransportKind(models.TextChoices):
    """How a host is reached."""

    LOCAL = "local", "this machine"
    SSH = "ssh", "ssh"


class HostKeyState(models.TextChoices):
    """A scanned key stays pending until a person pins it by its fingerprint; a changed key blocks the host."""

    NONE = "none", "not needed"
    PENDING = "pending", "waiting for a person"
    PINNED = "pinned", "pinned"
    CHANGED = "changed", "changed, blocked"
