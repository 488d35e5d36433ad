"""Real-time group scheduling: whether the kernel does it, and the host's real-time threads with their cgroups.

Knowledge: init/Kconfig (RT_GROUP_SCHED, RT_GROUP_SCHED_DEFAULT_DISABLED) and the boot parameter rt_group_sched=, which wins;
sched(7): policy 1 is FIFO, 2 is RR.

>>> parse_group_scheduling("CONFIG_RT_GROUP_SCHED=y\\n# CONFIG_RT_GROUP_SCHED_DEFAULT_DISABLED is not set\\n")
1
>>> parse_real_time_tasks("812 1 99 (corosync) /system.slice/corosync.service\\n")[0]
RealTimeTask(tid=812, policy='FIFO', priority=99, name='corosync', cgroup='/system.slice/corosync.service', line=1)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines

_OPTION = re.compile(r"CONFIG_RT_GROUP_SCHED\w*=\w+|# CONFIG_RT_GROUP_SCHED\w* is not set|rt_group_sched=\S*")
_TASK = re.compile(r"([0-9]{1,10}) ([12]) ([0-9]{1,2}) \((.*)\) (/.*)")
_POLICIES = {"1": "FIFO", "2": "RR"}
_SAID_AT_BOOT = ("rt_group_sched=0", "rt_group_sched=1")  # the kernel heeds no other value


@dataclass(frozen=True)
class RealTimeTask:
    """One real-time thread and its cgroup in the v2 hierarchy."""

    tid: int
    policy: str
    priority: int
    name: str
    cgroup: str
    line: int


def parse_group_scheduling(text: str) -> int:
    """The line that switches real-time group scheduling on; 0 when it is off, or the kernel's configuration is not known.

    >>> parse_group_scheduling("CONFIG_RT_GROUP_SCHED=y\\nCONFIG_RT_GROUP_SCHED_DEFAULT_DISABLED=y\\n")
    0
    >>> parse_group_scheduling("CONFIG_RT_GROUP_SCHED=y\\nCONFIG_RT_GROUP_SCHED_DEFAULT_DISABLED=y\\nrt_group_sched=1\\n")
    3
    """
    lines = [line for line in whole_lines(text) if line]
    for number, line in enumerate(lines, 1):
        if not _OPTION.fullmatch(line):
            raise ParseError(f"line {number} is no option of real-time group scheduling: {line[:80]!r}", line=number)
    if "CONFIG_RT_GROUP_SCHED=y" not in lines:
        return 0
    told = [number for number, line in enumerate(lines, 1) if line in _SAID_AT_BOOT]
    if told:
        return told[-1] if lines[told[-1] - 1] == "rt_group_sched=1" else 0
    return 0 if "CONFIG_RT_GROUP_SCHED_DEFAULT_DISABLED=y" in lines else lines.index("CONFIG_RT_GROUP_SCHED=y") + 1


def parse_real_time_tasks(text: str) -> list[RealTimeTask]:
    """Every thread that is listed. Raises ParseError for a row that is not whole."""
    found = []
    for number, line in enumerate(whole_lines(text), 1):
        match = _TASK.fullmatch(line)
        if not match:
            raise ParseError(f"line {number} is no real-time thread with its cgroup: {line[:80]!r}", line=number)
        found.append(RealTimeTask(int(match[1]), _POLICIES[match[2]], int(match[3]), match[4], match[5], number))
    return found
