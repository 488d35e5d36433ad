"""A run for programs and for chat: the same view as the page, as plain data and as a few lines of text."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runbooks.models import Run
from runbooks.presenters.database import RunRows, read_details, read_run
from runbooks.presenters.overview import Advice, OverviewView
from runbooks.presenters.run import RunView, present_run
from runbooks.presenters.shown import LABELS, Shown

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
    overview = view.overview
    lines = [f"{view.status.label.upper()} · {view.title}", overview.title]
    advice = {_("Do now"): _text(overview.do), _("Fix"): _text(overview.fix), _("Next"): _text(overview.next)}
    lines += [f"{name}: {text}" for name, text in advice.items() if text]
    lines += _worst(read_run(run_id))
    lines += [f"{_('Not seen')}: {host.name}: {host.say}" for host in overview.unseen]
    lines.append(_counted(view))
    text = "\n".join(line for line in lines if line)
    return f"{text[:CHAT_LENGTH]}\n{url}\n"


def _counted(view: RunView) -> str:
    status = view.status
    checks = ngettext("%(n)s of %(m)s check", "%(n)s of %(m)s checks", status.checks)
    hosts = ngettext("%(n)s of %(m)s host", "%(n)s of %(m)s hosts", status.hosts)
    told = [checks % {"n": status.checks_done, "m": status.checks}, hosts % {"n": status.hosts_answered, "m": status.hosts}]
    return ", ".join([*told, status.elapsed, *([] if view.finished else [_("still running")])])


def _worst(rows: RunRows) -> list[str]:
    order = (Shown.CRIT, Shown.WARN, Shown.UNKNOWN)
    cells = [cell for word in order for cell in rows.all_cells() if cell.shown == word and cell.finding]
    on_host = _("%(check)s on %(host)s")
    places = [
        on_host % {"check": cell.check, "host": rows.hosts[cell.host].name} if len(rows.hosts) > 1 else cell.check
        for cell in cells
    ]
    told = [f"- {LABELS[cell.shown]}: {place}: {cell.finding}" for cell, place in zip(cells, places, strict=True)]
    more = [_("- and %(n)s more") % {"n": len(told) - CHAT_LINES}] if len(told) > CHAT_LINES else []
    return told[:CHAT_LINES] + more
