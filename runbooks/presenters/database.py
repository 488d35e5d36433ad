"""What the database holds of a run, read with a fixed number of statements however many hosts and checks there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max

from checks.results import Reason
from runbooks.choices import RUN_TERMINAL, STEP_TERMINAL, UNREACHED, StepState
from runbooks.document.model import Document
from runbooks.models import Host, ProcessTick, Result, ResultSection, Run, RunEvent, Step
from runbooks.parsed import document_of
from runbooks.presenters.shown import Shown, shown


@dataclass(frozen=True, slots=True)
class Cell:
    """One check on one host: a step and the head of its result."""

    step: int
    host: int
    check: str
    state: str
    shown: Shown
    verdict: str
    reason: str
    finding: str
    probe: str
    attempt: int
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None
    lease_until: datetime | None = None

    @property
    def closed(self) -> bool:
        """True when the step will not change any more."""
        return self.state in STEP_TERMINAL

    @property
    def answered(self) -> bool:
        """True when the host itself said something; a check that was not asked for want of an earlier one is no answer."""
        return self.state in (StepState.DONE, StepState.TIMEOUT) and self.reason not in UNREACHED


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host of the run and the first of its groups."""

    id: int
    name: str
    where: str
    group: str
    key_state: str


@dataclass(frozen=True)
class RunRows:
    """A run as it stands in the database. ``cells`` is by check id, then by host id, in the document's order."""

    run: Run
    document: Document
    hosts: Mapping[int, HostRow]
    cells: Mapping[str, Mapping[int, Cell]]

    @property
    def finished(self) -> bool:
        """True when the run has ended, whatever the way."""
        return self.run.state in RUN_TERMINAL

    def all_cells(self) -> Iterable[Cell]:
        """Every cell."""
        return (cell for row in self.cells.values() for cell in row.values())


_CELL_FIELDS = (
    "id",
    "host_id",
    "check_id",
    "state",
    "attempt",
    "started_at",
    "finished_at",
    "result__verdict",
    "result__reason",
    "result__finding",
    "result__probe",
    "result__duration_ms",
    "lease_until",
)


def read_run(run_id: UUID) -> RunRows:
    """The run and its cells: four statements. Raises Run.DoesNotExist."""
    run = Run.objects.select_related("revision__runbook", "started_by").get(pk=run_id)
    document = document_of(run.revision.text)
    cells: dict[str, dict[int, Cell]] = {check.id: {} for check in document.steps}
    for row in Step.objects.filter(run_id=run_id).order_by("position", "host_id").values_list(*_CELL_FIELDS):
        cell = _cell(*row)
        cells.setdefault(cell.check, {})[cell.host] = cell
    _mark_unreached(cells)
    used = {cell.host for row in cells.values() for cell in row.values()}
    hosts = Host.objects.filter(runs=run_id).prefetch_related("groups")
    rows = {host.pk: _host(host) for host in sorted(hosts, key=_by_group) if not used or host.pk in used}
    return RunRows(run, document, rows, {check: row for check, row in cells.items() if row or not used})


def _mark_unreached(cells: Mapping[str, dict[int, Cell]]) -> None:
    """A check that was not asked because nobody got into its host is as unreached as those that were."""
    every = [cell for row in cells.values() for cell in row.values()]
    lost = {cell.host for cell in every if cell.reason in UNREACHED} - {cell.host for cell in every if cell.answered}
    for cell in every:
        if cell.host in lost and cell.state == StepState.SKIPPED and cell.reason == Reason.MISSING:
            cells[cell.check][cell.host] = replace(cell, shown=Shown.UNREACHABLE)


def _cell(
    step: int,
    host: int,
    check: str,
    state: str,
    attempt: int,
    started_at: datetime | None,
    finished_at: datetime | None,
    verdict: str | None,
    reason: str | None,
    finding: str | None,
    probe: str | None,
    duration_ms: int | None,
    lease_until: datetime | None,
) -> Cell:
    word = shown(state, verdict or "", reason or "")
    return Cell(
        step,
        host,
        check,
        state,
        word,
        verdict or "",
        reason or "",
        finding or "",
        probe or "",
        attempt,
        started_at,
        finished_at,
        duration_ms,
        lease_until,
    )


def _group(host: Host) -> str:
    return min((group.name for group in host.groups.all()), default="")


def _by_group(host: Host) -> tuple[bool, str, str]:
    group = _group(host)
    return (not group, group, host.name)


def _host(host: Host) -> HostRow:
    where = f"{host.address}:{host.port}" if host.address else ""
    return HostRow(host.pk, host.name, where, _group(host), host.host_key_state)


@dataclass(frozen=True, slots=True)
class Detail:
    """The body of a result."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    fact_lines: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Mapping[str, Any], ...] = ()


def read_details(steps: Collection[int]) -> dict[int, Detail]:
    """The bodies of these steps' results, by step: one statement."""
    rows = Result.objects.filter(step_id__in=steps).values_list("step_id", "facts", "fact_lines", "findings")
    return {step: Detail(facts or {}, lines or {}, tuple(findings or ())) for step, facts, lines, findings in rows}


def read_sections(steps: Collection[int]) -> dict[int, list[ResultSection]]:
    """The sections of these steps' results without their output, by step: one statement."""
    found: dict[int, list[ResultSection]] = {step: [] for step in steps}
    for section in ResultSection.objects.filter(result_id__in=steps).order_by("id"):
        found[section.result_id].append(section)
    return found


def read_facts(steps: Collection[int]) -> dict[int, Mapping[str, Any]]:
    """Facts alone, by step: one statement."""
    return dict(Result.objects.filter(step_id__in=steps).values_list("step_id", "facts"))


def read_ticks() -> dict[str, datetime]:
    """When a process of each kind last showed that it lives."""
    return dict(ProcessTick.objects.order_by().values_list("kind").annotate(Max("at")))


def changed_checks(run_id: UUID, since: int) -> set[str]:
    """The checks with an event after ``since``."""
    events = RunEvent.objects.filter(run_id=run_id, seq__gt=since, step__isnull=False)
    return set(events.values_list("step__check_id", flat=True).distinct())
