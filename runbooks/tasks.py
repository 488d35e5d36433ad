"""The doorbell. A message carries ids only; the task re-reads everything. A lost message is rung again by the sweeper, a doubled
one finds nothing to do. Unknown arguments are ignored, so that old and new processes can run side by side during an update.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from celery import current_app, shared_task
from celery.signals import worker_ready
from django.conf import settings
from django.db import DatabaseError, connection

from runbooks.execution import execute
from runbooks.ticks import tick

log = logging.getLogger(__name__)

_TICK_S = 10
_RING_LIMITS = {"socket_connect_timeout": 2, "socket_timeout": 2, "max_retries": 0, "interval_start": 0}


@shared_task(name="runbooks.execute", ignore_result=True)  # type: ignore[untyped-decorator]
def execute_hosts(*, run_id: str, host_ids: list[int], **_: Any) -> None:
    """Do what can be done now for those hosts of a run."""
    execute(UUID(run_id), host_ids)


@worker_ready.connect  # type: ignore[untyped-decorator]
def _show_life(sender: Any, **_: Any) -> None:
    """The parent process shows itself while its children work or wait; its connection closes, so that no child inherits it."""

    def show() -> None:
        try:
            tick("worker")
            connection.close()
        except DatabaseError as error:
            log.warning("the database did not take the sign of life: %s", error)

    show()
    sender.timer.call_repeatedly(_TICK_S, show)


def shards(host_ids: Iterable[int]) -> list[list[int]]:
    """The hosts in messages of at most SHARD_HOSTS, in the order of their ids, so that neighbours stay together."""
    ordered = sorted(host_ids)
    return [ordered[start : start + settings.SHARD_HOSTS] for start in range(0, len(ordered), settings.SHARD_HOSTS)]


def ring(messages: Collection[tuple[UUID, list[int]]]) -> bool:
    """Send one message for each (run, hosts). False when the broker did not take one; the rest is then not tried.

    Takes at most some two seconds, never raises: what was not sent is found by the sweeper or by ``drain``.
    """
    if not messages:
        return True
    try:
        with current_app.connection(transport_options=_RING_LIMITS) as broker:
            for run_id, host_ids in messages:
                arguments = {"run_id": str(run_id), "host_ids": host_ids}
                execute_hosts.apply_async(kwargs=arguments, connection=broker, retry=False)
    except Exception as error:
        log.warning("the broker did not take a message; the run waits for the sweeper or drain: %s", error)
        return False
    return True
