"""The Celery application. It carries ids only; every task re-reads the database."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")

app = Celery("sidenote")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
