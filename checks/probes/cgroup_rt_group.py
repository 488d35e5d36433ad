"""Part of cgroup.delegation: real-time threads for whose sake the kernel refuses to hand the CPU controller down.

Knowledge: Documentation/admin-guide/cgroup-v2.rst, CPU. A kernel that schedules real-time threads by group has no budget for them
in v2: writing +cpu would move those below into a cgroup without budget, and answers EINVAL. Threads in the root do not move.
"""

from __future__ import annotations

from checks.collectors.base import Collector
from checks.parsers.reading import read_file
from checks.parsers.rt_group import parse_group_scheduling, parse_real_time_tasks
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.results import Evidence, Verdict

# The threads are looked for only where the kernel has the option. Field 40 of a stat file is the priority, 41 the policy; the
# name before them may hold blanks and parentheses. A thread that ended meanwhile has no cgroup and is left out.
RT_GROUP = Collector(
    "rt_group",
    "Real-time group scheduling, and real-time threads of the whole host",
    r"""
release=$(uname -r)
kernel=$({
  if [ -r "/boot/config-$release" ]; then cat "/boot/config-$release"
  elif [ -r /proc/config.gz ]; then zcat /proc/config.gz; fi
  tr ' ' '\n' </proc/cmdline
} 2>/dev/null | grep -E '^(# )?CONFIG_RT_GROUP_SCHED|^rt_group_sched=')
printf '== kernel\n%s\n\n== real-time threads\n' "$kernel"
case $kernel in *CONFIG_RT_GROUP_SCHED=y*)
  printf '%s\n' /proc/[0-9]*/task/[0-9]*/stat | xargs cat 2>/dev/null | awk '
    { rest = $0; sub(/^.*\) /, "", rest); name = substr($0, 1, length($0) - length(rest) - 1); sub(/^[0-9]+ /, "", name)
      tid = $1; $0 = rest; if ($39 == 1 || $39 == 2) print tid, $39, $38, name }' |
  while read -r tid policy priority name; do
    { while IFS= read -r line; do
      case $line in 0::/*) printf '%s %s %s %s %s\n' "$tid" "$policy" "$priority" "$name" "${line#0::}" ;; esac
    done <"/proc/$tid/cgroup"; } 2>/dev/null
  done ;;
esac
printf '\n== end\n'
""",
    looks_like=r"\A== kernel$[\s\S]*^== real-time threads$",
    optional=True,
)
RULE = Rule(
    "rt_group",
    "the cpu controller is not handed down, the kernel has CONFIG_RT_GROUP_SCHED, and real-time threads run below",
    "Documentation/admin-guide/cgroup-v2.rst, CPU",
    "before +cpu move them to the root cgroup or make them normal (chrt --other); from 6.16 on rt_group_sched=0 at boot does too",
)
FACT = FactSpec("rt_threads", "int", "real-time threads that would make the kernel refuse +cpu; none when that was not looked at")


def judge_rt_group(report: Report, stop: str, lines: list[Evidence]) -> None:
    """Say what +cpu in the cgroup ``stop`` would meet. Without the section, or the kernel's configuration, nothing is said."""
    if not report.has("rt_group"):
        return
    section = report.need("rt_group")
    option, kernel_shift = read_file(section, "kernel", parse_group_scheduling)
    tasks, shift = read_file(section, "real-time threads", parse_real_time_tasks)
    if not option:
        return
    below = [task for task in tasks if task.cgroup != "/" and task.cgroup.startswith(f"{stop.rstrip('/')}/")]
    report.fact("rt_threads", len(below))
    if not below:
        return
    first = below[0]
    say = f"real-time threads outside the root cgroup: {len(below)}, first {first.name} ({first.tid}) in {first.cgroup}; "
    say += "+cpu would answer EINVAL until they are in the root cgroup or made normal"
    evidence = [
        *lines,
        report.evidence("rt_group", option + kernel_shift),
        *(report.evidence("rt_group", task.line + shift) for task in below[:3]),
    ]
    report.find("rt_group", Verdict.INFO, say, value=len(below), evidence=evidence, remedy=RULE.remedy)


PROBES: tuple[Probe, ...] = ()
