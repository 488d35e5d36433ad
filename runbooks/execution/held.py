"""A run whose row this transaction holds.

One rule makes the state machine small: whoever changes a step first locks its run's row. So changes of a run happen one after the
other, the event numbers are in the order of their commits, and no two transactions wait for each other in a ring.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from runbooks import live
from runbooks.choices import RunState
from runbooks.clock import db_now
from runbooks.models import Run, RunEvent
from runbooks.rows import insert_rows, key, moment

_EVENT = ("run_id", "seq", "kind", "step_id", "created_at")


@dataclass
class Held:
    """The run, the database's time, and what this transaction will say about it. ``kind`` of an event is the new state."""

    run: Run
    now: datetime
    changed: set[str] = field(default_factory=set)
    events: list[tuple[str, int | None]] = field(default_factory=list)

    def step_is(self, kind: str, step_id: int) -> None:
        """A step has a new state."""
        self.events.append((kind, step_id))

    def run_is(self, state: RunState, **fields: Any) -> None:
        """The run has a new state."""
        self.events.append((f"run.{state}", None))
        for name, value in {"state": state, **fields}.items():
            setattr(self.run, name, value)
            self.changed.add(name)

    def flush(self) -> None:
        """Write the events and the run's own changes; tell the readers after the commit."""
        if self.events:
            first = self.run.last_seq + 1
            self.run.last_seq += len(self.events)
            self.changed.add("last_seq")
            run_id, now = key(self.run.pk), moment(self.now)
            rows = [(run_id, first + i, kind, step_id, now) for i, (kind, step_id) in enumerate(self.events)]
            insert_rows(RunEvent, _EVENT, rows)
            newest = self.run.last_seq
            transaction.on_commit(lambda: live.publish(self.run.pk, newest), robust=True)
        if self.changed:
            Run.objects.filter(pk=self.run.pk).update(**{name: getattr(self.run, name) for name in self.changed})
        self.events, self.changed = [], set()


@contextmanager
def hold(run_id: UUID, *, wait: bool = True) -> Iterator[Held | None]:
    """Lock the run's row until the transaction ends. None when the run is gone, or held by another and ``wait`` is False."""
    with transaction.atomic():
        run = Run.objects.select_for_update(skip_locked=not wait).filter(pk=run_id).first()
        if run is None:
            yield None
        else:
            held = Held(run, db_now())
            yield held
            held.flush()
