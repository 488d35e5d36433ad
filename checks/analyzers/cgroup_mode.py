"""Which cgroup layout a host runs, told from its mounts alone (cgroups(7)), and what else bears on it.

``stat -f`` on /sys/fs/cgroup says tmpfs for v1 and hybrid alike, and BusyBox says UNKNOWN for both cgroup file systems, so the
type of each mount decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from checks.analyzers.kernel_version import KernelRelease, parse_release
from checks.errors import ParseError
from checks.parsers.cgroup_layout import parse_layout
from checks.parsers.container_tools import Driver, MajorMinor, parse_drivers, parse_kubelet, parse_runtimes, parse_systemd
from checks.parsers.files import split_files
from checks.parsers.kernel_cmdline import parse_cmdline
from checks.parsers.mountinfo import Mount, parse_mountinfo
from checks.parsers.proc_cgroups import ControllerRow, parse_proc_cgroups
from checks.parsers.reading import is_files, read, read_file
from checks.results import Reason, Section

ROOT = "/sys/fs/cgroup"
PARTS = ("rows", "flags", "controllers")
_FILES = ("/proc/self/mountinfo", "/proc/cgroups", "/proc/cmdline")
SYSTEMD_V2_MOUNTS = (ROOT, f"{ROOT}/unified")
V1_NAMES = {"io": "blkio"}  # cgroup v2's name first
CONTROLLERS = (
    "cpu", "cpuacct", "cpuset", "memory", "blkio", "pids", "devices", "freezer", "net_cls", "net_prio", "perf_event", "hugetlb",
    "rdma", "misc",
)  # fmt: skip


@dataclass
class Layout:
    """``mode`` is v1, hybrid, unified or none; ``v1`` gives each mounted v1 controller's mount, ``v2`` the cgroup2 mount."""

    mode: str = "none"
    v1: dict[str, Mount] = field(default_factory=dict)
    v2: Mount | None = None
    v1_mounts: list[Mount] = field(default_factory=list)


@dataclass
class Seen:
    """All that was collected about cgroups. Of a paste (``whole`` is False) parts may be missing: ``parts`` names those there.

    The numbers ``…_at`` turn a file's line numbers into the section's.
    """

    layout: Layout
    whole: bool = False
    parts: frozenset[str] = frozenset()
    mounts_at: int = 0
    rows: dict[str, ControllerRow] = field(default_factory=dict)
    rows_at: int = 0
    flags: dict[str, str] = field(default_factory=dict)
    flags_at: int = 0
    v2_controllers: list[str] = field(default_factory=list)
    kernel: KernelRelease | None = None
    systemd: int | None = None
    kubelet: MajorMinor | None = None
    runtimes: dict[str, MajorMinor] = field(default_factory=dict)
    drivers: list[Driver] = field(default_factory=list)


def layout(mounts: Sequence[Mount]) -> Layout:
    """Read the cgroup layout off the mounts."""
    found = Layout()
    found.v1_mounts = [mount for mount in mounts if mount.fstype == "cgroup"]
    for mount in found.v1_mounts:
        for option in mount.super_options:
            if option in CONTROLLERS:
                found.v1.setdefault(option, mount)
    second = [mount for mount in mounts if mount.fstype == "cgroup2"]
    found.v2 = next((mount for mount in second if mount.point == ROOT), second[0] if second else None)
    if found.v2 and (found.v2.point == ROOT or not found.v1_mounts):
        found.mode = "unified"
    elif found.v1_mounts:
        found.mode = "hybrid" if found.v2 else "v1"
    return found


def see(sections: Mapping[str, Section], need: Callable[[str], Section]) -> Seen:
    """Read every section that is there. Raises EvidenceError when one of them is cut, late or not what it should be."""
    seen = _see_mounts(need("mode"))
    if "kernel" in sections:
        seen.kernel = read(need("kernel"), parse_release)
    if "systemd" in sections:
        seen.systemd = read(need("systemd"), parse_systemd)
    if "kubelet" in sections:
        seen.kubelet = read(need("kubelet"), parse_kubelet)
    if "runtime" in sections:
        seen.runtimes = read(need("runtime"), parse_runtimes)
    if "drivers" in sections:
        seen.drivers = read(need("drivers"), parse_drivers)
    return seen


def _see_mounts(section: Section) -> Seen:
    files = split_files(section.text)
    if not is_files(section) or not files.complete or not set(_FILES) <= {*files, *files.absent}:
        return _see_paste(section, ended=files.complete)
    mounts, mounts_at = read_file(section, "/proc/self/mountinfo", parse_mountinfo)
    seen = Seen(layout(mounts), whole=True, parts=frozenset(PARTS), mounts_at=mounts_at)
    seen.rows, seen.rows_at = read_file(section, "/proc/cgroups", parse_proc_cgroups)
    seen.flags, seen.flags_at = read_file(section, "/proc/cmdline", parse_cmdline)
    if seen.layout.v2:
        seen.v2_controllers, _ = read_file(section, f"{seen.layout.v2.point}/cgroup.controllers", str.split)
    return seen


def _see_paste(section: Section, *, ended: bool) -> Seen:
    """What a person pasted. Without a cgroup2 mount the list of mounts must be known to be at its end."""
    found = read(section, parse_layout)
    if not found.mounts:
        say = "which cgroup file systems are mounted was not collected: /proc/self/mountinfo, or mount | grep cgroup"
        raise ParseError(say, Reason.MISSING, section.name)
    seen = Seen(layout(found.mounts), rows=found.rows, flags=found.flags or {}, flags_at=found.flags_line - 1)
    if seen.layout.mode in ("none", "v1") and not (ended or found.mounts_end):
        say = "this part of mountinfo shows no cgroup2 mount, but more rows may follow; collect it with its closing line"
        raise ParseError(say, Reason.TRUNCATED, section.name)
    seen.v2_controllers = found.controllers or []
    there = (bool(found.rows), found.flags is not None, found.controllers is not None)
    seen.parts = frozenset(part for part, known in zip(PARTS, there, strict=True) if known)
    return seen
