"""Part of cgroup.cpu: real-time threads in a cgroup without real-time budget.

Knowledge: Documentation/scheduler/sched-rt-group.rst. A budget of 0 is the default and harms nobody else; with it, making a
thread a real-time one fails with EPERM, and a real-time thread that is in the cgroup already never runs as one.
"""

from __future__ import annotations

from checks.collectors.base import Collector
from checks.collectors.cgroup_target import TARGET_ARGS
from checks.collectors.process import FIND_PROCESS
from checks.parsers.cgroup_tree import Level
from checks.parsers.reading import read_file
from checks.parsers.rt_threads import parse_rt_threads
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.results import Verdict

# Field 40 of the stat file is the priority, 41 the policy; the name before them may hold blanks and parentheses.
RT_THREADS = Collector(
    "rt_threads",
    "Real-time threads of the process",
    FIND_PROCESS
    + r"""
if [ -z "$pid" ]; then files; exit 0; fi
cat "/proc/$pid/task"/*/stat 2>/dev/null | awk '
  { tid = $1; sub(/^.*\) /, ""); n++; if ($39 == 1 || $39 == 2) found = found tid " " $39 " " $38 "\n" }
  END { printf "== threads\nthreads %d\n%s\n== end\n", n, found }'
""",
    args=TARGET_ARGS,
    looks_like=r"\A== pids$[\s\S]*^== threads$",
    optional=True,
)
RULE = Rule(
    "real_time",
    "real-time threads (FIFO, RR) in a cgroup whose cpu.rt_runtime_us is 0 (v1)",
    "Documentation/scheduler/sched-rt-group.rst",
    "give the cgroup and all above it a cpu.rt_runtime_us, or run the program without real-time priority",
)
FACT = FactSpec("rt_threads", "int", "real-time threads of the process; none when no process was asked about")


def judge_real_time(report: Report, leaf: Level) -> None:
    """Judge when both the threads and the budget were collected; a budget of 0 alone is the default."""
    if "rt_threads" not in report.sections:
        return
    section = report.need("rt_threads")
    if "== threads" not in section.lines and section.lines and section.lines[-1] == "== end":
        return
    found, shift = read_file(section, "threads", parse_rt_threads)
    report.fact("rt_threads", len(found.real_time), "rt_threads", shift + 1)
    if not found.real_time or leaf.number("cpu.rt_runtime_us") != 0:
        return
    first = found.real_time[0]
    say = f"{len(found.real_time)} of {found.threads} threads are real-time ones ({first.policy} {first.priority}), "
    say += f"and {leaf.path} has a real-time budget of 0: setting such a priority fails with EPERM"
    evidence = [
        report.evidence(leaf.section, leaf.lines["cpu.rt_runtime_us"]),
        *(report.evidence("rt_threads", thread.line + shift) for thread in found.real_time[:3]),
    ]
    report.find("real_time", Verdict.CRIT, say, value=len(found.real_time), evidence=evidence)


PROBES: tuple[Probe, ...] = ()
