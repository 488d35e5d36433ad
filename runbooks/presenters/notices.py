"""Who is missing, and since when: computed on reading, so that it shows even when nothing else runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runbooks.choices import StepState
from runbooks.execution.slots import taken
from runbooks.presenters.database import RunRows, read_ticks
from runbooks.presenters.shown import Shown
from runbooks.presenters.words import ago, number
from runbooks.room import StoreFullError, need_room

SILENT_AFTER = timedelta(seconds=30)
REFUSED_LATELY = timedelta(seconds=12)  # while something waits, the sweeper rings every five seconds
NAMED_MAX = 3
WORKER, DRAIN, REAPER, NO_BROKER = "worker", "drain", "reaper", "no-broker"


@dataclass(frozen=True)
class Notice:
    """A line over the results. ``kind`` names it for programs."""

    kind: str
    shown: Shown
    say: str


def notices(rows: RunRows, *, broker_down: bool = False) -> tuple[Notice, ...]:
    """What a reader of an open run must know about the machinery. A finished run has none."""
    if rows.finished:
        return ()
    ticks = read_ticks()
    now = timezone.now()
    made = []
    waiting = sum(cell.state == StepState.QUEUED for cell in rows.all_cells())
    worker = ticks.get(WORKER)
    if waiting and _silent(worker, now) and now - rows.run.created_at > timedelta(seconds=10):
        stand_in = not _silent(ticks.get(DRAIN), now)
        made.append(Notice("no_worker", Shown.WARN, _no_worker(worker, waiting, now, stand_in=stand_in)))
    reaper = ticks.get(REAPER)
    if reaper is not None and _silent(reaper, now):
        say = _("The reaper has not shown itself since %(at)s (%(ago)s). A check whose worker died may stay “running”.")
        made.append(Notice("no_reaper", Shown.WARN, say % {"at": _at(reaper), "ago": ago(reaper, now)}))
    refused = ticks.get(NO_BROKER)
    if broker_down or (refused is not None and now - refused < REFUSED_LATELY):
        say = _("The message broker does not answer. Nothing is lost: results come from the database, a little slower.")
        made.append(Notice("broker_down", Shown.WARN, say))
    if _no_room():
        say = _("The disk for results is full. Results wait until somebody makes room there; nothing has to be restarted.")
        made.append(Notice("disk_full", Shown.WARN, say))
    if lost := _lost(rows, now):
        made.append(Notice("worker_lost", Shown.WARN, lost))
    full = _full(rows)
    if full:
        say = ngettext(
            "%(n)s host is taken by other runs (%(hosts)s). Its checks go on when one of those has ended.",
            "%(n)s hosts are taken by other runs (%(hosts)s). Their checks go on when one of those has ended.",
            len(full),
        )
        names = ", ".join([*full[:NAMED_MAX], *(["…"] if len(full) > NAMED_MAX else [])])
        made.append(Notice("no_slot", Shown.INFO, say % {"n": number(len(full)), "hosts": names}))
    return tuple(made)


def _no_room() -> bool:
    try:
        need_room()
    except StoreFullError:
        return True
    return False


def _lost(rows: RunRows, now: datetime) -> str:
    """What a worker that went away has left behind: checks whose lease nobody lengthens, or that had to begin again."""
    open_cells = [cell for cell in rows.all_cells() if not cell.closed]
    held = timedelta(seconds=settings.LEASE_S - settings.LEASE_RENEW_S - 3)  # a renewal may come a little late
    silent = sum(cell.lease_until is not None and cell.lease_until - now < held for cell in open_cells)
    if silent:
        say = ngettext(
            "The worker has been silent about %(n)s check. It begins again by itself within a quarter of a minute.",
            "The worker has been silent about %(n)s checks. They begin again by themselves within a quarter of a minute.",
            silent,
        )
        return say % {"n": number(silent)}
    again = sum(cell.attempt > (cell.state == StepState.RUNNING) for cell in open_cells)
    say = ngettext(
        "A worker went away in the middle: %(n)s check had to begin again, so it takes longer. Nothing that was found is lost.",
        "A worker went away in the middle: %(n)s checks had to begin again, so it takes longer. Nothing that was found is lost.",
        again,
    )
    return say % {"n": number(again)} if again else ""


def _full(rows: RunRows) -> list[str]:
    """The names of hosts at which this run waits because others are there."""
    states: dict[int, set[str]] = {}
    for cells in rows.cells.values():
        for host_id, cell in cells.items():
            states.setdefault(host_id, set()).add(cell.state)
    waiting = {host_id for host_id, found in states.items() if StepState.QUEUED in found and StepState.RUNNING not in found}
    full = taken(rows.run.pk, waiting)
    return [host.name for host_id, host in rows.hosts.items() if host_id in full]


def _silent(tick: datetime | None, now: datetime) -> bool:
    return tick is None or now - tick > SILENT_AFTER


def _no_worker(worker: datetime | None, waiting: int, now: datetime, *, stand_in: bool) -> str:
    waits = ngettext("%(n)s check waits.", "%(n)s checks wait.", waiting) % {"n": number(waiting)}
    keeps = _("The page keeps what it has and goes on by itself once a worker is back.")
    if stand_in:
        keeps = _("The stand-in takes each one a little later.")
    if worker is None:
        never = _("No worker has ever shown itself here.")
        return f"{never} {waits} {keeps}"
    since = _("No worker since %(at)s (%(ago)s).") % {"at": _at(worker), "ago": ago(worker, now)}
    return f"{since} {waits} {keeps}"


def _at(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "H:i:s")
