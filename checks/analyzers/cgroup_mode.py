"""Which cgroup layout a host runs, told from its mounts alone (cgroups(7)), and what else bears on it.

``stat -f`` on /sys/fs/cgroup says tmpfs for v1 and hybrid alike, and BusyBox says UNKNOWN for both cgroup file systems, so the
type of each mount decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from checks.analyzers.kernel_version import KernelRelease, parse_release
from checks.errors import ParseError
from checks.parsers.container_tools import Driver, MajorMinor, parse_drivers, parse_kubelet, parse_runtimes, parse_systemd
from checks.parsers.files import split_files
from checks.parsers.kernel_cmdline import parse_cmdline
from checks.parsers.mountinfo import Mount, parse_mountinfo
from checks.parsers.proc_cgroups import ControllerRow, parse_proc_cgroups
from checks.parsers.reading import is_files, read, read_file
from checks.results import Reason, Section

ROOT = "/sys/fs/cgroup"
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
    """All that was collected about cgroups. ``whole`` is False for a raw paste of mountinfo: a row more may follow.

    The numbers ``…_at`` turn a file's line numbers into the section's.
    """

    layout: Layout
    whole: bool = False
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
    mounts, mounts_at = read_file(section, "/proc/self/mountinfo", parse_mountinfo)
    files = split_files(section.text)
    there = {*files, *files.absent}
    alone = files.complete and not {"/proc/cgroups", "/proc/cmdline"} <= there  # recorded files, not all of them
    seen = Seen(layout(mounts), is_files(section) and not alone, mounts_at)
    if not seen.whole:
        if seen.layout.mode in ("none", "v1"):
            say = "this part of mountinfo shows no cgroup2 mount, but more rows may follow; collect it with its closing line"
            raise ParseError(say, Reason.TRUNCATED, section.name)
        return seen
    seen.rows, seen.rows_at = read_file(section, "/proc/cgroups", parse_proc_cgroups)
    seen.flags, seen.flags_at = read_file(section, "/proc/cmdline", parse_cmdline)
    if seen.layout.v2:
        seen.v2_controllers, _ = read_file(section, f"{seen.layout.v2.point}/cgroup.controllers", str.split)
    return seen
