"""Starting, repeating and stopping runs. One transaction makes everything of a run; the doorbells ring after its commit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from checks.errors import CheckError
from checks.params import read_all
from checks.results import Reason
from runbooks import tasks
from runbooks.choices import RUN_TERMINAL, UNREACHED, RunState, StepState
from runbooks.clock import db_now
from runbooks.document.model import Check, Document
from runbooks.execution.close import Outcome, close, without_evidence
from runbooks.execution.held import hold
from runbooks.execution.settle import settle
from runbooks.models import Host, Revision, Run, Step
from runbooks.parsed import document_of
from runbooks.room import need_room, said_when_full
from runbooks.rows import insert_rows, key, moment
from runbooks.signals import run_cancelled, run_started
from runbooks.ticks import note_silent_broker
from runbooks.waves import waves

IDEMPOTENCY_HOURS = 24


class Idempotency(NamedTuple):
    """Who asks (a token, an alert source), their key, and the SHA-256 of what they asked for."""

    scope: str
    key: str
    body_sha256: str


class IdempotencyConflictError(CheckError):
    """The same key was used for another request (HTTP 409)."""


class NothingToRunError(CheckError):
    """No host, or no check, is left to run."""


@dataclass(frozen=True)
class _Order:
    """What a run shall be."""

    revision: Revision
    hosts: Sequence[Host]
    params: Mapping[str, Any]
    user: User | None
    origin: str
    checks: Sequence[Check]
    idempotency: Idempotency | None = None
    repeats: Run | None = None
    ring: bool = True


def start_run(
    *,
    revision: Revision,
    hosts: Collection[Host],
    params: Mapping[str, Any],
    user: User | None,
    origin: str = "web",
    idempotency: tuple[str, str, str] | None = None,
    ring: bool = True,
) -> Run:
    """Make a run and ring for it. The same idempotency key within a day gives the same run again.

    Without ``ring`` the caller executes the run itself.

    Raises ParamError, NothingToRunError, IdempotencyConflictError. A broker that is down is no error: the run starts later.
    """
    document = document_of(revision.text)
    typed = read_all(document.meta.params, params)
    given = Idempotency(*idempotency) if idempotency else None
    in_order = sorted(hosts, key=lambda host: host.name)
    return _make(_Order(revision, in_order, typed, user, origin, document.steps, given, ring=ring))


def rerun(run: Run, user: User | None, origin: str = "web") -> Run:
    """The same revision on the same hosts with the same parameters, as a new run that repeats the old one."""
    return _again(run, user, origin, list(run.hosts.all()), None)


def rerun_step(step: Step, user: User | None, origin: str = "web") -> Run:
    """One check on one host again, with the checks it depends on, as a new run. The old step keeps what it found."""
    return _again(step.run, user, origin, [step.host], step.check_id)


def rerun_unreached_hosts(run: Run, user: User | None, origin: str = "web") -> Run:
    """All checks again on the hosts that some check did not get into, as a new run. Raises NothingToRunError."""
    hosts = list(Host.objects.filter(steps__run=run, steps__result__reason__in=UNREACHED).distinct())
    if not hosts:
        raise NothingToRunError("every host of this run was reached")
    return _again(run, user, origin, hosts, None)


def _again(run: Run, user: User | None, origin: str, hosts: Sequence[Host], check_id: str | None) -> Run:
    document = document_of(run.revision.text)
    ran = set(run.steps.values_list("check_id", flat=True))
    wanted = waves(document).needed_for(check_id) if check_id else ran
    checks = [check for check in document.steps if check.id in wanted]
    return _make(_Order(run.revision, hosts, run.params, user, origin, checks, repeats=run))


# --- making ------------------------------------------------------------------


def _make(order: _Order) -> Run:
    if not order.hosts:
        raise NothingToRunError("choose at least one host")
    if not order.checks:
        raise NothingToRunError("this runbook has no check to run")
    need_room()
    try:
        with said_when_full(), transaction.atomic():
            return _earlier(order.idempotency) or _create(order)
    except IntegrityError:  # two requests with the same key at the same moment
        with transaction.atomic():
            earlier = _earlier(order.idempotency)
            if earlier is None:
                raise
            return earlier


def _earlier(asked: Idempotency | None) -> Run | None:
    """The run that this key has started already."""
    if asked is None:
        return None
    run = Run.objects.filter(idempotency_scope=asked.scope, idempotency_key=asked.key).first()
    if run is None:
        return None
    if db_now() - run.created_at > timedelta(hours=IDEMPOTENCY_HOURS):
        Run.objects.filter(pk=run.pk).update(idempotency_key=None)
        return None
    if run.request_sha256 != asked.body_sha256:
        raise IdempotencyConflictError(f"the key {asked.key} was used for another request; use a new key for a new request")
    return run


def _create(order: _Order) -> Run:
    now = db_now()
    asked = order.idempotency
    run = Run.objects.create(
        revision=order.revision,
        params=dict(order.params),
        started_by=order.user,
        origin=order.origin,
        repeats=order.repeats,
        idempotency_scope=asked.scope if asked else "",
        idempotency_key=asked.key if asked else None,
        request_sha256=asked.body_sha256 if asked else "",
        deadline_at=now + timedelta(seconds=settings.RUN_DEADLINE_S),
    )
    run.hosts.set(order.hosts)
    _insert_steps(run, order, document_of(order.revision.text))
    run_started.send(sender=Run, run=run, user=order.user, origin=order.origin)
    if order.ring:
        transaction.on_commit(partial(_ring, run.pk, [host.pk for host in order.hosts]))
    return run


_STEP = ("run_id", "host_id", "check_id", "position", "wave", "state", "attempt", "fence", "published_at", "queued_at", "worker")


def _insert_steps(run: Run, order: _Order, document: Document) -> None:
    """``published_at`` is the outbox: set now, because the doorbell follows at once; the sweeper rings again when it was lost."""
    wave_of, now, run_id = waves(document).of, moment(db_now()), key(run.pk)
    rows = [
        (run_id, host.pk, check.id, position, wave_of[check.id], str(StepState.QUEUED), 0, 0, now, now, "")
        for position, check in enumerate(order.checks)
        for host in (order.hosts if check.fan_out else order.hosts[:1])
    ]
    insert_rows(Step, _STEP, rows)


def _ring(run_id: UUID, host_ids: list[int]) -> None:
    """After the commit. What the broker did not take is marked, so that the page can say so and the sweeper looks at once."""
    if not tasks.ring([(run_id, shard) for shard in tasks.shards(host_ids)]):
        Step.objects.filter(run=run_id, state=StepState.QUEUED).update(published_at=None)
        note_silent_broker()


# --- stopping ----------------------------------------------------------------


def cancel(run: Run, user: User | None) -> Run:
    """Stop a run: queued steps end now, running ones within the time of a lease renewal. Stopping twice is no error."""
    with hold(run.pk) as held:
        if held is None or held.run.state in (*RUN_TERMINAL, RunState.CANCELLING):
            return run
        held.run_is(RunState.CANCELLING, cancel_at=held.now)
        document = document_of(run.revision.text)
        waiting = Step.objects.filter(run=run, state=StepState.QUEUED).values_list("pk", "fence", "check_id")
        outcomes = [_stopped(document, *row) for row in waiting]
        close(held, outcomes) if outcomes else settle(held)
        run_cancelled.send(sender=Run, run=held.run, user=user)
        return held.run


def _stopped(document: Document, step_id: int, fence: int, check_id: str) -> Outcome:
    check = document.step(check_id)
    result = without_evidence(check.probe if check else "", Reason.CANCELLED, "the run was stopped before this check began")
    return Outcome(step_id, fence, StepState.CANCELLED, result, found=StepState.QUEUED)
