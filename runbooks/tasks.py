"""The doorbell. A message carries ids only; the task re-reads everything. A lost message is rung again by the sweeper, a doubled
one finds nothing to do. Unknown arguments are ignored, so that old and new processes can run side by side during an update.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from celery import current_app, shared_task
from django.conf import settings

from runbooks.execution import execute

log = logging.getLogger(__name__)

_RING_LIMITS = {"socket_connect_timeout": 2, "socket_timeout": 2, "max_retries": 0, "interval_start": 0}


@shared_task(name="runbooks.execute", ignore_result=True)  # type: ignore[untyped-decorator]
def execute_hosts(*, run_id: str, host_ids: list[int], **_: Any) -> None:
    """Do what can be done now for those hosts of a run."""
    execute(UUID(run_id), host_ids)


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
        with current_app.connection(transport_options=_RING_LIMITS) as connection:
            for run_id, host_ids in messages:
                arguments = {"run_id": str(run_id), "host_ids": host_ids}
                execute_hosts.apply_async(kwargs=arguments, connection=connection, retry=False)
    except Exception as error:
        log.warning("the broker did not take a message; the run waits for the sweeper or drain: %s", error)
        return False
    return True
