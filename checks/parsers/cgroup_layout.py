"""What people paste of a host's cgroup layout: mounts in any of three forms, /proc/cgroups, the boot line, cgroup.controllers.

Each line tells by its form which of them it is of: one ``cat`` of several files and files under ``== PATH`` lines read alike.

>>> found = parse_layout('''tmpfs on /sys/fs/cgroup type tmpfs (ro,nosuid,mode=755)
... cgroup2 on /sys/fs/cgroup/unified type cgroup2 (rw,nsdelegate)
... cgroup on /sys/fs/cgroup/memory type cgroup (rw,relatime,memory)
... #subsys_name	hierarchy	num_cgroups	enabled
... memory	4	469	1
... BOOT_IMAGE=/vmlinuz-5.10.0 root=/dev/sda1 ro quiet
... ''')
>>> [(mount.fstype, mount.point, mount.line) for mount in found.mounts][1:]
[('cgroup2', '/sys/fs/cgroup/unified', 2), ('cgroup', '/sys/fs/cgroup/memory', 3)]
>>> found.rows["memory"].count, found.rows["memory"].line, found.flags_line, found.mounts_end, found.controllers
(469, 5, 6, True, None)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from checks.errors import ParseError
from checks.parsers.kernel_cmdline import parse_cmdline
from checks.parsers.mountinfo import Mount, parse_mountinfo
from checks.parsers.proc_cgroups import ControllerRow, parse_proc_cgroups
from checks.parsers.reading import whole_lines

_MOUNT = re.compile(r"^\S+ on (/\S*) type (\w+) \((\S+)\)$")
_PROC_MOUNTS = re.compile(r"^\S+ (/\S*) (\w+) ((?:rw|ro)(?:,\S*)?) \d \d$")
_MOUNTINFO = re.compile(r"^\d+ \d+ \d+:\d+ /")
_CGROUPS_ROW = re.compile(r"^(#subsys_name\s|[a-z_]+\s+\d+\s+\d+\s+[01]$)")
_BOOT_LINE = re.compile(r"(^|\s)(BOOT_IMAGE|root|console|initrd)=\S")
_CONTROLLER = "cpuset|cpu|io|memory|hugetlb|pids|rdma|misc|dmem"
_CONTROLLERS = re.compile(rf"^(?:{_CONTROLLER})(?: (?:{_CONTROLLER}))*$")
_OTHER = re.compile(r"^(?:== |!! |\d+:[\w,=.]*:/|systemd \d+|[+-]PAM |default-hierarchy=|$)")


@dataclass
class Layout:
    """The parts that were there; ``flags`` and ``controllers`` None when not. ``mounts_end``: more follows them."""

    mounts: list[Mount] = field(default_factory=list)
    mounts_end: bool = False
    rows: dict[str, ControllerRow] = field(default_factory=dict)
    flags: dict[str, str] | None = None
    flags_line: int = 0
    controllers: list[str] | None = None


def parse_layout(text: str) -> Layout:
    """Read the paste. Raises ParseError for a line that is of none of these."""
    found = Layout()
    for number, line in enumerate(whole_lines(text), 1):
        line = line.rstrip()
        mount = _mount(line, number)
        if mount:
            found.mounts.append(mount)
            continue
        found.mounts_end = found.mounts_end or bool(found.mounts)
        if _CGROUPS_ROW.match(line):
            found.rows |= {name: replace(row, line=number) for name, row in parse_proc_cgroups(f"{line}\n").items()}
        elif _BOOT_LINE.search(line):
            found.flags, found.flags_line = parse_cmdline(f"{line}\n"), number
        elif _CONTROLLERS.match(line):
            found.controllers = found.controllers or line.split()  # cgroup.subtree_control comes after it
        elif not _OTHER.match(line):
            raise ParseError(f"line {number} is no mount, no row of /proc/cgroups and no boot line: {line[:80]!r}", line=number)
    return found


def _mount(line: str, number: int) -> Mount | None:
    if _MOUNTINFO.match(line):
        return replace(parse_mountinfo(f"{line}\n")[0], line=number)
    match = _MOUNT.match(line) or _PROC_MOUNTS.match(line)
    if not match:
        return None
    options = tuple(match[3].split(","))
    return Mount("/", match[1], options, match[2], "", options, number)
