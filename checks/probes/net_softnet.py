"""net.softnet: does the kernel's receive path drop packets, run out of time, or lean on one CPU?

Knowledge: net/core/net-procfs.c and dev.c of the kernel, Documentation/admin-guide/sysctl/net.rst. Counters since boot say
nothing of now, so only the growth between two samples is judged.
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.analyzers.counters import growth, seconds_between
from checks.collectors.kernel import UPTIME
from checks.collectors.network import NETDEV_KNOBS, SOFTNET
from checks.errors import EvidenceError
from checks.parsers.files import split_files
from checks.parsers.reading import read, read_file, whole_number
from checks.parsers.softnet_stat import SoftnetRow, parse_cpu_list, parse_softnet
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Evidence, Reason, Verdict

_BACKLOG = "/proc/sys/net/core/netdev_max_backlog"
_ONLINE = "/sys/devices/system/cpu/online"


@dataclass(frozen=True)
class Cpu:
    """One CPU between the samples."""

    number: int
    line: int
    processed: int
    dropped: int
    time_squeeze: int
    received_rps: int
    flow_limit: int
    backlog: tuple[int, int] | None

    @property
    def drop_ratio(self) -> float:
        return self.dropped / max(self.processed, 1)


def judge(report: Report) -> None:
    if "softnet_a" in report.sections and "softnet_b" not in report.sections:
        _tell_since_boot(report)
        return
    rows = [read(report.need(name), parse_softnet) for name in ("softnet_a", "softnet_b")]
    online, max_backlog = _knobs(report)
    seconds = seconds_between(report.sections, report.need)
    cpus = _cpus(rows[0], rows[1], online)
    report.fact("per_cpu", [_fact(cpu) for cpu in cpus], "softnet_b", 1)
    for name in ("processed", "dropped", "time_squeeze", "flow_limit"):
        report.fact(f"{name}_delta", sum(getattr(cpu, name) for cpu in cpus))
    _judge_drops(report, cpus)
    _judge_backlog(report, cpus, max_backlog)
    if limited := [cpu for cpu in cpus if cpu.flow_limit]:
        say = f"the flow limit dropped {sum(cpu.flow_limit for cpu in limited)} packets of large flows"
        report.find("flow_limit", Verdict.INFO, say, evidence=_lines(report, limited))
    if seconds is None:
        report.unknown(Reason.MISSING, "rates per second need /proc/uptime with each sample", rule="time_squeeze")
        return
    report.fact("packets_per_s", round(sum(cpu.processed for cpu in cpus) / seconds, 1))
    _judge_squeeze(report, cpus, seconds)
    _judge_skew(report, cpus, seconds)


def _tell_since_boot(report: Report) -> None:
    """One sample tells of the whole time since boot, not of now."""
    rows = read(report.need("softnet_a"), parse_softnet)
    worst = max(rows, key=lambda row: (row.dropped, row.time_squeeze))
    dropped, squeezed = sum(row.dropped for row in rows), sum(row.time_squeeze for row in rows)
    say = f"{len(rows)} CPUs dropped {dropped} packets and ran out of their receive budget {squeezed} times since boot"
    line = report.evidence("softnet_a", worst.line)
    report.unknown(Reason.MISSING, f"{say}; whether they do now takes a second sample", [line], rule="dropped")


def _knobs(report: Report) -> tuple[list[int] | None, int | None]:
    """The CPUs online and netdev_max_backlog; None for what was not collected."""
    if "netdev_knobs" not in report.sections:
        return None, None
    section = report.need("netdev_knobs")
    backlog, shift = read_file(section, _BACKLOG, lambda text: whole_number(text.strip()))
    report.fact("netdev_max_backlog", backlog, "netdev_knobs", shift + 1)
    files = split_files(section.text)
    if files.complete and _ONLINE not in (*files, *files.absent):  # a list of sysctls does not hold it
        return None, backlog
    return read_file(section, _ONLINE, parse_cpu_list)[0], backlog


def _cpus(before: list[SoftnetRow], after: list[SoftnetRow], online: list[int] | None) -> list[Cpu]:
    if len(before) != len(after) or [row.cpu for row in before] != [row.cpu for row in after]:
        say = f"the samples hold {len(before)} and {len(after)} CPUs: one of them was cut, or a CPU went on or off line"
        raise EvidenceError(say, Reason.TRUNCATED, "softnet_b")
    if online and len(online) != len(after):
        say = f"softnet_stat holds {len(after)} rows for {len(online)} CPUs online: it was cut"
        raise EvidenceError(say, Reason.TRUNCATED, "softnet_b")
    cpus = []
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        number = new.cpu if new.cpu is not None else online[place] if online else place
        grown = {
            name: growth(f"{name} of CPU {number}", getattr(old, name), getattr(new, name), "softnet_b", new.line)
            for name in ("processed", "dropped", "time_squeeze", "received_rps", "flow_limit")
        }
        backlog = (old.backlog_len, new.backlog_len) if old.backlog_len is not None and new.backlog_len is not None else None
        cpus.append(Cpu(number, new.line, backlog=backlog, **grown))
    return cpus


def _fact(cpu: Cpu) -> dict[str, int | None]:
    return {
        "cpu": cpu.number,
        "processed": cpu.processed,
        "dropped": cpu.dropped,
        "time_squeeze": cpu.time_squeeze,
        "received_rps": cpu.received_rps,
        "flow_limit": cpu.flow_limit,
        "backlog_len": cpu.backlog[1] if cpu.backlog else None,
    }


def _lines(report: Report, cpus: list[Cpu]) -> list[Evidence]:
    """The rows of the first three CPUs, in both samples."""
    return [report.evidence(name, cpu.line) for cpu in cpus[:3] for name in ("softnet_a", "softnet_b")]


def _judge_drops(report: Report, cpus: list[Cpu]) -> None:
    dropping = sorted((cpu for cpu in cpus if cpu.dropped), key=lambda cpu: -cpu.drop_ratio)
    if not dropping:
        say = "no packet was dropped for want of room in a CPU's backlog"
        report.find("dropped", Verdict.OK, say, value=0, evidence=_lines(report, cpus))
        return
    worst = dropping[0]
    level, limit = report.level(worst.drop_ratio, "dropped_warn_ratio", "dropped_crit_ratio")
    say = f"CPU {worst.number} dropped {worst.dropped} of {worst.processed} packets ({worst.drop_ratio:.2%}) between the samples"
    report.find("dropped", level, say, value=worst.drop_ratio, limit=limit, evidence=_lines(report, dropping))


def _judge_squeeze(report: Report, cpus: list[Cpu], seconds: float) -> None:
    order = sorted(cpus, key=lambda cpu: -cpu.time_squeeze)
    rate = order[0].time_squeeze / seconds
    level, limit = report.level(rate, "squeeze_warn_per_s", "squeeze_crit_per_s")
    say = f"CPU {order[0].number} ran out of its receive budget {rate:.1f} times a second"
    report.find("time_squeeze", level, say, value=round(rate, 2), limit=limit, evidence=_lines(report, order[:1]))


def _judge_backlog(report: Report, cpus: list[Cpu], max_backlog: int | None) -> None:
    waiting = sorted((cpu for cpu in cpus if cpu.backlog and min(cpu.backlog)), key=lambda cpu: -min(cpu.backlog or (0, 0)))
    if not waiting:
        return
    if max_backlog is None:
        report.unknown(Reason.MISSING, "packets wait in a backlog, but netdev_max_backlog was not collected", rule="backlog")
        return
    length = min(waiting[0].backlog or (0, 0))
    level, limit = report.level(length / max(max_backlog, 1), "backlog_ratio")
    if level != Verdict.OK:
        say = (
            f"{length} packets or more wait in the backlog of CPU {waiting[0].number} in both samples; it can hold {max_backlog}"
        )
        evidence = _lines(report, waiting)
        report.find("backlog", Verdict.CRIT, say, value=length / max(max_backlog, 1), limit=limit, evidence=evidence)


def _judge_skew(report: Report, cpus: list[Cpu], seconds: float) -> None:
    total = sum(cpu.processed for cpu in cpus)
    busiest = max(cpus, key=lambda cpu: cpu.processed)
    share = busiest.processed / max(total, 1)
    busy = len(cpus) >= report.limits["skew_cpus"] and total / seconds >= report.limits["skew_packets_per_s"]
    level, limit = report.level(share, "skew_ratio")
    if busy and level == Verdict.WARN:
        say = f"CPU {busiest.number} of {len(cpus)} processes {share:.0%} of {total / seconds:.0f} packets a second"
        report.find("skew", Verdict.WARN, say, value=round(share, 4), limit=limit, evidence=_lines(report, [busiest]))


PROBES: tuple[Probe, ...] = (
    Probe(
        id="net.softnet",
        title="Receive path by CPU",
        question="Does the kernel's receive path drop packets, run out of time, or lean on one CPU?",
        collectors=(UPTIME, SOFTNET, NETDEV_KNOBS),
        judge=judge,
        thresholds=(
            Threshold("dropped_warn_ratio", 0.0, "of packets", "dropped of processed packets, any", "net/core/dev.c"),
            Threshold("dropped_crit_ratio", 0.001, "of packets", "dropped of processed packets", "judgement"),
            Threshold("squeeze_warn_per_s", 10, "per second", "rounds cut short by the budget, worst CPU", "judgement"),
            Threshold("squeeze_crit_per_s", 100, "per second", "rounds cut short by the budget, worst CPU", "judgement"),
            Threshold("backlog_ratio", 0.5, "of netdev_max_backlog", "packets waiting in both samples", "judgement"),
            Threshold("skew_ratio", 0.8, "of packets", "share of the busiest CPU", "judgement"),
            Threshold("skew_cpus", 4, "CPUs", "fewer CPUs than this are not judged for skew", "judgement"),
            Threshold("skew_packets_per_s", 10000, "packets per second", "less traffic is not judged for skew", "judgement"),
        ),
        facts=(
            FactSpec(
                "per_cpu", "list", "growth by CPU: processed, dropped, time_squeeze, received_rps, flow_limit; backlog_len now"
            ),
            FactSpec("processed_delta", "int", "packets processed between the samples"),
            FactSpec("dropped_delta", "int", "packets dropped between the samples"),
            FactSpec("time_squeeze_delta", "int", "rounds cut short between the samples"),
            FactSpec("flow_limit_delta", "int", "packets dropped by the flow limit between the samples"),
            FactSpec("packets_per_s", "float", "packets processed per second"),
            FactSpec("netdev_max_backlog", "int", "packets a CPU's backlog can hold"),
        ),
        rules=(
            Rule(
                "dropped",
                "a CPU's backlog was full (netdev_max_backlog: the path of RPS and veth; drops in a NIC's ring do not show here)",
                "Documentation/admin-guide/sysctl/net.rst",
                "raise net.core.netdev_max_backlog, spread interrupts or RPS over more CPUs, look for what hogs the CPU",
            ),
            Rule(
                "time_squeeze",
                "a receive round ended with work left, by netdev_budget or netdev_budget_usecs",
                "Documentation/admin-guide/sysctl/net.rst",
                "raise net.core.netdev_budget and netdev_budget_usecs together, or find what hogs the CPU",
            ),
            Rule(
                "backlog",
                "packets wait in a CPU's backlog in both samples",
                "net/core/net-procfs.c",
                "find what keeps that CPU from its softirqs: a long read in the kernel, an interrupt storm",
            ),
            Rule("flow_limit", "the flow limit drops packets of large flows", "Documentation/networking/scaling.rst"),
            Rule(
                "skew",
                "one CPU processes nearly all packets",
                "Documentation/networking/scaling.rst",
                "spread the NIC's queues over CPUs (RSS, irqbalance), or turn RPS on",
            ),
        ),
        sources=("net/core/net-procfs.c", "Documentation/admin-guide/sysctl/net.rst", "Documentation/networking/scaling.rst"),
    ),
)
