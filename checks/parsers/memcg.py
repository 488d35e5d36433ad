"""What the memory cgroup collectors print: the count of visible directories, and the timed reads.

>>> parse_dirs("412 /sys/fs/cgroup/memory / cgroup:[4026531835]\\n")
VisibleDirs(count=412, mount='/sys/fs/cgroup/memory', whole_host=True)
>>> timed = parse_timed('''kernel 4.19.90
... dying 57
... memory.numa_stat 1234.50 1234.62
... memory.stat 1234.62 1234.62
... end
... ''')
>>> timed.milliseconds("memory.numa_stat"), timed.milliseconds("memory.stat"), timed.withheld
(120, 0, False)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.reading import whole_lines
from checks.results import Reason

# The number of the first cgroup namespace is fixed (include/linux/proc_ns.h).
_INIT_NAMESPACE = "cgroup:[4026531835]"
_DIRS = re.compile(r"^(\d+)(?: (/\S*) (/\S*) ?(\S*))?$")
_READ = re.compile(r"^(memory\.(?:numa_)?stat) (?:(withheld|absent)|(\d+\.\d\d) (\d+\.\d\d))$")


@dataclass(frozen=True)
class VisibleDirs:
    """Directories of the v1 memory hierarchy. ``whole_host`` is False when they were counted inside a container."""

    count: int
    mount: str = ""
    whole_host: bool = True


@dataclass
class Timed:
    """The timed reads: times by file, None for one that was not read; ``held`` names those that the host itself held back."""

    dying: int | None = None
    reads: dict[str, tuple[float, float] | None] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    @property
    def withheld(self) -> bool:
        """True when the host held at least one read back."""
        return bool(self.held)

    def milliseconds(self, file: str) -> int | None:
        """How long that file took, to the 10 ms of /proc/uptime; None when it was not read."""
        times = self.reads.get(file)
        return round((times[1] - times[0]) * 1000) if times else None


def is_init_namespace(name: str) -> bool:
    """True for the host's own cgroup namespace, and for kernels before 4.6, which have no others."""
    return name.strip() in ("", _INIT_NAMESPACE)


def parse_dirs(text: str) -> VisibleDirs | None:
    """The visible cgroups, or None on a host without a v1 memory hierarchy. A bare number, as ``wc -l`` prints, is read too."""
    lines = whole_lines(text)
    if lines == ["no v1 memory hierarchy"]:
        return None
    match = _DIRS.match(lines[0].strip()) if len(lines) == 1 else None
    if not match:
        raise ParseError("this is not one count of directories", line=1)
    whole = (match[3] or "/") == "/" and is_init_namespace(match[4] or "")
    return VisibleDirs(int(match[1]), match[2] or "", whole)


def parse_timed(text: str) -> Timed:
    """Read the timed part. Raises ParseError when its closing line is missing."""
    lines = whole_lines(text)
    if not lines or lines[-1] != "end":
        raise ParseError("the closing line is missing; the output was cut", Reason.TRUNCATED)
    found = Timed()
    for number, line in enumerate(lines[:-1], 1):
        if match := _READ.match(line):
            found.reads[match[1]] = (float(match[3]), float(match[4])) if match[3] else None
            found.lines[match[1]] = number
            if match[2] == "withheld":
                found.held.add(match[1])
        elif line.startswith("dying "):
            found.dying = int(line[6:]) if re.fullmatch(r"-?\d+", line[6:]) else None
            found.lines["dying"] = number
        elif not line.startswith("kernel "):
            raise ParseError(f"line {number} is no timed read: {line[:80]!r}", line=number)
    return found
