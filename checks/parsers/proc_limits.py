"""``/proc/PID/limits``: columns of fixed width, for names and units hold blanks (getrlimit(2)).

>>> limits = parse_limits('''Limit                     Soft Limit           Hard Limit           Units
... Max processes             4096                 63383                processes
... Max open files            1024                 524288               files
... Max core file size        0                    unlimited            bytes
... Max realtime timeout      unlimited            unlimited            us
... ''')
>>> limits["Max open files"]
Limit(soft=1024, hard=524288, line=3)
>>> limits["Max core file size"].hard is None
True
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines
from checks.results import Reason

_NAME, _WIDTH = 26, 21
_LAST = "Max realtime timeout"


@dataclass(frozen=True)
class Limit:
    """One limit; None is unlimited."""

    soft: int | None
    hard: int | None
    line: int


def parse_limits(text: str) -> dict[str, Limit]:
    """Limits by name. Raises ParseError when the table does not reach its last row."""
    lines = whole_lines(text)
    if not lines or not lines[0].startswith("Limit  ") or "Hard Limit" not in lines[0]:
        raise ParseError("this does not begin like /proc/PID/limits", line=1)
    limits = {}
    for number, line in enumerate(lines[1:], 2):
        name, soft, hard = (
            line[:_NAME].strip(),
            line[_NAME : _NAME + _WIDTH].strip(),
            line[_NAME + _WIDTH : _NAME + 2 * _WIDTH].strip(),
        )
        limits[name] = Limit(_value(soft, number), _value(hard, number), number)
    if _LAST not in limits:
        raise ParseError(f"/proc/PID/limits ends before {_LAST}; it was cut", Reason.TRUNCATED, line=len(lines))
    return limits


def _value(word: str, line: int) -> int | None:
    if word == "unlimited":
        return None
    if not word.isascii() or not word.isdigit():
        raise ParseError(f"line {line} of /proc/PID/limits holds no limit: {word[:40]!r}", line=line)
    return int(word)
