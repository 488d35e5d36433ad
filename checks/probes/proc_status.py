"""proc.status: is that process alive, what does it spend its time on, which signals does it take?

Knowledge: proc(5), signal(7); writeup on Redis timeouts (a kubelet that spends its time in the kernel).
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.analyzers.counters import growth, seconds_between
from checks.analyzers.signals import holds, names
from checks.collectors.kernel import UPTIME
from checks.collectors.process import PROCESS
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.mountinfo import parse_mountinfo
from checks.parsers.proc_process import ProcStat, ProcStatus, parse_process_cgroup, parse_stat, parse_status
from checks.parsers.reading import is_files, read, read_file, whole_numbers
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Reason, Section, Verdict

TICKS_PER_S = 100  # USER_HZ, the same on every architecture that runs containers
_HIDING = {"hidepid=1", "hidepid=2", "hidepid=4", "hidepid=noaccess", "hidepid=invisible", "hidepid=ptraceable"}


@dataclass(frozen=True)
class Sample:
    """The process in one sample; the numbers turn the files' line numbers into the section's."""

    stat: ProcStat
    status: ProcStatus
    cgroups: dict[str, str]
    stat_at: int
    status_at: int
    cgroup_at: int


def judge(report: Report) -> None:
    first = report.need("process_a")
    if not is_files(first):
        _judge_paste(report, first)
        return
    before, after = _sample(report, first), _sample(report, report.need("process_b"))
    if before is None and after is None:
        _absent(report, first)
        return
    if before is None or after is None or (before.stat.pid, before.stat.start) != (after.stat.pid, after.stat.start):
        raise EvidenceError("the process started, ended or was replaced between the samples", Reason.COUNTER_RESET, "process_b")
    seconds = seconds_between(report.sections, report.need)
    _facts(report, after.status, after.status_at)
    _cgroup_facts(report, after)
    _judge_state(report, before, after)
    _judge_times(report, before, after, seconds)


def _sample(report: Report, section: Section) -> Sample | None:
    pids, shift = read_file(section, "pids", whole_numbers)
    report.fact("pids", pids, section.name, shift + 1)
    if not pids:
        return None
    stat, stat_at = read_file(section, "/stat", parse_stat)
    status, status_at = read_file(section, "/status", parse_status)
    cgroups, cgroup_at = read_file(section, "/cgroup", parse_process_cgroup)
    return Sample(stat, status, cgroups, stat_at, status_at, cgroup_at)


def _absent(report: Report, section: Section) -> None:
    mounts, shift = read_file(section, "proc mount", parse_mountinfo)
    if mounts and _HIDING & {*mounts[0].options, *mounts[0].super_options}:
        line = report.evidence(section.name, shift + 1, "hidepid")
        report.unknown(Reason.NEED_PRIVILEGE, "/proc hides the processes of other users from this one (hidepid)", [line])
    elif report.params.get("pid"):
        report.unknown(Reason.MISSING, f"there is no process {report.params['pid']} on this host")
    elif report.params.get("process"):
        report.skip(f"no process is called {report.params['process']} on this host")
    else:
        report.unknown(Reason.PARAM_INVALID, "give a pid or the name of a process, such as process: kubelet")


def _judge_paste(report: Report, section: Section) -> None:
    """A raw paste of /proc/PID/status: facts, but no times."""
    status = read(section, parse_status)
    _facts(report, status, 0, section.name)
    say = f"{status.name} has state {status.state}; what it spends its time on needs two samples"
    report.unknown(Reason.MISSING, say, [report.evidence(section.name, status.fields["State"].line, "State")])


def _facts(report: Report, status: ProcStatus, shift: int, section: str = "process_b") -> None:
    values = {
        "pid": (status.pid, "Pid"),
        "ppid": (status.ppid, "PPid"),
        "comm": (status.name, "Name"),
        "state": (status.state, "State"),
        "threads": (status.threads, "Threads"),
        "rss_bytes": (status.rss_bytes, "VmRSS"),
        "uid": (status.uid, "Uid"),
        "ns_pid": (status.ns_pids[-1] if status.ns_pids else None, "NSpid"),
        "sig_blocked": (f"{status.blocked:016x}", "SigBlk"),
        "sig_ignored": (f"{status.ignored:016x}", "SigIgn"),
        "sig_caught": (f"{status.caught:016x}", "SigCgt"),
        "signals_caught": (names(status.caught), "SigCgt"),
        "catches_term": (holds(status.caught, "TERM"), "SigCgt"),
    }
    for fact, (value, row) in values.items():
        report.fact(fact, value, section, status.fields[row].line + shift if row in status.fields else 0)


def _cgroup_facts(report: Report, sample: Sample) -> None:
    report.fact("cgroups", sample.cgroups, "process_b", sample.cgroup_at + 1)
    path = sample.cgroups.get("memory", sample.cgroups.get("", sample.cgroups.get("cpu")))
    report.fact("cgroup", path)


def _judge_state(report: Report, before: Sample, after: Sample) -> None:
    name, states = f"{after.stat.comm} ({after.stat.pid})", before.stat.state + after.stat.state
    lines = [report.evidence(f"process_{end}", sample.stat_at + 1) for end, sample in zip("ab", (before, after), strict=True)]
    if after.stat.state in "ZX":
        say = f"{name} is a zombie: it has ended, and its parent {after.stat.ppid} has not collected it"
        report.find("state", Verdict.CRIT, say, value=after.stat.state, evidence=lines)
    elif states == "DD":
        say = f"{name} is in uninterruptible sleep (D) in both samples: it waits for a disk or a lock, or is frozen"
        report.find("state", Verdict.WARN, say, value="D", evidence=lines)
    elif after.stat.state in "Tt":
        say = f"{name} is stopped (by a signal or a debugger)"
        report.find("state", Verdict.WARN, say, value=after.stat.state, evidence=lines)
    else:
        say = f"{name} is there with {after.stat.threads} threads, state {after.stat.state}"
        report.find("state", Verdict.OK, say, value=after.stat.state, evidence=lines)


def _judge_times(report: Report, before: Sample, after: Sample, seconds: float | None) -> None:
    line = after.stat_at + 1
    user = growth("utime", before.stat.utime, after.stat.utime, "process_b", line)
    system = growth("stime", before.stat.stime, after.stat.stime, "process_b", line)
    share = system / (user + system) if user + system else 0.0
    report.fact("system_share", round(share, 4), "process_b", line)
    if seconds is None:
        report.unknown(Reason.MISSING, "CPU times per second need /proc/uptime with each sample", rule="system_time")
        return
    cpus, user_cpus = system / TICKS_PER_S / seconds, user / TICKS_PER_S / seconds
    report.fact("user_cpus", round(user_cpus, 3), "process_b", line)
    report.fact("system_cpus", round(cpus, 3), "process_b", line)
    level, limit = report.level(share, "system_share")
    if cpus < report.limits["least_system_cpus"]:
        level = Verdict.OK
    say = f"{after.stat.comm} spends {share:.0%} of its time in the kernel ({cpus:.2f} of {user_cpus + cpus:.2f} CPUs)"
    lines = [report.evidence("process_a", before.stat_at + 1), report.evidence("process_b", line)]
    report.find("system_time", level, say, value=round(share, 4), limit=limit, evidence=lines)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="proc.status",
        title="One process",
        question="Is that process alive, what does it spend its time on, which signals does it take?",
        collectors=(UPTIME, PROCESS),
        judge=judge,
        params=(
            Param("pid", "pid", None, "the process, by its id"),
            Param("process", "process", None, "the process, by its name, such as kubelet; of several the oldest"),
        ),
        thresholds=(
            Threshold("system_share", 0.5, "of CPU time", "time spent in the kernel", "judgement"),
            Threshold("least_system_cpus", 0.2, "CPUs", "less time in the kernel is not judged", "judgement"),
        ),
        facts=(
            FactSpec("pid", "int", "the process"),
            FactSpec("pids", "list", "all processes of that name"),
            FactSpec("ppid", "int", "its parent"),
            FactSpec("comm", "str", "its name, up to 15 bytes"),
            FactSpec("state", "str", "R running, S sleeping, D uninterruptible, T stopped, Z zombie"),
            FactSpec("threads", "int", "threads"),
            FactSpec("uid", "int", "real user id"),
            FactSpec("rss_bytes", "int", "memory in RAM; none for a kernel thread"),
            FactSpec("ns_pid", "int", "its pid in its own pid namespace; 1 for a container's first process; none before 4.1"),
            FactSpec("user_cpus", "float", "CPUs spent in user space"),
            FactSpec("system_cpus", "float", "CPUs spent in the kernel"),
            FactSpec("system_share", "float", "kernel's share of its CPU time"),
            FactSpec("cgroup", "str", "its memory cgroup, or its cgroup v2"),
            FactSpec("cgroups", "dict", "its path in each hierarchy; v2 under the empty name"),
            FactSpec("sig_blocked", "str", "mask of blocked signals, hexadecimal"),
            FactSpec("sig_ignored", "str", "mask of ignored signals, hexadecimal"),
            FactSpec("sig_caught", "str", "mask of caught signals, hexadecimal"),
            FactSpec("signals_caught", "list", "names of the caught signals"),
            FactSpec("catches_term", "bool", "SIGTERM has a handler; Go, Java and node set one themselves"),
        ),
        rules=(
            Rule(
                "state",
                "the process is a zombie, stopped, or in uninterruptible sleep in both samples",
                "proc(5)",
                "for D look at its wait channel and the disks (cgroup v1's freezer shows D too); for Z look at its parent",
            ),
            Rule(
                "system_time",
                "most of its CPU time is spent in the kernel",
                "writeup on Redis timeouts",
                "find the system call (perf top, strace -c by the operator); for a kubelet look at dying memory cgroups first",
            ),
        ),
        sources=("proc(5)", "signal(7)", "writeup on Redis timeouts"),
    ),
)
