"""Which files a typed command shows, and where in its output each of them stands.

>>> files_shown("sudo cat /proc/uptime"), files_shown("cat pids.{current,max}"), files_shown("cat a.stat; sleep 9; cat a.stat")
(('/proc/uptime',), ('pids.current', 'pids.max'), ('a.stat', 'a.stat'))
>>> files_shown("ls /proc/812/fd | wc -l"), files_shown("cat /proc/cgroups | grep memory"), files_shown("ip route")
(('/proc/812/fd',), ('/proc/cgroups',), ())
>>> parts(("cpu.cfs_quota_us", "cpu.stat"), 4), parts(("cpu.stat", "cpu.stat"), 6), parts(("a.stat", "b.stat"), 5)
([1, 3], [3, 3], [])
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_FILE = r"[^\s;|&<>*?()$'\"`-][^\s;|&<>*?()$'\"`]*"
_CAT = re.compile(rf"(?:sudo\s+)?cat(?:\s+-\w+)*((?:\s+{_FILE})+)(?:\s+2>\s*/dev/null)?(?:\s*\|\s*(?:more|less))?\s*$")
_ONE_FILE = re.compile(r"(?:sudo\s+)?(?:head|tail|zcat|less|more)(?:\s+-\S+)*\s+(/[^\s;|&<>*?]+)\s*$")
# Files of which each line speaks for itself, so that picked ones may be read.
_BY_LINE = r"(?:/proc/(?:cgroups|meminfo|vmstat|interrupts|mounts|\S+/(?:status|limits|mountinfo|mounts))|\S*memory\.stat)"
_PICKED = re.compile(rf"(?:sudo\s+)?(?:cat\s+({_BY_LINE})\s*\|\s*(?:e|f)?grep\s[^|;]*|(?:e|f)?grep\s[^;]*?\s({_BY_LINE}))$")
_COUNTED = re.compile(r"(?:sudo\s+)?ls(?:\s+-\w+)*\s+(/proc/[\w$()-]+/fd)/?(?:\s+2>\s*/dev/null)?\s*\|\s*wc -l\s*$")
# A file of the whole host, read inside a container, shows less than its path says.
_INSIDE = re.compile(r"(?:sudo\s+)?(?:kubectl\s[^;|]*?\s--\s+|(?:docker|podman|crictl|nerdctl)\s+exec\s+(?:-\w+\s+)*\S+\s+)")
_OF_THE_HOST = re.compile(r"cgroup\.stat|mountinfo")
_SILENT = re.compile(r"(?:sleep|cd)\s+\S+\s*$|clear\s*$")
_BRACES = re.compile(r"([^{}\s]*)\{([^{}\s]*,[^{}\s]*)\}([^{}\s]*)")
_FOLDER = re.compile(r"[^/\s]*(?P<path>/[^\s#$%>]*) ?[#$%>] |\[[^\s\]]+ (?P<name>[^~/\s\]][^/\s\]]*)\] ?[#$%>] ")
_CGROUP_FILE = r"(?:/\S*?/)?(?:cpu|cpuacct|cpuset|memory|pids|io|blkio|freezer|cgroup)\.[a-z][\w.]*"
_MANY_LINES = re.compile(r"(?:stat|events|events\.local|pressure|oom_control|limits|status|meminfo|cgroups|snmp|io\.max)$")


def files_shown(command: str) -> tuple[str, ...]:
    """The files whose text, or picked lines or count, the command prints, in order; none when something else is printed too."""
    found: list[str] = []
    inside = _INSIDE.match(command)
    if inside and not _OF_THE_HOST.search(command):
        command = command[inside.end() :]
    for part in re.split(r"\s*(?:;|&&)\s*", command.strip().rstrip(";")):
        if match := _CAT.match(part):
            found += [name for word in match[1].split() for name in _expand(word)]
        elif match := _ONE_FILE.match(part) or _PICKED.match(part) or _COUNTED.match(part):
            found.append(next(group for group in match.groups() if group))
        elif not _SILENT.match(part):
            return ()
    return tuple(found)


def below(line: str, files: Sequence[str]) -> tuple[str, ...]:
    """A cgroup's files by the folder that the prompt shows: of two cgroups the bare names are alike.

    >>> below("me@node-1:/sys/fs/cgroup/cpu/a# cat cpu.stat", ["cpu.stat"]), below("[me@node-1 b]# cat cpu.stat", ["cpu.stat"])
    (('/sys/fs/cgroup/cpu/a/cpu.stat',), ('b/cpu.stat',))
    """
    where = _FOLDER.match(line)
    folder = (where["path"] or where["name"] or "").rstrip("/") if where else ""
    return tuple(
        f"{folder}/{name}" if folder and re.fullmatch(_CGROUP_FILE, name) and "/" not in name else name for name in files
    )


def _expand(word: str) -> list[str]:
    match = _BRACES.fullmatch(word)
    return [match[1] + middle + match[3] for middle in match[2].split(",")] if match else [word]


def parts(files: Sequence[str], lines: int) -> list[int]:
    """How many of the output's lines each file has; empty when that cannot be told."""
    if len(files) == lines:
        return [1] * lines
    if len(set(files)) == 1:
        return [lines // len(files)] * len(files) if lines % len(files) == 0 else []
    long = [_MANY_LINES.search(name) is not None for name in files]
    rest = lines - len(files) + 1
    return [rest if many else 1 for many in long] if sum(long) == 1 and rest > 0 else []


_BEFORE_EACH = re.compile(rf"({_CGROUP_FILE}):(.*)")
_ABOVE = re.compile(rf"[=#*-]{{0,10}} ?({_CGROUP_FILE}):?(?: ?[=#*-]{{1,10}})?$")


def named_lines(lines: Sequence[str]) -> list[tuple[str, int, list[str]]]:
    """Files of a cgroup under their names (a loop with echo), or with the name before each line (grep): path, place, lines.

    >>> named_lines(["== cpu.stat", "nr_periods 3", "a/cpu.shares:1024"]), named_lines(["/a/pids.max:9", "/a/pids.current:3"])
    ([('cpu.stat', 1, ['nr_periods 3', 'a/cpu.shares:1024'])], [('/a/pids.max', 0, ['9']), ('/a/pids.current', 1, ['3'])])
    """
    if not lines or "== end" in lines:  # our own collectors' output
        return []
    found: list[tuple[str, int, list[str]]] = []
    said = [line for line in lines if line.strip() and not line.startswith(("# ", "$ "))]
    before = [_BEFORE_EACH.fullmatch(line) for line in said]
    if before and all(match and match[2] for match in before):
        for number, line in enumerate(lines):
            match = _BEFORE_EACH.fullmatch(line)
            if match and found and found[-1][0] == match[1]:
                found[-1][2].append(match[2])
            elif match:
                found.append((match[1], number, [match[2]]))
        return found
    for number, line in enumerate(lines):
        if match := _ABOVE.fullmatch(line.rstrip()):
            found.append((match[1], number + 1, []))
        elif found:
            found[-1][2].append(line)
        elif line.strip():
            return []
    return found
