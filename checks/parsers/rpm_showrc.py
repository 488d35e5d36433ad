"""``rpm --showrc``: the macros of the build host, with the level that defined each.

Levels differ by rpm version (-15 to -11 from files, -20 built in, 0 from the command line); ``=`` after it means used since.

>>> rc = parse_showrc('''Macro path: /usr/lib/rpm/macros:~/.rpmmacros
...
... ========================
... -20: S\\t<builtin>
... -13: __brp_strip\\t%{_rpmconfigdir}/brp-strip %{__strip}
... -13: __os_install_post\\t
...     %{?__brp_strip}
... %{nil}
... -13= _topdir\\t%{getenv:HOME}/rpmbuild
... ======================== active 3 empty 0
... ''')
>>> rc.macros["__os_install_post"].body, rc.macros["__brp_strip"].line, rc.complete
('\\n    %{?__brp_strip}\\n%{nil}', 5, True)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.reading import whole_lines

_MACRO = re.compile(r"^\s?(-?\d+)([:=]) (\w+)(\([^)]*\))?(?:\t(.*))?$")


@dataclass
class Macro:
    """A macro of the host."""

    name: str
    level: int
    body: str
    line: int
    used: bool = False


@dataclass
class Showrc:
    """The host's macros by name. ``complete`` is False when the closing line is missing: the output was cut."""

    path: str = ""
    macros: dict[str, Macro] = field(default_factory=dict)
    complete: bool = False


def parse_showrc(text: str) -> Showrc:
    """Read the output. Raises ParseError when there is no macro table in it."""
    found = Showrc()
    macro: Macro | None = None
    table = False
    for number, line in enumerate(whole_lines(text), 1):
        if line.startswith("=========="):
            found.complete = table
            table = True
        elif not table:
            if line.startswith("Macro path"):
                found.path = line.partition(":")[2].strip()
        elif match := _MACRO.match(line):
            macro = Macro(match[3], int(match[1]), match[5] or "", number, match[2] == "=")
            found.macros[macro.name] = macro
        elif macro is not None and not found.complete:
            macro.body += "\n" + line
    if not table or not found.macros:
        raise ParseError("this is not the output of rpm --showrc: it has no table of macros", line=1)
    return found
