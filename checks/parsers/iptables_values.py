"""Numbers and addresses inside rules. A damaged capture may hold anything where a number should be."""

from __future__ import annotations

import re
import socket
from functools import lru_cache

_DECIMAL = re.compile(r"\d{1,18}\Z", re.ASCII)
_MARK = re.compile(r"(?:0x[0-9a-fA-F]{1,8}|\d{1,10})\Z", re.ASCII)


def whole(text: str) -> int | None:
    """A number of up to 18 decimal digits, or None.

    >>> whole("30080"), whole("²"), whole("9" * 5000)
    (30080, None, None)
    """
    return int(text) if _DECIMAL.match(text) else None


def port(text: str) -> int | None:
    """A port, or None."""
    number = whole(text)
    return number if number is not None and 0 < number < 65536 else None


def mark(text: str) -> int | None:
    """A packet mark in hex or decimal, or None.

    >>> mark("0x4000"), mark("16384"), mark("red")
    (16384, 16384, None)
    """
    return int(text, 0 if text.startswith("0x") else 10) if _MARK.match(text) else None


@lru_cache(maxsize=65536)
def is_address(text: str) -> bool:
    """True for an IPv4 or IPv6 address."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True
