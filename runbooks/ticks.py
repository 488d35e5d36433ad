"""Signs of life. Who has not shown itself for a while is named on the page of every open run."""

from __future__ import annotations

import os
import socket
from datetime import timedelta

from runbooks.clock import db_now
from runbooks.models import ProcessTick

FORGET_AFTER = timedelta(days=1)


def process_name(kind: str) -> str:
    """This process, so that a person can find it."""
    return f"{kind}@{socket.gethostname()}:{os.getpid()}"[:120]


def tick(kind: str) -> None:
    """This process of that kind (``worker``, ``reaper``, ``drain``) lives."""
    show_life(process_name(kind))


def note_silent_broker() -> None:
    """The broker did not take a message of this process just now."""
    tick("no-broker")


def show_life(name: str) -> None:
    """The process of that name lives; its kind stands before the ``@``."""
    row = ProcessTick(name=name, kind=name.partition("@")[0], at=db_now())
    ProcessTick.objects.bulk_create([row], update_conflicts=True, unique_fields=["name"], update_fields=["kind", "at"])


def forget_old_ticks() -> None:
    """Processes that went away for good leave no trace."""
    ProcessTick.objects.filter(at__lt=db_now() - FORGET_AFTER).delete()
