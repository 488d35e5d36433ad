"""The output of the collectors' ``files`` word: several files in one section.

>>> found = split_files('''== /proc/sys/kernel/pid_max
... 32768
...
... !! /proc/sys/kernel/missing missing
... == end
... ''')
>>> found.complete, found.text("/proc/sys/kernel/pid_max"), found.line_of("/proc/sys/kernel/pid_max")
(True, '32768\\n', 2)
>>> found.absent
{'/proc/sys/kernel/missing': 'missing'}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.results import Reason

_HEAD = re.compile(r"^== (\S.*)$")
_ABSENT = re.compile(r"^!! (\S.*) (missing|unreadable)$")


@dataclass
class Files:
    """Files by path. ``complete`` is False when the closing line ``== end`` is not there: the output was cut."""

    parts: dict[str, tuple[str, int]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    complete: bool = False

    def __contains__(self, path: str) -> bool:
        return path in self.parts

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def text(self, path: str) -> str:
        """The file's text; an empty string when it was not there."""
        return self.parts[path][0] if path in self.parts else ""

    def line_of(self, path: str) -> int:
        """The section's line number of the file's first line; 0 when it was not there."""
        return self.parts[path][1] if path in self.parts else 0

    def need(self, path: str) -> str:
        """The file's text. Raises ParseError when it is absent, with the reason why."""
        if path in self.parts:
            return self.text(path)
        if self.absent.get(path) == "unreadable":
            raise ParseError(f"{path} is there but this user may not read it", Reason.NEED_PRIVILEGE)
        if path in self.absent:
            raise ParseError(f"{path} does not exist on this host", Reason.MISSING)
        if self.complete:  # recorded files, put together
            raise ParseError(f"{path} was not collected", Reason.MISSING)
        raise ParseError(f"the output ends before {path}", Reason.TRUNCATED)

    def ending(self, suffix: str) -> str | None:
        """The first path that ends with ``suffix``, or None."""
        return next((path for path in self.parts if path.endswith(suffix)), None)


def split_files(text: str) -> Files:
    """Split the section's text at its ``== PATH`` lines. Never raises; a cut text gives ``complete`` False."""
    found = Files()
    path, start, body = "", 0, list[str]()

    def close() -> None:
        if path:
            lines = body[:-1] if body and body[-1] == "" else body
            found.parts[path] = ("".join(line + "\n" for line in lines), start)

    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if match := _HEAD.match(line):
            close()
            path, start, body = match[1], number + 1, []
            if path == "end" and number < len(lines):
                found.complete, path = True, ""
                break
        elif match := _ABSENT.match(line):
            close()
            path, body = "", []
            found.parts.pop(match[1], None)
            found.absent[match[1]] = match[2]
        else:
            body.append(line)
    else:
        close()
    return found
