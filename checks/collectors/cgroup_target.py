"""Collectors for one cgroup and its ancestors. The target is a process, a container, or a path; limits of every ancestor count.

Each prints the target, then every file asked for from the cgroup up to the root of its hierarchy, whichever version carries the
controller. Nothing is written, and memory.stat is read only of a cgroup with few children: of a large tree that read is a load.
"""

from __future__ import annotations

import re

from checks.collectors.base import Collector
from checks.collectors.process import FIND_PROCESS
from checks.params import Param

TARGET_PARAMS = (
    Param("pid", "pid", None, "a process in the cgroup"),
    Param("process", "process", None, "a process in the cgroup, by its name; of several the oldest"),
    Param("container", "process", None, "a container id, or a part of it that no other has"),
    Param("path", "path", None, "the cgroup's path below its mount, such as /kubepods/burstable"),
)
POD_PARAM = Param("pod", "process", None, "a pod's uid; any process of the pod will do")
TARGET_ARGS = ("pid", "process", "container", "path")

# walk CONTROLLER "FILES OF V1" "FILES OF V2": the files of the target's cgroup and of its ancestors. ``leaf`` holds files of the
# cgroup alone. A v1 hierarchy wins where both versions are mounted: a controller is on one of them only.
WALK = (
    "path=$4 leaf=\n"
    + FIND_PROCESS
    + r"""
walk() {
  place=$(awk -v c="$1" '$0 ~ / - cgroup / && $NF ~ ("(^|,)" c "(,|$)") { print $5, $4; exit }' /proc/self/mountinfo)
  version=v1 names=$2 row="s/^[1-9][0-9]*:\([^:]*,\)*$1\(,[^:]*\)*://p"
  if [ -z "$place" ]; then
    place=$(awk '$0 ~ / - cgroup2 / { print $5, $4; exit }' /proc/self/mountinfo)
    version=v2 names=$3 row='s/^0:://p'
  fi
  top=${place% *} root=${place##* }
  if [ -z "$path" ] && [ -n "$pid" ]; then path=$(sed -n "$row" "/proc/$pid/cgroup"); fi
  if [ -z "$place" ] || [ -z "$path" ]; then printf '== target\nnone\n\n'; files; return; fi
  printf '== target\npid %s\nversion %s\nmount %s\npath %s\n' "${pid:--}" "$version" "$top" "$path"
  if [ "$root" != / ]; then path=${path#"$root"}; fi
  path=${path%/}
  if [ -n "$heavy" ]; then
    if [ -n "$path" ] && [ "$(find "$top$path" -xdev -type d 2>/dev/null | head -n 65 | wc -l)" -le 64 ]; then leaf="$leaf $heavy"
    else printf 'withheld %s\n' "$heavy"; fi
  fi
  printf '\n'
  set --
  for name in $leaf; do set -- "$@" "$top$path/$name"; done
  while :; do
    for name in $names; do set -- "$@" "$top$path/$name"; done
    [ -n "$path" ] || break
    path=${path%/*}
  done
  files "$@"
}
"""
)
_LOOKS = r"\A== pids$[\s\S]*^== target$[\s\S]*/{file}( missing)?$"


def _collector(name: str, title: str, script: str, file: str, *, sampled: bool = True, alone: str = "") -> Collector:
    """``file`` tells the section from the others, ``alone`` is what one of its files may look like without its name."""
    looks = _LOOKS.replace("{file}", file) + (f"|{alone}" if alone else "")
    shows = tuple(
        dict.fromkeys(f"*/{name}" for name in re.findall(r"\b(?:cpu|cpuacct|pids|memory|freezer|cgroup|io)\.\w+", script))
    )
    return Collector(
        name, title, WALK + script, args=TARGET_ARGS, sampled=sampled, looks_like=looks, shows=shows, max_bytes=1 << 18
    )


