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

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines

_NAME, _WIDTH = 26, 21
_ULIMIT = re.compile(r"(.+?) +\((?:[^()]*, )?-([a-zA-Z])\) +(\S+)")
_OPTIONS = {"n": "Max open files", "u": "Max processes"}


@dataclass(frozen=True)
class Limit:
    """One limit; None is unlimited."""

    soft: int | None
    hard: int | None
    line: int


def parse_limits(text: str) -> dict[str, Limit]:
    """Limits by name, of the rows that are there; also of ``ulimit -a``, which tells the soft limits of a shell.

    >>> parse_limits("open files                      (-n) 1024\\n")
    {'Max open files': Limit(soft=1024, hard=1024, line=1)}
    """
    lines = whole_lines(text)
    if not lines or not lines[0].startswith(("Limit  ", "Max ")):
        if found := _of_ulimit(lines):
            return found
        raise ParseError("this does not begin like /proc/PID/limits", line=1)
    limits = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.startswith("Limit ")):
            continue
        name, soft, hard = (
            line[:_NAME].strip(),
            line[_NAME : _NAME + _WIDTH].strip(),
            line[_NAME + _WIDTH : _NAME + 2 * _WIDTH].strip(),
        )
        limits[name] = Limit(_value(soft, number), _value(hard, number), number)
    return limits


def _of_ulimit(lines: list[str]) -> dict[str, Limit]:
    found = {}
    for number, line in enumerate(lines, 1):
        match = _ULIMIT.fullmatch(line.rstrip())
        if match and match[2] in _OPTIONS:
            soft = _value(match[3], number)
            found[_OPTIONS[match[2]]] = Limit(soft, soft, number)
    return found


def _value(word: str, line: int) -> int | None:
    if word == "unlimited":
        return None
    if not word.isascii() or not word.isdigit():
        raise ParseError(f"line {line} of /proc/PID/limits holds no limit: {word[:40]!r}", line=line)
    return int(word)
