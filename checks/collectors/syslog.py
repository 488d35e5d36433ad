"""The collector of a syslog line: the text given as parameter. It touches no host."""

from __future__ import annotations

from checks.collectors.base import Collector

MESSAGE = Collector(
    "message",
    "The syslog line",
    "printf '%s\\n' \"$1\"",
    args=("text",),
    looks_like=r"\A(\d{1,6} )?<\d{1,4}>(1 \S|[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d )",
)
