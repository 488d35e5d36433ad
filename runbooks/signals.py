"""What others may listen to. The first two are sent inside the transaction; a listener that raises undoes it."""

from __future__ import annotations

from django.dispatch import Signal

run_started = Signal()
"""``run``, ``user``, ``origin``: inside the transaction that makes the run. No audit row, no run."""

run_cancelled = Signal()
"""``run``, ``user``: inside the transaction that cancels it."""

run_finished = Signal()
"""``run_id``: after the commit that ended the run, whoever ended it; its state is read from the database. Errors are logged."""
