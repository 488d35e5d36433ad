"""A worker's hour with some hosts of one run: claim, collect, judge, record, renew, until nothing is left to do.

The task's thread does all database work and all judging; the fleet's thread only talks to hosts. What has arrived by the time
the thread looks is recorded in one transaction, so a busy run writes in large batches and a quiet one at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import replace
from queue import Empty, SimpleQueue
from uuid import UUID

from django.conf import settings
from django.db import DataError, IntegrityError

from checks.engine import plan
from checks.results import Reason
from runbooks import hosts
from runbooks.choices import RUN_OPEN, RunState, StepState
from runbooks.clock import db_now
from runbooks.execution.claim import Claim, anything_queued, claim, renew
from runbooks.execution.close import Outcome, close, without_evidence
from runbooks.execution.fleet import Arrived, Gone, Inbox, Why, fleet
from runbooks.execution.held import hold
from runbooks.execution.judge import ended, judged, state_of
from runbooks.execution.prepare import Facts, prepare
from runbooks.execution.rights import refusal
from runbooks.execution.steady import steady
from runbooks.models import Run
from runbooks.parsed import document_of
from runbooks.ticks import process_name, show_life
from runbooks.waves import waves

log = logging.getLogger(__name__)

TIME_OVER = "the run's time was over before it had answered"
GRACE_S = 20
"""What connecting, logging in and closing may add to the time limits of a host's commands."""


