"""Is there room to keep what a run finds? Asked before a run is made, so that no host is asked in vain."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import OperationalError, connection

from checks.errors import CheckError

_MIB = 1 << 20


class StoreFullError(CheckError):
    """There is no room left for results (HTTP 507)."""


def need_room() -> None:
    """Raise StoreFullError when the disk below an SQLite database is as good as full. A PostgreSQL server says so itself."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or not settings.MIN_FREE_MIB or not Path(name).is_absolute():
        return
    free = shutil.disk_usage(Path(name).parent).free // _MIB
    if free < settings.MIN_FREE_MIB:
        where = f"{free} MiB are free in {Path(name).parent}, {settings.MIN_FREE_MIB} are needed"
        raise StoreFullError(f"the disk for results is full, so nothing was started: {where}")


@contextmanager
def said_when_full() -> Iterator[None]:
    """Turn the database's own words for a full disk into StoreFullError."""
    try:
        yield
    except OperationalError as error:
        if "full" not in str(error) and "No space left" not in str(error):
            raise
        raise StoreFullError("the disk of the database is full, so nothing was started; make room there first") from error
