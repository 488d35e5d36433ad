"""Finds steps that wait although they could run: rings for them again, or (``drain``) does them itself.

A doorbell is lost when the broker is down, restarted or wiped, or when the worker that took the message died at once.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection

from runbooks import tasks
from runbooks.clock import db_now
from runbooks.execution import execute
from runbooks.execution.claim import READY_ON_ITS_HOST
from runbooks.models import Run
from runbooks.rows import moment
from runbooks.ticks import note_silent_broker, process_name

BATCH = 200
JITTER_S = 2.0


def sweep() -> int:
    """Ring again for steps that have been ready and silent for SWEEP_AFTER_S; how many there were."""
    now = db_now()
    before = now - timedelta(seconds=settings.SWEEP_AFTER_S)
    rung_at = now + timedelta(seconds=random.uniform(0, JITTER_S))  # noqa: S311  spreads the next round, guards nothing
    skip = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    sql = f"""
        UPDATE runbooks_step SET published_at = %s WHERE id IN (
            SELECT id FROM runbooks_step WHERE {READY_ON_ITS_HOST} AND (published_at IS NULL OR published_at < %s)
            ORDER BY id LIMIT {BATCH} {skip})
        RETURNING run_id, host_id
    """  # noqa: S608  fixed text and placeholders only
    with connection.cursor() as cursor:
        cursor.execute(sql, [moment(rung_at), moment(before)])
        rows = cursor.fetchall()
    by_run = _by_run(rows)
    if not tasks.ring([(run_id, shard) for run_id, hosts in by_run.items() for shard in tasks.shards(hosts)]):
        note_silent_broker()
    return len(rows)


def drain() -> int:
    """Do what has waited longer than DRAIN_AFTER_S, without any broker; how many steps were ended."""
    before = db_now() - timedelta(seconds=settings.DRAIN_AFTER_S)
    sql = f"""
        SELECT DISTINCT run_id, host_id FROM runbooks_step WHERE {READY_ON_ITS_HOST} AND queued_at < %s LIMIT {BATCH}
    """  # noqa: S608  fixed text and placeholders only
    with connection.cursor() as cursor:
        cursor.execute(sql, [moment(before)])
        rows = cursor.fetchall()
    count = 0
    for run_id, hosts in _by_run(rows).items():
        for shard in tasks.shards(hosts):
            count += execute(run_id, shard, process_name("drain"))
    return count


def _by_run(rows: Iterable[tuple[object, int]]) -> dict[UUID, set[int]]:
    found: dict[UUID, set[int]] = {}
    for run_id, host_id in rows:
        found.setdefault(Run._meta.pk.to_python(run_id), set()).add(host_id)
    return found
