"""One cgroup and its ancestors, as the collectors of ``checks.collectors.cgroup_target`` print them: leaf first, root last.

>>> tree = parse_tree('''== pids
... 1480
...
... == proc mount
... 22 27 0:21 / /proc rw,relatime - proc proc rw
...
... == target
... pid 1480
... version v1
... mount /sys/fs/cgroup/pids
... path /kubepods/pod1
...
... == /sys/fs/cgroup/pids/kubepods/pod1/pids.current
... 12
...
... == /sys/fs/cgroup/pids/kubepods/pids.current
... 480
...
... !! /sys/fs/cgroup/pids/pids.current missing
... == end
... ''')
>>> [(level.path, level.number("pids.current")) for level in tree.levels]
[('/kubepods/pod1', 12), ('/kubepods', 480), ('/', None)]
>>> tree.levels[0].lines["pids.current"], tree.version
(14, 'v1')
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from checks.errors import ParseError
from checks.parsers.files import Files, split_files
from checks.parsers.reading import whole_lines, whole_number, whole_numbers
from checks.results import Reason

T = TypeVar("T")
# Files that the kernel itself refuses to read: processes of a threaded cgroup, pressure where it is switched off.
_MAY_REFUSE = {"cgroup.procs", "cpu.pressure", "memory.pressure", "io.pressure"}


@dataclass
class Level:
    """A cgroup: its path, its files by name, and the section's line on which each file begins."""

    path: str
    files: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    section: str = ""

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        """The parsed file, or None when the cgroup has no such file. Raises ParseError, with the section's line numbers."""
        if name not in self.files:
            return None
        try:
            return parse(self.files[name])
        except ParseError as error:
            raise ParseError(
                f"{name} of {self.path}: {error.say}", error.reason, line=self.lines[name] + max(error.line, 1) - 1
            ) from error

    def number(self, name: str) -> int | None:
        """The file's one number; None when the file is not there or says ``max``."""
        return self.read(name, parse_number)


@dataclass
class Tree:
    """``levels`` from the target's cgroup up to the root. ``pids`` are the processes that match, ``pid`` the one taken.

    ``withheld``: the host held back a file whose reading walks the subtree, because the subtree is large. ``pasted``: these are
    files that a person showed, and cgroups above may be missing.
    """

    version: str = ""
    mount: str = ""
    path: str = ""
    pid: int | None = None
    pids: tuple[int, ...] = ()
    hidden: bool = False
    withheld: bool = False
    pasted: bool = False
    levels: list[Level] = field(default_factory=list)

    @property
    def leaf(self) -> Level:
        return self.levels[0]


def parse_number(text: str) -> int | None:
    """One whole number; None for ``max``.

    >>> parse_number("-1\\n"), parse_number("max\\n")
    (-1, None)
    """
    word = " ".join(whole_lines(text)).strip()
    if word == "max":
        return None
    number = whole_number(word.removeprefix("-"))
    return -number if word.startswith("-") else number


def parse_tree(text: str) -> Tree:
    """Read the section. ``levels`` is empty when the target was not found. Raises ParseError when the section was cut."""
    files = split_files(text)
    if not files.complete:
        raise ParseError("its closing line is missing; the output was cut", Reason.TRUNCATED)
    tree = Tree()
    tree.pids = tuple(whole_numbers(files.need("pids")))
    tree.hidden = any(word in files.need("proc mount") for word in ("hidepid=1", "hidepid=2", "hidepid=4", "hidepid=invis"))
    said = dict(line.split(" ", 1) for line in files.need("target").splitlines() if " " in line)
    if not said:
        return tree
    tree.version, tree.mount, tree.path = said.get("version", ""), said.get("mount", ""), said.get("path", "")
    tree.withheld = "withheld" in said
    tree.pid = whole_number(said["pid"]) if said.get("pid", "-") != "-" else None
    tree.levels = _levels(files, tree.mount)
    if not any(level.files for level in tree.levels) and tree.path != "/":  # the root has no limits
        raise ParseError(f"there is no cgroup {tree.path} below {tree.mount}, or it has none of the files", Reason.MISSING)
    return tree


def _levels(files: Files, mount: str) -> list[Level]:
    levels: dict[str, Level] = {}
    for path in (*files, *files.absent):
        if not path.startswith(f"{mount}/"):
            continue
        folder, _, name = path.removeprefix(mount).rpartition("/")
        level = levels.setdefault(folder, Level(folder or "/"))
        if files.absent.get(path) == "unreadable" and name not in _MAY_REFUSE:
            raise ParseError(f"{path} is there but this user may not read it", Reason.NEED_PRIVILEGE)
        if path in files:
            level.files[name], level.lines[name] = files.text(path), files.line_of(path)
    return [levels[folder] for folder in sorted(levels, key=len, reverse=True)]
