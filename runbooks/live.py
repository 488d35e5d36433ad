"""The live channel: after a commit, the run's newest event number goes out on Redis. Losing a message loses nothing.

Channel ``run:<id>``, message the sequence number; readers fetch the events themselves from the database.
"""

from __future__ import annotations

import logging
import os
import time
from uuid import UUID

import redis
from django.conf import settings

log = logging.getLogger(__name__)

PREFIX = "run:"
_TIMEOUT_S = 0.5
_REST_S = 5  # after a failure the channel is left alone this long, so that a hung server slows nothing down


class _Channel:
    """One client per process; a forked child makes its own."""

    def __init__(self) -> None:
        self.pid = 0
        self.quiet_until = 0.0
        self.client: redis.Redis | None = None

    def publish(self, channel: str, message: str) -> None:
        if self.pid != os.getpid():
            self.pid, self.quiet_until, self.client = os.getpid(), 0.0, None
        if time.monotonic() < self.quiet_until:
            return
        try:
            if self.client is None:
                self.client = redis.Redis.from_url(
                    settings.LIVE_URL, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=None
                )
            self.client.publish(channel, message)
        except (redis.RedisError, OSError) as error:
            self.quiet_until = time.monotonic() + _REST_S
            self.client = None
            log.info("live channel: %s", error)


_channel = _Channel()


def publish(run_id: UUID, seq: int) -> None:
    """Tell the readers of a run that events up to ``seq`` are there. Never raises."""
    _channel.publish(f"{PREFIX}{run_id}", str(seq))
