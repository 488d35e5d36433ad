r"""Answers of ``rpm --eval``, pasted from a terminal: each command with what it printed.

An undefined macro prints itself, so it is told from one that is defined; ``%{?name}`` prints nothing for either.

>>> text = '''[me@b1 ~]$ rpm --eval '%{__strip}'
... /usr/bin/strip
... [me@b1 ~]$ rpm -E %{nosuch}
... %{nosuch}
... [me@b1 ~]$ rpm --eval "%{?dist}"
...
... [me@b1 ~]$
... '''
>>> [(one.name, one.value, one.line) for one in parse_session(text)]
[('__strip', '/usr/bin/strip', 2), ('nosuch', None, 4), ('dist', '', 6)]
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.results import Reason

_ASKED = re.compile(r"(.{0,200}?[#$%>] ?)rpm (?:--eval|-E)[ =]['\"]?%(?:\{[!?]*(\w+)(?::\w*)?\}|\??(\w+))['\"]?\s*$")


@dataclass(frozen=True)
class Answer:
    """What one macro is: its value, or None when it is not defined. ``line`` is that of the value's beginning."""

    name: str
    value: str | None
    line: int


def is_session(text: str) -> bool:
    """True when an rpm --eval was typed in it."""
    return any(_ASKED.match(line) for line in text.split("\n"))


def parse_session(text: str) -> list[Answer]:
    """The answers in order. Raises ParseError when the last one may go on: no line end, or a list without a prompt below."""
    lines = text.split("\n")
    asked = [(number, match) for number, line in enumerate(lines) if (match := _ASKED.match(line))]
    prompts = {match[1].strip() for _, match in asked}
    found: list[Answer] = []
    for number, match in asked:
        end = next((n for n in range(number + 1, len(lines)) if any(lines[n].startswith(p) for p in prompts)), None)
        if end is None and (lines[-1] or (match[2] or match[3]).endswith("_post")):  # a list of steps has many lines
            say = f"what rpm says of {match[2] or match[3]} has no prompt after it, so it may have been cut"
            raise ParseError(say, Reason.TRUNCATED, line=number + 1)
        value = "\n".join(lines[number + 1 : end]).rstrip("\n")
        name = match[2] or match[3]
        undefined = value in (f"%{{{name}}}", f"%{name}")
        skipped = len(value) - len(value.lstrip("\n")) if value.strip() else 0
        found.append(Answer(name, None if undefined else value, number + 2 + skipped))
    return found
