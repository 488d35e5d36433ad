"""A worker's hour with some hosts of one run: claim, collect, judge, record, renew, until nothing is left to do.

The task's thread does all database work and all judging; the fleet's thread only talks to hosts. What has arrived by the time
the thread looks is recorded in one transaction, so a busy run writes in large batches and a quiet one at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from functools import partial
from uuid import UUID

from django.conf import settings

from checks.engine import Request, plan
from checks.results import Reason
from runbooks import hosts
from runbooks.choices import RUN_OPEN, RunState
from runbooks.clock import db_now
from runbooks.execution.claim import Claim, anything_queued, claim, leaders, renew
from runbooks.execution.close import Outcome, without_evidence
from runbooks.execution.fleet import Arrived, Flight, Gone, Inbox, Order, Why, fleet
from runbooks.execution.held import hold
from runbooks.execution.judge import ended, judged, state_of
from runbooks.execution.prepare import Facts, Ready, prepare
from runbooks.execution.record import record
from runbooks.execution.rights import Refusal, refusal
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
        self.checks = {check.id: check for check in self.document.steps}
        self.last_wave = max(waves(self.document).of.values(), default=0)
        self.leaders = leaders(run, self.document)
        self.waiting: set[int] = set()
        self.wave_of: dict[int, int] = {}
        self.inbox = Inbox()
        self.mine: dict[int, Claim] = {}
        self.facts: dict[int, Facts] = {}
        self.limits: dict[tuple[str, ...], float] = {}
        self.flying: dict[int, Flight] = {}
        self.stopping: Why | None = None
        self.deadline = 0.0
        self.renew_at = 0.0
        self.seen: set[int] = set()

    def work(self, host_ids: Collection[int]) -> int:
        """Bring every step of those hosts to its end that can be; how many steps this process ended."""
        self.deadline = time.monotonic() + (self.run.deadline_at - db_now()).total_seconds()
        self._rest_until_renewal()
        count = self._go_on(set(host_ids))
        try:
            while self.flying:
                count += self._turn()
        finally:
            for flight in self.flying.values():
                flight.cancel()
        if self.seen:
            steady(partial(hosts.note_seen, self.seen))
        return count

    # --- beginning -----------------------------------------------------------

    def _begin(self, host_ids: Collection[int]) -> int:
        """Claim what is ready on those hosts and send it out; again at once where all of it ended without being asked."""
        count = 0
        while host_ids and not self.stopping:
            claims = self._claim(host_ids)
            if not claims:
                break
            ready = steady(partial(self._prepare, claims))
            self.facts.update(ready.facts)
            self.wave_of.update({taken.host_id: taken.wave for taken in claims})
            count += self._record(ready.outcomes)
            self.flying.update(fleet().send(self._orders(ready), self.inbox))
            host_ids = {claim.host_id for claim in claims} - set(ready.requests)
        return count

    def _prepare(self, claims: Sequence[Claim]) -> Ready:
        return prepare(self.run, self.document, claims, refusal(self.run))

    def _orders(self, ready: Ready) -> list[Order]:
        left = max(self.deadline - time.monotonic(), 1)
        return [
            Order(host_id, requests, ready.openers[host_id], min(self._limit(requests), left))
            for host_id, requests in ready.requests.items()
        ]

    def _limit(self, requests: Sequence[Request]) -> float:
        """How long a host may take with these requests; computed once for the same checks."""
        asked = tuple(request.key.check_id for request in requests if isinstance(request.key, Claim))
        if asked not in self.limits:
            self.limits[asked] = sum(command.timeout_s for command in plan(requests).commands) + GRACE_S
        return self.limits[asked]

    def _claim(self, host_ids: Collection[int]) -> list[Claim]:
        def take() -> list[Claim]:
            if not anything_queued(self.run, host_ids):
                return []  # a doubled doorbell must not queue for the run's lock
            with hold(self.run.pk) as held:
                return claim(held, host_ids, self.worker, self.leaders) if held else []

        claims = steady(take)
        self.mine.update({taken.step_id: taken for taken in claims})
        return claims

    # --- turning -------------------------------------------------------------

    def _turn(self) -> int:
        """Take what has arrived, judge and record it, and go on with the hosts that are through."""
        outcomes: dict[int, Outcome] = {}
        through: set[int] = set()
        for message in self.inbox.take(self.renew_at - time.monotonic()):
            if isinstance(message, Arrived):
                ends = self._judge(message)
            else:
                through.add(message.host_id)
                flight = self.flying.pop(message.host_id, None)
                ends = self._left_over(message, flight.order.requests if flight else (), outcomes)
            outcomes.update((outcome.step_id, outcome) for outcome in ends)
        count = self._record(list(outcomes.values()))
        if time.monotonic() >= self.renew_at:
            self._renew()
        return count + self._go_on({host_id for host_id in through if self.wave_of[host_id] < self.last_wave})

    def _go_on(self, host_ids: set[int]) -> int:
        """The next wave of those hosts, and of hosts that had to wait for another one."""
        count = self._begin(host_ids | self.waiting)
        if self.leaders:
            self.waiting = (host_ids | self.waiting) - set(self.flying)
        return count

    def _judge(self, message: Arrived) -> list[Outcome]:
        taken = message.collected.request.key
        if not isinstance(taken, Claim) or self.mine.get(taken.step_id) != taken:
            return []
        check = self.checks[taken.check_id]
        error = message.collected.error
        if error is None:
            self.seen.add(taken.host_id)
            return [judged(taken, check, message.collected, self.facts.get(taken.host_id, {}))]
        steady(partial(hosts.note_error, taken.host_id, error))
        return [ended(taken, message.collected, error)]

    def _left_over(self, message: Gone, asked: Sequence[Request], told: Collection[int]) -> list[Outcome]:
        """The steps of a host that has nothing more to say and did not say everything."""
        over = (Reason.EXPIRED, TIME_OVER) if time.monotonic() >= self.deadline else None
        reason, say = self.stopping or over or message.why or (Reason.CONN_LOST, "the host gave no answer")
        claims = [request.key for request in asked if isinstance(request.key, Claim) and request.key.step_id not in told]
        return [self._without(taken, reason, say) for taken in claims if self.mine.get(taken.step_id) == taken]

    def _without(self, taken: Claim, reason: Reason, say: str) -> Outcome:
        result = without_evidence(self.checks[taken.check_id].probe, reason, say)
        return Outcome(taken.step_id, taken.fence, state_of(reason), result)

    # --- recording and renewing ----------------------------------------------

    def _record(self, outcomes: Sequence[Outcome]) -> int:
        fresh = [outcome for outcome in outcomes if self.mine.pop(outcome.step_id, None)]
        return len(record(self.run.pk, fresh, next(iter(self.mine), None)))

    def _renew(self) -> None:
        """Keep the leases, and learn whether the run is to stop or some steps are no longer ours."""
        self._rest_until_renewal()

        def keep() -> tuple[set[int], str, Refusal | None]:
            show_life(self.worker)
            with hold(self.run.pk) as held:
                kept = renew(held, self.mine.values()) if held and self.mine else set()
                return kept, held.run.state if held else "", refusal(self.run)

        kept, state, refused = steady(keep)
        self.mine = {step_id: taken for step_id, taken in self.mine.items() if step_id in kept}
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
        for flight in self.flying.values():
            flight.cancel()

    def _rest_until_renewal(self) -> None:
        self.renew_at = time.monotonic() + settings.LEASE_RENEW_S


def execute(run_id: UUID, host_ids: Collection[int], worker: str = "") -> int:
    """Do what can be done now for those hosts of a run; how many steps were ended. Safe to call any number of times."""
    run = Run.objects.select_related("revision").filter(pk=run_id, state__in=RUN_OPEN).first()
    if run is None:
        return 0
    return Shard(run, worker or process_name("worker")).work(host_ids)
