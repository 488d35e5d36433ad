"""The shapes of the API. Times are RFC 3339 in UTC; unknown keys in a request are refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Field, Schema
from pydantic import ConfigDict


class Problem(Schema):
    """RFC 9457: what went wrong, in a form for programs and in a sentence for people."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str = ""
    errors: list[dict[str, Any]] = Field(default_factory=list, description="what is wrong field by field")


class ParamOut(Schema):
    """A parameter that a run may be given."""

    name: str
    type: str
    default: Any = None
    help: str = ""
    required: bool = False
    choices: list[str] = Field(default_factory=list)


class StepOut(Schema):
    """A check of a runbook."""

    id: str
    title: str
    probe: str
    confirms: bool


class RunbookOut(Schema):
    """A published runbook."""

    slug: str
    title: str
    title_zh: str
    kind: str
    tags: list[str]
    revision: int
    url: str


class RunbookDetail(RunbookOut):
    """A runbook with what it asks for, what it checks, and its text."""

    sha256: str
    params: list[ParamOut]
    steps: list[StepOut]
    text: str


class HostOut(Schema):
    """A host that runs may look at."""

    name: str
    transport: str
    address: str
    groups: list[str]
    enabled: bool
    host_key_state: str


class RunIn(Schema):
    """What to run, on which hosts or host groups, with which parameters."""

    model_config = ConfigDict(extra="forbid")

    runbook: str = Field(description="slug of a published runbook")
    hosts: list[str] = Field(default_factory=list, description="names of hosts")
    groups: list[str] = Field(default_factory=list, description="names of host groups; all their hosts")
    params: dict[str, Any] = Field(default_factory=dict, description="parameters that the runbook declares")


class Counts(Schema):
    """How much of a run is there."""

    checks_done: int
    checks: int
    hosts_answered: int
    hosts: int


class ConclusionOut(Schema):
    """The answer that heads the run, or which checks decide and are still open."""

    say: str
    detail: str = ""
    settled: bool
    do: str = ""
    fix: str = ""
    next: str = ""
    deciding: list[str] = Field(default_factory=list)
    open: list[str] = Field(default_factory=list)
    not_seen: list[str] = Field(default_factory=list)


class StepResult(Schema):
    """One check on one host. ``facts`` and ``findings`` are there when asked for with ``include``."""

    check: str
    host: str
    state: str
    verdict: str
    reason: str
    finding: str
    probe: str
    duration_ms: int | None = None
    facts: dict[str, Any] | None = None
    findings: list[dict[str, Any]] | None = None


class RunOut(Schema):
    """A run in a list."""

    id: UUID
    runbook: str
    revision: int
    state: str
    verdict: str
    origin: str
    started_by: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    url: str


class RunDetail(RunOut):
    """A run with its answer and the result of each check on each host."""

    params: dict[str, Any]
    counts: Counts
    conclusion: ConclusionOut
    steps: list[StepResult]


class RunbookPage(Schema):
    """A page of runbooks; ``next`` is the cursor of the following page."""

    items: list[RunbookOut]
    next: str | None = None


class RunPage(Schema):
    """A page of runs, newest first."""

    items: list[RunOut]
    next: str | None = None


class HostPage(Schema):
    """A page of hosts."""

    items: list[HostOut]
    next: str | None = None
