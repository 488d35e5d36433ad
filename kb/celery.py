"""The Celery application. It carries ids only; every task re-reads the database."""

from __future__ import annotations

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import worker_before_create_process, worker_init
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")

app = Celery("sidenote")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect  # type: ignore[untyped-decorator]
def _refuse_a_forgetful_broker(**_: Any) -> None:
    """A worker does not start on a server that forgets messages when it is full."""
    from kb.broker import policy_problem

    if problem := policy_problem(settings.LIVE_URL):
        raise SystemExit(problem)


@worker_before_create_process.connect  # type: ignore[untyped-decorator]
def _share_memory_with_the_child(**_: Any) -> None:
    """What the parent has loaded stays out of its children's garbage collections, which would copy each page they look at."""
    gc.collect()
    gc.freeze()