CPU = _collector(
    "cpu",
    "CPU limits and throttling, up to the root",
    "walk cpu 'cpu.cfs_quota_us cpu.cfs_period_us cpu.shares cpu.rt_runtime_us cpu.stat' 'cpu.max cpu.weight cpu.stat'",
    r"cpu\.stat",
    alone=r"\A(?:usage_usec \d+\n(?:[\w.]+ \d+\n)*)?nr_periods \d+$",
)
CPU_USAGE = _collector(
    "cpu_usage",
    "CPU time used (v1)",
    "leaf=cpuacct.usage; walk cpuacct '' ''",
    r"cpuacct\.usage",
)
PIDS = _collector(
    "pids",
    "Tasks and their limits, up to the root",
    "walk pids 'pids.current pids.max pids.events' 'pids.current pids.max pids.events'",
    r"pids\.max",
)
MEMORY = _collector(
    "mem",
    "Memory limits and events, up to the root",
    """
heavy=memory.stat leaf='memory.pressure memory.kmem.usage_in_bytes'
walk memory 'memory.usage_in_bytes memory.limit_in_bytes memory.failcnt memory.oom_control' \\
  'memory.current memory.max memory.high memory.events'
""",
    r"memory\.(usage_in_bytes|current)",
    alone=r"\Alow \d+\nhigh \d+\nmax \d+$|\Aoom_kill_disable [01]$|\A(?:cache|anon) \d+\n(?:rss|file) \d+$",
)
FREEZER = _collector(
    "freezer",
    "Frozen or not, up to the root",
    "walk freezer 'freezer.state freezer.self_freezing freezer.parent_freezing' 'cgroup.freeze cgroup.events'",
    r"(freezer\.state|cgroup\.freeze)",
    alone=r"\A(?:THAWED|FREEZING|FROZEN)$",
)
IO = _collector(
    "io",
    "Disk limits and traffic",
    """
set -- blkio.throttle
walk blkio "$1.read_bps_device $1.write_bps_device $1.read_iops_device $1.write_iops_device \\
  $1.io_service_bytes_recursive $1.io_serviced_recursive" 'io.max io.stat'
""",
    r"(io\.stat|blkio\.throttle\.io_serviced_recursive)",
)
PRESSURE = _collector(
    "cgroup_pressure",
    "Pressure of the cgroup (v2)",
    "leaf='cpu.pressure memory.pressure io.pressure'; walk none '' ''",
    r"cpu\.pressure",
    sampled=False,
)
DELEGATION = _collector(
    "delegation",
    "Controllers handed down from the root (v2)",
    "walk none '' 'cgroup.controllers cgroup.subtree_control cgroup.type cgroup.procs'",
    r"cgroup\.subtree_control",
    sampled=False,
)
HOST_PRESSURE = Collector(
    "pressure",
    "Pressure of the whole host",
    "files /proc/pressure/cpu /proc/pressure/memory /proc/pressure/io",
    looks_like=r"^(== |!! )/proc/pressure/cpu",
)

CGROUP_PATH = Collector(
    "cgroup_path",
    "The process's cgroup in each hierarchy",
    r"""
if [ -n "$4" ]; then
  under=$(printf '%s' "$4" | tr - _)
  pod=$(grep -l -F -e "$4" -e "$under" /proc/[0-9]*/cgroup 2>/dev/null | head -n 1); pod=${pod#/proc/}
  set -- "${pod%/cgroup}" '' ''
fi
"""
    + FIND_PROCESS
    + r"""
printf '== /proc/self/mountinfo\n'; grep -E ' - cgroup2? ' /proc/self/mountinfo; printf '\n'
if [ -n "$pid" ]; then files "/proc/$pid/cgroup"; else files; fi
""",
    args=("pid", "process", "container", "pod"),
    looks_like=r"\A== pids$[\s\S]*^== /proc/self/mountinfo$|^\d+:[\w,=]*:/",
)
