"""From what was collected to how the step ended: the probe's own rules, then the author's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks.engine import Collected
from checks.errors import TransportError
from checks.results import ProbeResult, Reason, Verdict
from runbooks.choices import StepState
from runbooks.document.model import Check
from runbooks.document.verdicts import apply_expectations
from runbooks.execution.claim import Claim
from runbooks.execution.close import Outcome

_STATE_OF = {
    Reason.TIMEOUT: StepState.TIMEOUT,
    Reason.EXPIRED: StepState.TIMEOUT,
    Reason.CANCELLED: StepState.CANCELLED,
    Reason.REFUSED: StepState.REFUSED,
    Reason.HOSTKEY_CHANGED: StepState.REFUSED,
    Reason.HOSTKEY_UNKNOWN: StepState.REFUSED,
}


def judged(claim: Claim, check: Check, collected: Collected, earlier: Mapping[str, Any]) -> Outcome:
    """A step whose sections are all there. One that could tell nothing because it ran out of time is ``timeout``."""
    result = apply_expectations(check, collected.judge(), earlier)
    late = result.verdict == Verdict.UNKNOWN and result.reason == Reason.TIMEOUT
    return Outcome(claim.step_id, claim.fence, StepState.TIMEOUT if late else StepState.DONE, result)


def ended(claim: Claim, collected: Collected, error: TransportError) -> Outcome:
    """A step whose host went away. Nothing is judged; what had arrived is kept and shown as partial."""
    probe = collected.request.probe
    result = ProbeResult(
        probe=probe.id,
        version=probe.version,
        verdict=Verdict.UNKNOWN,
        reason=error.reason,
        finding=error.say,
        sections=collected.sections,
    )
    return Outcome(claim.step_id, claim.fence, state_of(error.reason), result)


def state_of(reason: Reason) -> StepState:
    """The state of a step that ended for that reason before it had answered."""
    return _STATE_OF.get(reason, StepState.ERROR)
