"""From claimed steps to requests: rights looked at once more, conditions decided, parameters filled in and validated again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from checks import catalog
from checks.engine import Request
from checks.errors import CheckError, ParamError
from checks.params import read_all
from checks.results import Reason, Verdict
from runbooks import hosts
from runbooks.choices import StepState
from runbooks.document.evaluation import evaluate, lookup
from runbooks.document.expressions import comparisons
from runbooks.document.model import Check, Document, Reference
from runbooks.document.verdicts import known as told
from runbooks.execution.claim import Claim
from runbooks.execution.close import Outcome, without_evidence
from runbooks.execution.rights import Refusal
from runbooks.models import Host, Result, Run
from runbooks.waves import operands

Facts = Mapping[str, Any]
"""What earlier checks said of one host: verdicts by check id, facts by ``check.fact``."""


@dataclass
class Ready:
    """What is to be asked of each host, how it is reached, and which steps have ended without being asked."""

    requests: dict[int, list[Request]] = field(default_factory=dict)
    openers: dict[int, hosts.Opener] = field(default_factory=dict)
    facts: dict[int, Facts] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)


class NotAskedError(Exception):
    """A step that ends without asking its host."""

    def __init__(self, state: StepState, reason: Reason, say: str, verdict: Verdict = Verdict.UNKNOWN) -> None:
        super().__init__(say)
        self.state = state
        self.reason = reason
        self.say = say
        self.verdict = verdict


def prepare(run: Run, document: Document, claims: Sequence[Claim], refusal: Refusal | None) -> Ready:
    """Turn claims into requests; a step that may not or need not run becomes an outcome at once."""
    ready = Ready()
    checks = {check.id: check for check in document.steps}
    read: dict[str, Mapping[str, Any]] = {}  # parameters that are the same on every host
    of_id = Host.objects.prefetch_related("credential").in_bulk({claim.host_id for claim in claims})
    ready.facts = _earlier_facts(run, document, claims)
    for claim in claims:
        check = checks.get(claim.check_id)
        try:
            if check is None:
                raise NotAskedError(StepState.ERROR, Reason.FAILED, f"this revision has no check {claim.check_id}")
            _may_run(refusal, of_id[claim.host_id])
            request = _request(claim, check, run.params, ready.facts.get(claim.host_id, {}), read)
            if claim.host_id not in ready.openers:
                ready.openers[claim.host_id] = hosts.opener(of_id[claim.host_id])
            ready.requests.setdefault(claim.host_id, []).append(request)
        except NotAskedError as end:
            probe = check.probe if check else ""
            result = without_evidence(probe, end.reason, end.say, end.verdict)
            ready.outcomes.append(Outcome(claim.step_id, claim.fence, end.state, result))
        except CheckError as error:
            state = StepState.REFUSED if isinstance(error, ParamError) else StepState.ERROR
            result = without_evidence(check.probe if check else "", error.reason, error.say)
            ready.outcomes.append(Outcome(claim.step_id, claim.fence, state, result))
    return ready


def _may_run(refusal: Refusal | None, host: Host) -> None:
    problem = refusal or hosts.problem(host)
    if problem:
        raise NotAskedError(StepState.REFUSED, *problem)


def _earlier_facts(run: Run, document: Document, claims: Sequence[Claim]) -> dict[int, Facts]:
    """What earlier steps of the run said, by host; nothing is read when no claimed step asks for it."""
    claimed = {claim.check_id for claim in claims}
    if not any(True for check in document.steps if check.id in claimed for _ in operands(check)):
        return {}
    host_ids = {claim.host_id for claim in claims}
    alone = {check.id for check in document.steps if not check.fan_out}  # one host answers for all
    rows = Result.objects.filter(Q(step__host__in=host_ids) | Q(step__check_id__in=alone), step__run=run)
    verdicts: dict[int, dict[str, str]] = {host_id: {} for host_id in host_ids}
    facts: dict[int, dict[str, Any]] = {host_id: {} for host_id in host_ids}
    for host_id, check_id, verdict, found in rows.values_list("step__host_id", "step__check_id", "verdict", "facts"):
        for told_of in host_ids if check_id in alone else (host_id,):
            verdicts[told_of][check_id] = verdict
            facts[told_of][check_id] = found
    return {host_id: told(verdicts[host_id], facts[host_id]) for host_id in host_ids}


def _request(claim: Claim, check: Check, run_params: Facts, facts: Facts, read: dict[str, Mapping[str, Any]]) -> Request:
    _decide(check, facts)
    probe = catalog.get(check.probe)
    params = read.get(check.id)
    if params is None:
        given = {name: _value(name, value, run_params, facts) for name, value in check.with_.items()}
        params = read_all(probe.params, {name: value for name, value in given.items() if value is not None})
        if not any(isinstance(value, Reference) and value.step for value in check.with_.values()):
            read[check.id] = params
    return Request(claim, probe, params, check.limits, check.interval_s)


def _decide(check: Check, facts: Facts) -> None:
    """Raise NotAskedError unless the check's condition holds."""
    if check.when is None:
        return
    answer = evaluate(check.when, facts)
    wanted = " and ".join(comparison.source for comparison in comparisons(check.when))
    if answer is None:
        say = f"not asked: whether {wanted} holds is not known, because an earlier step did not tell"
        raise NotAskedError(StepState.SKIPPED, Reason.MISSING, say)
    if not answer:
        say = f"not asked: it applies only when {wanted}"
        raise NotAskedError(StepState.SKIPPED, Reason.CONDITION_FALSE, say, Verdict.SKIPPED)


def _value(name: str, value: Any, run_params: Facts, facts: Facts) -> Any:
    if not isinstance(value, Reference):
        return value
    if not value.step:
        return run_params.get(value.name)
    found = lookup(facts, value.name)
    if found is None:
        raise NotAskedError(StepState.SKIPPED, Reason.MISSING, f"not asked: {name} comes from {value.name}, which is not known")
    return found
