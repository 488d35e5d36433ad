"""A program that does the same thing again and again until it is told to stop, and outlives a database that restarts."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

log = logging.getLogger(__name__)


def every(seconds: float, work: Callable[[], object], *beside: tuple[float, Callable[[], object]]) -> None:
    """Call ``work`` every so many seconds until SIGTERM or SIGINT. An error is logged and the next round tries again.

    ``beside`` are further rounds, each in a thread of its own with a database connection of its own, so that none delays another.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    for pace, other in beside:
        threading.Thread(target=_rounds, args=(stop, pace, other), daemon=True).start()
    _rounds(stop, seconds, work)


def _rounds(stop: threading.Event, seconds: float, work: Callable[[], object]) -> None:
    while not stop.is_set():
        try:
            work()
        except (DatabaseError, InterfaceError) as error:
            log.warning("the database did not answer, next round in %s s: %s", seconds, error)
            connection.close()
        except Exception:
            log.exception("this round failed, the next one is in %s s", seconds)
        stop.wait(seconds)