class Shard:
    """Some hosts of a run, as long as this process works on them."""

    def __init__(self, run: Run, worker: str) -> None:
        self.run = run
        self.worker = worker
        self.document = document_of(run.revision.text)
        self.last_wave = max(waves(self.document).of.values(), default=0)
        self.wave_of: dict[int, int] = {}
        self.inbox: Inbox = SimpleQueue()
        self.mine: dict[int, Claim] = {}
        self.facts: dict[int, Facts] = {}
        self.flying: dict[int, Future[Why | None]] = {}
        self.stopping: Why | None = None
        self.deadline = 0.0
        self.renew_at = 0.0
        self.seen: set[int] = set()

    def work(self, host_ids: Collection[int]) -> int:
        """Bring every step of those hosts to its end that can be; how many steps this process ended."""
        self.deadline = time.monotonic() + (self.run.deadline_at - db_now()).total_seconds()
        self._rest_until_renewal()
        count = self._begin(host_ids)
        try:
            while self.flying:
                count += self._turn()
        finally:
            for future in self.flying.values():
                future.cancel()
        if self.seen:
            hosts.note_seen(self.seen, db_now())
        return count

    # --- beginning -----------------------------------------------------------

    def _begin(self, host_ids: Collection[int]) -> int:
        """Claim what is ready on those hosts and send it out; again at once where all of it ended without being asked."""
        count = 0
        while host_ids and not self.stopping:
            claims = self._claim(host_ids)
            if not claims:
                break
            ready = prepare(self.run, self.document, claims, refusal(self.run))
            self.facts.update(ready.facts)
            self.wave_of.update({taken.host_id: taken.wave for taken in claims})
            count += self._record(ready.outcomes)
            for host_id, requests in ready.requests.items():
                limit = sum(command.timeout_s for command in plan(requests).commands) + GRACE_S
                left = max(self.deadline - time.monotonic(), 1)
                self.flying[host_id] = fleet().send(host_id, requests, ready.openers[host_id], self.inbox, min(limit, left))
            host_ids = {claim.host_id for claim in claims} - set(ready.requests)
        return count

    def _claim(self, host_ids: Collection[int]) -> list[Claim]:
        def take() -> list[Claim]:
            if not anything_queued(self.run, host_ids):
                return []  # a doubled doorbell must not queue for the run's lock
            with hold(self.run.pk) as held:
                return claim(held, host_ids, self.worker) if held else []

        claims = steady(take)
        self.mine.update({taken.step_id: taken for taken in claims})
        return claims

    # --- turning -------------------------------------------------------------

    def _turn(self) -> int:
        """Take what has arrived, judge and record it, and go on with the hosts that are through."""
        outcomes: list[Outcome] = []
        through: set[int] = set()
        for message in self._arrived():
            if isinstance(message, Arrived):
                outcomes += self._judge(message)
            else:
                through.add(message.host_id)
                self.flying.pop(message.host_id, None)
                outcomes += self._left_over(message)
        count = self._record(outcomes)
        if time.monotonic() >= self.renew_at:
            self._renew()
        return count + self._begin({host_id for host_id in through if self.wave_of[host_id] < self.last_wave})

    def _arrived(self) -> list[Arrived | Gone]:
        """Everything in the inbox; waits for the first until the leases must be renewed."""
        try:
            messages = [self.inbox.get(timeout=max(self.renew_at - time.monotonic(), 0))]
            while not self.inbox.empty():
                messages.append(self.inbox.get_nowait())
        except Empty:
            return []
        return messages

    def _judge(self, message: Arrived) -> list[Outcome]:
        taken = message.collected.request.key
        if not isinstance(taken, Claim) or self.mine.get(taken.step_id) != taken:
            return []
        check = self.document.step(taken.check_id)
        assert check is not None
        error = message.collected.error
        if error is None:
            self.seen.add(taken.host_id)
            return [judged(taken, check, message.collected, self.facts.get(taken.host_id, {}))]
        hosts.note_error(taken.host_id, error)
        return [ended(taken, message.collected, error)]

    def _left_over(self, message: Gone) -> list[Outcome]:
        """The steps of a host that has nothing more to say and did not say everything."""
        over = (Reason.EXPIRED, TIME_OVER) if time.monotonic() >= self.deadline else None
        reason, say = self.stopping or over or message.why or (Reason.CONN_LOST, "the host gave no answer")
        left = [taken for taken in self.mine.values() if taken.host_id == message.host_id]
        return [self._without(taken, reason, say) for taken in left]

    def _without(self, taken: Claim, reason: Reason, say: str) -> Outcome:
        check = self.document.step(taken.check_id)
        result = without_evidence(check.probe if check else "", reason, say)
        return Outcome(taken.step_id, taken.fence, state_of(reason), result)

    # --- recording and renewing ----------------------------------------------

    def _record(self, outcomes: Sequence[Outcome]) -> int:
        fresh = [outcome for outcome in outcomes if self.mine.pop(outcome.step_id, None)]
        return len(record(self.run.pk, fresh))

    def _renew(self) -> None:
        """Keep the leases, and learn whether the run is to stop or some steps are no longer ours."""
        self._rest_until_renewal()

        def keep() -> tuple[set[int], str]:
            with hold(self.run.pk) as held:
                return (renew(held, self.mine.values()), held.run.state) if held and self.mine else (set(), "")

        show_life(self.worker)
        kept, state = steady(keep)
        self.mine = {step_id: taken for step_id, taken in self.mine.items() if step_id in kept}
        refused = refusal(self.run)
        if state == RunState.CANCELLING:
            self._stop(Reason.CANCELLED, "stopped before it had answered")
        elif refused:
            self._stop(Reason.CANCELLED, f"stopped before it had answered: {refused[1]}")
        elif time.monotonic() >= self.deadline:
            self._stop(Reason.EXPIRED, TIME_OVER)
        at_work = {taken.host_id for taken in self.mine.values()}
        for host_id in set(self.flying) - at_work:
            self.flying[host_id].cancel()

    def _stop(self, reason: Reason, say: str) -> None:
        self.stopping = (reason, say)
        for future in list(self.flying.values()):
            future.cancel()

    def _rest_until_renewal(self) -> None:
        self.renew_at = time.monotonic() + settings.LEASE_RENEW_S


def record(run_id: UUID, outcomes: Sequence[Outcome]) -> set[int]:
    """End the steps in one transaction; the ids of those that were still ours.

    A result that the database will not take must not take the others with it: then each is recorded by itself, and that one
    ends as an error.
    """
    if not outcomes:
        return set()

    def put() -> set[int]:
        with hold(run_id) as held:
            return close(held, outcomes) if held else set()

    try:
        return steady(put)
    except (DataError, IntegrityError) as error:
        log.exception("run %s: a result could not be stored", run_id)
        if len(outcomes) > 1:
            return {step_id for outcome in outcomes for step_id in record(run_id, [outcome])}
        say = f"the result could not be stored ({type(error).__name__})"
        result = without_evidence(outcomes[0].result.probe, Reason.FAILED, say)
        if outcomes[0].result == result:
            raise
        return record(run_id, [replace(outcomes[0], state=StepState.ERROR, result=result)])


def execute(run_id: UUID, host_ids: Collection[int], worker: str = "") -> int:
    """Do what can be done now for those hosts of a run; how many steps were ended. Safe to call any number of times."""
    run = Run.objects.select_related("revision").filter(pk=run_id, state__in=RUN_OPEN).first()
    if run is None:
        return 0
    return Shard(run, worker or process_name("worker")).work(host_ids)
