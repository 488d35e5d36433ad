"""Single files of one cgroup as people paste them, with or without their paths, as the tree that the collectors would show.

The cgroups above are mostly missing, and limits of those count too: whoever judges such a tree must say so.

>>> tree = parse_pasted('''== /sys/fs/cgroup/cpu,cpuacct/kubepods/pod1/cpu.cfs_quota_us
... 20000
...
... == /sys/fs/cgroup/cpu,cpuacct/kubepods/pod1/cpu.stat
... nr_periods 40
...
... == end
... ''')
>>> tree.version, tree.pasted, [(level.path, level.number("cpu.cfs_quota_us"), level.lines["cpu.stat"]) for level in tree.levels]
('v1', True, [('/kubepods/pod1', 20000, 5)])
>>> bare = parse_pasted("nr_periods 40\\nnr_throttled 3\\nthrottled_time 5\\n").leaf
>>> bare.path, list(bare.files)
('this cgroup', ['cpu.stat'])
"""

from __future__ import annotations

import re

from checks.errors import ParseError
from checks.parsers.cgroup_tree import Level, Tree
from checks.parsers.files import split_files
from checks.results import Reason

UNNAMED = "this cgroup"
_MOUNT = re.compile(
    r"^.*?/sys/fs/cgroup(?:/(?:unified|(?:cpu|cpuacct|cpuset|memory|blkio|pids|devices|freezer|net_cls|net_prio|hugetlb|systemd)"
    r"(?:,\w+)*)(?=/|$))?"
)
_FIRST_VERSION = re.compile(
    r"^(?:cpu\.(?:cfs_\w+|shares|rt_\w+)|cpuacct\..*|blkio\..*|freezer\..*"
    r"|memory\.(?:usage_in_bytes|limit_in_bytes|failcnt|oom_control|kmem\..*))$"
)
# What a file without its name can only be, by how it begins.
_FORMS = {
    r"(?:usage_usec \d+\n(?:[\w.]+ \d+\n)*)?nr_periods \d+\n": "cpu.stat",
    r"usage_usec \d+\nuser_usec \d+\n": "cpu.stat",
    r"low \d+\nhigh \d+\nmax \d+\n": "memory.events",
    r"oom_kill_disable [01]\nunder_oom [01]\n": "memory.oom_control",
    r"(?:cache|anon) \d+\n(?:rss|file) \d+\n": "memory.stat",
    r"(?:THAWED|FREEZING|FROZEN)\n": "freezer.state",
}


def parse_pasted(text: str) -> Tree:
    """Read the files. Raises ParseError when they are of several cgroups side by side, or when the last of them was cut."""
    files = split_files(text)
    if not text.startswith(("== ", "!! ")):
        name = next((name for form, name in _FORMS.items() if re.match(form, text)), "")
        if not name:
            raise ParseError("this is no file of a cgroup that can be told without its name", line=1)
        level = Level(UNNAMED, {name: _own(text)}, {name: 1})
        return Tree(version=_version([level]), path=UNNAMED, pasted=True, levels=[level])
    if not files.complete:
        raise ParseError("its closing line is missing; the output was cut", Reason.TRUNCATED)
    levels: dict[str, Level] = {}
    for path in files:
        folder, _, name = path.rpartition("/")
        place = _place(folder)
        level = levels.setdefault(place, Level(place))
        level.files[name], level.lines[name] = _own(files.text(path)), files.line_of(path)
    if not levels:
        path = next(iter(files.absent), "the file")
        raise ParseError(f"{path} does not exist on this host, or may not be read", Reason.MISSING, line=1)
    found = sorted(levels.values(), key=lambda level: -level.path.rstrip("/").count("/"))
    if any(not f"{found[0].path}/".startswith(f"{level.path.rstrip('/')}/") for level in found):
        raise ParseError(f"these are files of several cgroups ({found[0].path}, {found[-1].path}): keep one and those above it")
    return Tree(version=_version(found), path=found[0].path, pasted=True, levels=found)


def _own(text: str) -> str:
    """The file itself: none of them holds an empty line, so what follows one was written by a person."""
    body, gap, _ = text.partition("\n\n")
    return body + "\n" * bool(gap)


def _place(folder: str) -> str:
    if not folder:
        return UNNAMED
    return _MOUNT.sub("", folder) or "/"


def _version(levels: list[Level]) -> str:
    names = {name for level in levels for name in level.files}
    if any(_FIRST_VERSION.match(name) for name in names):
        return "v1"
    return "v1" if any("throttled_time" in level.files.get("cpu.stat", "") for level in levels) else "v2"
