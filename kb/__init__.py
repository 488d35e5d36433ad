"""The site: settings, addresses, the doorbell, tokens, audit. It sees every room; no room sees it."""

from kb.celery import app as celery_app

__all__ = ["celery_app"]
