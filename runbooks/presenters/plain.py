"""A run for programs and for chat: the same view as the page, as plain data and as a few lines of text."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from runbooks.models import Run
from runbooks.presenters.database import RunRows, read_details, read_run
from runbooks.presenters.overview import Advice, OverviewView
from runbooks.presenters.run import present_run
from runbooks.presenters.shown import Shown

CHAT_LINES = 8
CHAT_LENGTH = 3800  # chat services cut messages at about 4000 characters


def run_row(run: Run, url: str) -> dict[str, Any]:
    """A run in a list."""
    return {
        "id": run.pk,
        "runbook": run.revision.runbook.slug,
        "revision": run.revision.number,
        "state": run.state,
        "verdict": run.verdict,
        "origin": run.origin,
        "started_by": run.started_by.get_username() if run.started_by else "",
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "url": url,
    }


def run_detail(run_id: UUID, url: str, include: Collection[str] = ()) -> dict[str, Any]:
    """A whole run. ``include`` may name facts and findings. Raises Run.DoesNotExist."""
    rows, view = read_run(run_id), present_run(run_id, only=())
    status = view.status
    return {
        **run_row(rows.run, url),
        "params": rows.run.params,
        "counts": {
            "checks_done": status.checks_done,
            "checks": status.checks,
            "hosts_answered": status.hosts_answered,
            "hosts": status.hosts,
        },
        "conclusion": _conclusion(view.overview),
        "steps": _steps(rows, include),
    }


def _conclusion(overview: OverviewView) -> dict[str, Any]:
    return {
        "say": overview.title,
        "detail": overview.lead,
        "settled": overview.settled,
        "do": _text(overview.do),
        "fix": _text(overview.fix),
        "next": _text(overview.next),
        "deciding": [link.check for link in overview.deciding],
        "open": [link.check for link in overview.open_checks],
        "not_seen": [f"{host.name}: {host.say}" for host in overview.unseen],
    }


def _text(advice: Advice | None) -> str:
    return " ".join((advice.say, *(f"`{command}`" for command in advice.commands))).strip() if advice else ""


def _steps(rows: RunRows, include: Collection[str]) -> list[dict[str, Any]]:
    cells = list(rows.all_cells())
    details = read_details([cell.step for cell in cells if cell.closed]) if include else {}
    steps = []
    for cell in cells:
        step: dict[str, Any] = {
            "check": cell.check,
            "host": rows.hosts[cell.host].name,
            "state": cell.state,
            "verdict": cell.verdict,
            "reason": cell.reason,
            "finding": cell.finding,
            "probe": cell.probe,
            "duration_ms": cell.duration_ms,
        }
        if cell.step in details:
            detail = details[cell.step]
            step |= {"facts": dict(detail.facts)} if "facts" in include else {}
            step |= {"findings": [dict(finding) for finding in detail.findings]} if "findings" in include else {}
        steps.append(step)
    return steps


def run_text(run_id: UUID, url: str) -> str:
    """The run in a few lines for chat: verdict and title, the answer, the worst checks, what is missing, where to read on."""
    view = present_run(run_id, only=())
    status, overview = view.status, view.overview
    lines = [f"{status.label.upper()} · {view.title}", overview.title]
    advice = {"Do now": _text(overview.do), "Fix": _text(overview.fix), "Next": _text(overview.next)}
    lines += [f"{name}: {text}" for name, text in advice.items() if text]
    lines += _worst(read_run(run_id))
    lines += [f"Not seen: {host.name}: {host.say}" for host in overview.unseen]
    counted = f"{status.checks_done} of {status.checks} checks, {status.hosts_answered} of {status.hosts} hosts, {status.elapsed}"
    lines.append(counted if view.finished else f"{counted}, still running")
    text = "\n".join(line for line in lines if line)
    return f"{text[:CHAT_LENGTH]}\n{url}\n"


def _worst(rows: RunRows) -> list[str]:
    order = (Shown.CRIT, Shown.WARN, Shown.UNKNOWN)
    cells = [cell for word in order for cell in rows.all_cells() if cell.shown == word and cell.finding]
    places = [f"{cell.check} on {rows.hosts[cell.host].name}" if len(rows.hosts) > 1 else cell.check for cell in cells]
    told = [f"- {cell.verdict}: {place}: {cell.finding}" for cell, place in zip(cells, places, strict=True)]
    more = [f"- and {len(told) - CHAT_LINES} more"] if len(told) > CHAT_LINES else []
    return told[:CHAT_LINES] + more
