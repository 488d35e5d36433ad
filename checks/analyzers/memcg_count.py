"""How many memory cgroups a host holds, and how many of them are dying: by the one hierarchy that carries the memory controller.

/proc/cgroups counts the whole host, dead cgroups included; the directories of a v1 hierarchy are the living. On cgroup v2
cgroup.stat counts both. The two sources are never added up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from checks.errors import EvidenceError
from checks.parsers.files import split_files
from checks.parsers.keyed import Counter, parse_flat_keyed
from checks.parsers.memcg import is_init_namespace, parse_dirs
from checks.parsers.proc_cgroups import ControllerRow
from checks.parsers.reading import read, read_file
from checks.results import Reason, Section

Need = Callable[[str], Section]
Line = tuple[str, int, str]

_UNUSED = "no hierarchy carries the memory controller on this host"
_ROOTS = ("/sys/fs/cgroup/cgroup.stat", "/sys/fs/cgroup/unified/cgroup.stat", "cgroup.stat", "/cgroup.stat")
_CONTAINER = "these are the cgroups of one container; collect on the host itself"


@dataclass(frozen=True)
class Count:
    """``total`` = ``visible`` + ``dying``; ``lines`` are (section, line, deciding token), the deciding line first."""

    total: int
    visible: int
    dying: int
    source: str
    lines: tuple[Line, ...]


def count(sections: Mapping[str, Section], need: Need, row: ControllerRow | None) -> Count | None:
    """The count, or None when the second reading it takes was not collected.

    Raises EvidenceError when a reading is damaged, of a container, or at odds with another; with reason ``not_applicable`` when
    the memory controller is not in use.
    """
    if row and row.hierarchy:
        return _v1(need("memcg_dirs"), row) if "memcg_dirs" in sections else None
    if "cgstat" not in sections:
        return None
    try:
        return _v2(need("cgstat"))
    except EvidenceError as error:
        if row or error.reason != Reason.NOT_APPLICABLE:
            raise
        say = "/proc/cgroups has no row for memory and cgroup v2 does not carry it: collect both again"
        raise EvidenceError(say, Reason.MISSING, "cgroups") from None


def _v1(section: Section, row: ControllerRow) -> Count:
    dirs = read(section, parse_dirs)
    if dirs is None:
        say = "the kernel has a v1 memory hierarchy, but it is not mounted where this collector ran"
        raise EvidenceError(say, Reason.MISSING, section.name, 1)
    if not dirs.whole_host:
        raise EvidenceError(_CONTAINER, Reason.MISSING, section.name, 1)
    if dirs.count > row.count:
        say = (
            f"{dirs.count} visible memory cgroups are more than the {row.count} the kernel holds, which cannot be: collect again"
        )
        raise EvidenceError(say, Reason.UNPARSED, section.name, 1)
    lines = (("cgroups", row.line, str(row.count)), (section.name, 1, str(dirs.count)))
    return Count(row.count, dirs.count, row.count - dirs.count, "proc_cgroups", lines)


def _v2(section: Section) -> Count:
    if section.text == "no cgroup2 mount\n":
        raise EvidenceError(_UNUSED, Reason.NOT_APPLICABLE, section.name, 1)
    stat, shift = read_file(section, "/cgroup.stat", parse_flat_keyed)
    files = split_files(section.text)
    if "cgroup namespace" in files:
        controllers, _ = read_file(section, "/cgroup.controllers", str.split)
        if "memory" not in controllers:
            raise EvidenceError(_UNUSED, Reason.NOT_APPLICABLE, section.name)
        if not is_init_namespace(files.text("cgroup namespace")):
            raise EvidenceError(_CONTAINER, Reason.MISSING, section.name, files.line_of("cgroup namespace"))
    elif (path := files.ending("/cgroup.stat")) and path not in _ROOTS:
        say = f"{path} counts one branch of the tree only: collect that of the cgroup2 mount, /sys/fs/cgroup/cgroup.stat"
        raise EvidenceError(say, Reason.MISSING, section.name, files.line_of(path))
    # Kernels from 6.12 on count by controller: live ones before nr_dying_descendants, dying ones after it.
    if any(name.startswith("nr_subsys_") for name in stat):
        if "nr_subsys_memory" not in stat:
            raise EvidenceError(_UNUSED, Reason.NOT_APPLICABLE, section.name)
        if "nr_dying_subsys_memory" not in stat:
            raise EvidenceError("cgroup.stat ends before nr_dying_subsys_memory: it was cut", Reason.TRUNCATED, section.name)
    dying = _key(stat, "nr_dying_subsys_memory", "nr_dying_descendants")
    # nr_subsys_memory counts the root too, nr_descendants does not
    visible = int(stat["nr_subsys_memory"]) if "nr_subsys_memory" in stat else _key(stat, "nr_descendants") + 1
    line_of_dying = (section.name, dying.line + shift, str(int(dying)))
    return Count(visible + dying, visible, int(dying), "cgroup_stat", (line_of_dying,))


def _key(stat: dict[str, Counter], *names: str) -> Counter:
    for name in names:
        if name in stat:
            return stat[name]
    raise EvidenceError(f"cgroup.stat holds no {names[-1]}", Reason.UNPARSED, "cgstat")
