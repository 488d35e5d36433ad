"""May this run still go on? Asked at every claim and every renewal, because rights can end while a run waits."""

from __future__ import annotations

from checks.results import Reason
from runbooks.models import Run

UNATTENDED = "command line"
"""The origin of runs that nobody's account stands behind: whoever has a shell on the server started them."""

Refusal = tuple[Reason, str]


def refusal(run: Run) -> Refusal | None:
    """Why the person behind the run may not run checks now, or None. Reads the database afresh."""
    if run.origin == UNATTENDED:
        return None
    user = Run.objects.select_related("started_by").get(pk=run.pk).started_by
    if user is None or not user.is_active:
        return Reason.REFUSED, "the account that started this run no longer exists or is switched off"
    if not user.has_perm("runbooks.start_run"):
        return Reason.REFUSED, f"{user.get_username()} may no longer start runs"
    return None
