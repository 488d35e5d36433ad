"""What is kept: writeups and their revisions, hosts and keys, runs and what they found."""

from runbooks.models.host import Credential, Host, HostGroup
from runbooks.models.run import Attempt, Output, ProcessTick, Result, ResultSection, Run, RunEvent, Step
from runbooks.models.runbook import Revision, Runbook
from runbooks.models.trace import Trace, TraceSection

__all__ = [
    "Attempt",
    "Credential",
    "Host",
    "HostGroup",
    "Output",
    "ProcessTick",
    "Result",
    "ResultSection",
    "Revision",
    "Run",
    "RunEvent",
    "Runbook",
    "Step",
    "Trace",
    "TraceSection",
]
