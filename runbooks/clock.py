"""The database's clock. Leases and deadlines are compared with it alone, so that a worker's wrong clock can end nothing early."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection

_NOW = {
    "postgresql": "SELECT clock_timestamp()",
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
}


def db_now() -> datetime:
    """The time at the database, at this moment and not at the start of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_NOW[connection.vendor])
        (now,) = cursor.fetchone()
    if isinstance(now, datetime):
        return now
    return datetime.fromisoformat(now).replace(tzinfo=UTC)
