"""net.softirq: how much of each CPU do softirqs take?

Knowledge: proc(5); Documentation/networking/scaling.rst. A softirq that cannot keep up is handed to that CPU's ksoftirqd thread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.analyzers.counters import growth, seconds_between
from checks.collectors.kernel import UPTIME
from checks.collectors.network import CPU_TIMES, KSOFTIRQD, SOFTIRQS
from checks.errors import EvidenceError, ParseError
from checks.parsers.mpstat import parse_mpstat
from checks.parsers.proc_process import ProcStat, parse_stat
from checks.parsers.reading import read, whole_lines
from checks.parsers.softirqs import ALL_CPUS, parse_cpu_times, parse_softirqs
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Reason, Verdict

TICKS_PER_S = 100


@dataclass(frozen=True)
class Cpu:
    """One CPU between the samples."""

    number: int
    net_rx: int
    share: float
    ticks: int
    line: int


def judge(report: Report) -> None:
    if "stat_a" in report.sections and "%soft" in report.need("stat_a").text:
        _judge_mpstat(report)
        return
    if "softirqs_a" in report.sections and "softirqs_b" not in report.sections:
        _tell_since_boot(report)
        return
    seconds = seconds_between(report.sections, report.need)
    cpus = _cpus(report)
    threads = _threads(report)
    by_share = sorted(cpus, key=lambda cpu: -cpu.share)
    rate = (lambda count: round(count / seconds, 1)) if seconds else (lambda count: None)
    report.fact(
        "per_cpu",
        [{"cpu": cpu.number, "net_rx_per_s": rate(cpu.net_rx), "softirq_share": round(cpu.share, 4)} for cpu in cpus],
        "softirqs_b",
        1,
    )
    worst = by_share[0]
    report.fact("busiest_cpu", worst.number, "stat_b", worst.line)
    report.fact("softirq_share", round(worst.share, 4), "stat_b", worst.line)
    level, limit = report.level(worst.share, "share_warn", "share_crit")
    say = f"CPU {worst.number} spends {worst.share:.0%} of its time in softirqs"
    lines = [report.evidence(f"stat_{end}", worst.line) for end in "ab"]
    report.find("softirq_share", level, say, value=round(worst.share, 4), limit=limit, evidence=lines)
    if threads is None or seconds is None:
        say = "the CPU time of ksoftirqd needs two samples of it and of /proc/uptime"
        report.unknown(Reason.MISSING, say, rule="ksoftirqd")
    else:
        _judge_threads(report, threads, seconds)


def _judge_mpstat(report: Report) -> None:
    """mpstat shows shares of an interval already."""
    rows = read(report.need("stat_a"), parse_mpstat)
    worst = max(rows, key=lambda row: row.softirq_share)
    report.fact("busiest_cpu", worst.cpu, "stat_a", worst.line)
    report.fact("softirq_share", worst.softirq_share, "stat_a", worst.line)
    level, limit = report.level(worst.softirq_share, "share_warn", "share_crit")
    say = f"CPU {worst.cpu} spends {worst.softirq_share:.0%} of its time in softirqs"
    line = report.evidence("stat_a", worst.line)
    report.find("softirq_share", level, say, value=worst.softirq_share, limit=limit, evidence=[line])
    report.unknown(Reason.MISSING, "the CPU time of ksoftirqd was not collected", rule="ksoftirqd")


def _tell_since_boot(report: Report) -> None:
    """One sample tells of the whole time since boot, not of now."""
    found = read(report.need("softirqs_a"), parse_softirqs)
    if "NET_RX" not in found.counts:
        raise EvidenceError("/proc/softirqs has no row NET_RX", Reason.TRUNCATED, "softirqs_a")
    by_cpu = found.counts["NET_RX"]
    busiest = max(by_cpu, key=lambda cpu: by_cpu[cpu])
    share = by_cpu[busiest] / max(sum(by_cpu.values()), 1)
    say = f"CPU {busiest} took {share:.0%} of all NET_RX softirqs since boot; its load now takes two samples, of /proc/stat too"
    report.unknown(Reason.MISSING, say, [report.evidence("softirqs_a", found.lines["NET_RX"])], rule="softirq_share")


def _cpus(report: Report) -> list[Cpu]:
    kinds = [read(report.need(f"softirqs_{end}"), parse_softirqs) for end in "ab"]
    times = [read(report.need(f"stat_{end}"), parse_cpu_times) for end in "ab"]
    if "NET_RX" not in kinds[0].counts or "NET_RX" not in kinds[1].counts:
        raise EvidenceError("/proc/softirqs has no row NET_RX", Reason.TRUNCATED, "softirqs_b")
    received = [kind.counts["NET_RX"] for kind in kinds]
    all_before, all_after = (time.pop(ALL_CPUS) for time in times)
    if (
        times[0].keys() != times[1].keys()
        or received[0].keys() != received[1].keys()
        or not times[1].keys() <= received[1].keys()
    ):
        raise EvidenceError("the samples do not hold the same CPUs", Reason.TRUNCATED, "stat_b")
    cpus = []
    for number, new in times[1].items():
        old = times[0][number]
        name = f"of CPU {number}"
        all_time = growth(f"time {name}", old.total, new.total, "stat_b", new.line)
        softirq = growth(f"softirq time {name}", old.softirq, new.softirq, "stat_b", new.line)
        line = kinds[1].lines["NET_RX"]
        packets = growth(f"NET_RX {name}", received[0][number], received[1][number], "softirqs_b", line)
        cpus.append(Cpu(number, packets, softirq / max(all_time, 1), all_time, new.line))
    missing = (all_after.total - all_before.total) - sum(cpu.ticks for cpu in cpus)
    # half a CPU's time, and what rounding each of the columns may add: more is a row that was cut from both samples
    if missing > max(cpu.ticks for cpu in cpus) / 2 + 4 * len(cpus):
        raise EvidenceError("the CPUs' times do not add up to the time of all: rows are missing", Reason.TRUNCATED, "stat_b")
    return cpus


def _threads(report: Report) -> tuple[list[ProcStat], list[ProcStat]] | None:
    if "ksoftirqd_a" not in report.sections and "ksoftirqd_b" not in report.sections:
        return None
    before, after = (read(report.need(f"ksoftirqd_{end}"), _parse_threads) for end in "ab")
    return before, after


def _parse_threads(text: str) -> list[ProcStat]:
    lines = whole_lines(text)
    if not lines or lines[-1] != "end":
        raise ParseError("the closing line is missing; the output was cut", Reason.TRUNCATED)
    return [parse_stat(f"{line}\n") for line in lines[:-1]]


def _judge_threads(report: Report, threads: tuple[list[ProcStat], list[ProcStat]], seconds: float) -> None:
    before = {thread.pid: thread for thread in threads[0]}
    shares: dict[int, tuple[float, int]] = {}
    for line, thread in enumerate(threads[1], 1):
        cpu = re.fullmatch(r"ksoftirqd/(\d+)", thread.comm)
        old = before.get(thread.pid)
        if cpu and old:
            ticks = growth(thread.comm, old.utime + old.stime, thread.utime + thread.stime, "ksoftirqd_b", line)
            shares[int(cpu[1])] = (ticks / TICKS_PER_S / seconds, line)
    report.fact("ksoftirqd", {str(cpu): round(share, 4) for cpu, (share, _) in shares.items()})
    if not shares:
        report.unknown(Reason.MISSING, "no ksoftirqd thread is visible here; collect on the host itself", rule="ksoftirqd")
        return
    cpu_number, (share, line) = max(shares.items(), key=lambda entry: entry[1][0])
    level, limit = report.level(share, "ksoftirqd_warn")
    say = f"ksoftirqd/{cpu_number} takes {share:.0%} of its CPU"
    verdict = Verdict.WARN if level == Verdict.WARN else Verdict.OK
    evidence = [report.evidence("ksoftirqd_b", line)]
    report.find("ksoftirqd", verdict, say, value=round(share, 4), limit=limit, evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="net.softirq",
        title="Softirq load by CPU",
        question="How much of each CPU do softirqs take?",
        collectors=(UPTIME, SOFTIRQS, CPU_TIMES, KSOFTIRQD),
        judge=judge,
        thresholds=(
            Threshold("share_warn", 0.3, "of a CPU", "time in softirqs, busiest CPU", "judgement"),
            Threshold("share_crit", 0.6, "of a CPU", "time in softirqs, busiest CPU", "judgement"),
            Threshold("ksoftirqd_warn", 0.5, "of a CPU", "time of a ksoftirqd thread", "judgement"),
        ),
        facts=(
            FactSpec("per_cpu", "list", "by CPU: NET_RX softirqs per second, share of time in softirqs"),
            FactSpec("busiest_cpu", "int", "the CPU with the largest share"),
            FactSpec("softirq_share", "float", "that share"),
            FactSpec("ksoftirqd", "dict", "share of a CPU that each ksoftirqd takes, by CPU"),
        ),
        rules=(
            Rule(
                "softirq_share",
                "a CPU spends much of its time in softirqs",
                "proc(5), /proc/stat",
                "spread interrupts over CPUs (RSS, irqbalance, RPS); look at net.softnet for what is dropped",
            ),
            Rule(
                "ksoftirqd",
                "softirqs cannot keep up and run in the ksoftirqd thread",
                "Documentation/networking/scaling.rst",
                "spread interrupts over CPUs; raising netdev_budget hides it for a while",
            ),
        ),
        sources=("proc(5)", "Documentation/networking/scaling.rst"),
    ),
)
