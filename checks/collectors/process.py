"""Collectors for one process, found by its pid or by its name, read from /proc: no ps, no pgrep, no tools of the image."""

from __future__ import annotations

from checks.collectors.base import Collector

# Sets $pid from $1 (a pid), $2 (a name) or $3 (a container id in its cgroup path), and $pids to all that match. Of several the
# oldest is meant: a daemon is older than its children. The kernel keeps 15 bytes of a name.
FIND_PROCESS = r"""
pid= pids= first=
oldest() {
  stat=$(cat "$1/stat" 2>/dev/null) || return 0
  pids="$pids ${1#/proc/}"; found=${1#/proc/}
  set -- ${stat##*) }; shift 19
  if [ -z "$first" ] || [ "$1" -lt "$first" ]; then first=$1 pid=$found; fi
}
if [ -n "$1" ]; then if [ -d "/proc/$1" ]; then pid=$1 pids=$1; fi
elif [ -n "$2" ]; then
  want=$(printf '%.15s' "$2")
  for dir in /proc/[0-9]*; do
    { IFS= read -r comm <"$dir/comm"; } 2>/dev/null || continue
    if [ "$comm" = "$want" ]; then oldest "$dir"; fi
  done
elif [ -n "$3" ]; then
  for dir in $(grep -l -F -e "$3" /proc/[0-9]*/cgroup 2>/dev/null); do oldest "${dir%/cgroup}"; done
fi
printf '== pids\n%s\n\n' "${pids# }"
printf '== proc mount\n'; grep -m 1 ' - proc ' /proc/self/mountinfo; printf '\n'
"""

PROCESS = Collector(
    "process",
    "The process: state, times, signals, cgroups",
    FIND_PROCESS + 'if [ -n "$pid" ]; then files "/proc/$pid/stat" "/proc/$pid/status" "/proc/$pid/cgroup"; else files; fi',
    args=("pid", "process"),
    sampled=True,
    looks_like=r"\A== pids$|\AName:\t\S.*\n(Umask:\t\d+\n)?State:\t",
)

TASKS = Collector(
    "tasks",
    "Tasks of the whole host and their bounds",
    "files /proc/sys/kernel/pid_max /proc/sys/kernel/threads-max /proc/loadavg",
    looks_like=r"^== /proc/sys/kernel/pid_max$",
)

LIMITS = Collector(
    "limits",
    "The process's limits, open files, and tasks of its user",
    FIND_PROCESS
    + r"""
if [ -z "$pid" ]; then files; exit 0; fi
user=$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
tasks=$(cat /proc/[0-9]*/status 2>/dev/null |
  awk -v u="$user" '/^Uid:/ { x = $2 } /^Threads:/ { if (x == u) n += $2 } END { print n + 0 }')
if [ -r "/proc/$pid/fd" ]; then fds=$(ls "/proc/$pid/fd" 2>/dev/null | wc -l); else fds=unreadable; fi
printf '== counts\nuid %s\nuid_tasks %s\nfds %s\n\n' "$user" "$tasks" "$fds"
files "/proc/$pid/limits"
""",
    args=("pid", "process"),
    shows=("/proc/*/limits", "/proc/*/fd"),
    looks_like=r"^Limit\s+Soft Limit\s+Hard Limit\s+Units|^Max open files {12}\S+ +\S+ +files|^open files +\(-n\) \S+$",
)

HOST_FILES = Collector(
    "host_files",
    "Open files of the whole host and their bounds",
    "files /proc/sys/fs/file-nr /proc/sys/fs/nr_open /proc/sys/fs/file-max",
    looks_like=r"^== /proc/sys/fs/file-nr$",
)

# Of a container the oldest process is its first. A dozen children are shown. A kernel may not list them: then /proc is searched.
FIRST_PROCESS = Collector(
    "first_process",
    "A container's first process, its signal masks and its children",
    FIND_PROCESS
    + r"""
if [ -z "$pid" ]; then files; exit 0; fi
if [ -r "/proc/$pid/task/$pid/children" ]; then children=$(cat "/proc/$pid/task"/*/children 2>/dev/null)
else children=$(cat /proc/[0-9]*/stat 2>/dev/null | sed 's/ (.*) . / /' | awk -v p="$pid" '$2 == p { print $1 }'); fi
printf '== exe\n%s\n\n' "$(readlink "/proc/$pid/exe" 2>/dev/null | tr '\n' ' ')"
printf '== cmdline\n%s\n\n' "$(tr '\0\n' '  ' <"/proc/$pid/cmdline" | cut -c 1-200)"
set -- $children
printf '== children\n%s\n\n' "$*"
shown=
for child in "$@"; do
  shown="$shown /proc/$child/status"
  if [ "${#shown}" -gt 300 ]; then break; fi
done
files "/proc/$pid/status" $shown
""",
    args=("pid", "process", "container"),
    looks_like=r"\A== pids$[\s\S]*^== exe$|^Name:\s+\S.*\n(?:\w+:.*\n){0,60}?SigCgt:\s+[0-9a-f]{16}$",
)
