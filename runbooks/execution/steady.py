"""A database that restarts, or is briefly busy, must not cost a result: the work is kept in memory and tried again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_S = 60


def steady(work: Callable[[], T]) -> T:
    """The answer of ``work``, a whole transaction, tried again for a minute when the database cannot be reached.

    Doing it twice is safe: a transaction that was committed although its answer got lost leaves nothing for the second one to do.
    """
    ends_at = time.monotonic() + PATIENCE_S
    for pause in _pauses():
        try:
            return work()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or time.monotonic() + pause > ends_at:
                raise
            log.warning("the database did not take it, trying again in %.1f s: %s", pause, error)
            connection.close()
            time.sleep(pause)
    raise AssertionError("unreachable")


def _pauses() -> Iterator[float]:
    pause = 0.2
    while True:
        yield pause
        pause = min(pause * 2, 5)
