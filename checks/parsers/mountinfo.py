"""``/proc/PID/mountinfo``: which file system is mounted where (proc(5)); here for the cgroup hierarchies.

Own reader: jc leaves out rows it does not understand without a word, and a lost row changes the answer.

>>> mounts = parse_mountinfo('''31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
... 35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
... 41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
... ''')
>>> mounts[1].fstype, mounts[1].point, mounts[1].super_options, mounts[1].line
('cgroup', '/sys/fs/cgroup/memory', ('rw', 'memory'), 2)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines

_ROW = re.compile(r"^\d+ \d+ \d+:\d+ (\S+) (\S+) (\S+)(?: \S+)* - (\S+) (\S*) (\S*)$")
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One mounted file system; ``root`` is the part of it that is mounted at ``point``."""

    root: str
    point: str
    options: tuple[str, ...]
    fstype: str
    source: str
    super_options: tuple[str, ...]
    line: int


def parse_mountinfo(text: str) -> list[Mount]:
    """The mounts in order. Raises ParseError for a row that is not whole."""
    mounts = []
    for number, line in enumerate(whole_lines(text), 1):
        match = _ROW.match(line)
        if not match:
            raise ParseError(f"line {number} is no row of mountinfo: {line[:80]!r}", line=number)
        root, point, options, fstype, source, super_options = match.groups()
        mount = Mount(
            _plain(root), _plain(point), tuple(options.split(",")), fstype, source, tuple(super_options.split(",")), number
        )
        mounts.append(mount)
    return mounts


def _plain(path: str) -> str:
    """Blanks and backslashes stand in mountinfo as octal escapes."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), path)
