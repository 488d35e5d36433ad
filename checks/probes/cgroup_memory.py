"""cgroup.memory: is that cgroup short of memory, reclaiming at its limit, or being killed?

Knowledge: Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst, accounting/psi.rst; kubernetes issue 61937 (kernel
memory on 3.10). Reclaim at the limit is no kill; page cache at the limit is healthy: the working set leaves inactive cache out.
"""

from __future__ import annotations

from checks.analyzers.cgroup_memory import MemoryUse, memory_use
from checks.analyzers.kernel_version import parse_release
from checks.collectors.cgroup_target import MEMORY, TARGET_PARAMS
from checks.collectors.kernel import KERNEL
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.probes.cgroup_memory_paste import pasted_use
from checks.probes.cgroup_target import TARGET_FACTS, samples, unseen
from checks.results import Evidence, Reason, Verdict

_MIB = 1 << 20
_EL7_KERNEL = (3, 11, 0)


def judge(report: Report) -> None:
    kernel = read(report.need("kernel"), parse_release) if "kernel" in report.sections else None
    pair = samples(report, "mem")
    if pair is None:
        return
    pasted = pair[1].pasted
    if pasted:
        uses = [pasted_use(report, pair)]
    else:
        uses = [memory_use(before, after) for before, after in zip(pair[0].levels, pair[1].levels, strict=True)]
    own = uses[0]
    if own is None:
        report.find("working_set", Verdict.INFO, "the process sits in the root memory cgroup: only the host's memory bounds it")
        return
    above = [use for use in uses[1:] if use]
    _facts(report, own, above)
    _judge_events(report, own)
    for use in above:
        if use.limit is not None and use.grown.get("max"):
            _judge_reclaim(report, use)
    if pasted and not {"usage", "limit"} <= set(own.lines):
        report.unknown(Reason.MISSING, f"the usage or the limit of {own.path} was not pasted", rule="working_set")
    else:
        _judge_working_set(report, own, withheld=pair[1].withheld)
    if own.pressure:
        _judge_pressure(report, own)
    if own.kmem is not None and (kernel is None or kernel.below(_EL7_KERNEL)):
        _judge_kmem(report, own, known=kernel is not None)
    unseen(report, pair[1], "the limits", "working_set")


def _facts(report: Report, own: MemoryUse, above: list[MemoryUse]) -> None:
    limited = [use for use in (own, *above) if use.limit is not None]
    tightest = min(limited, key=lambda use: use.limit or 0, default=None)
    report.fact("usage_bytes", own.usage if "usage" in own.lines else None, own.section, own.lines.get("usage", 0))
    report.fact("limit_bytes", own.limit, own.section, own.lines.get("limit", 0))
    report.fact("effective_limit_bytes", tightest.limit if tightest else None)
    report.fact("limiting_path", tightest.path if tightest else None)
    report.fact("working_set_bytes", own.working_set, own.section, own.lines.get("memory.stat", 0))
    used = own.working_set if own.working_set is not None else None
    report.fact("used_ratio", round(used / max(own.limit, 1), 4) if used is not None and own.limit is not None else None)
    report.fact("failcnt_delta", own.grown.get("max"))
    report.fact("events_delta", own.grown)
    report.fact("under_oom", own.under_oom)
    report.fact("psi_full_avg10", own.pressure.avg10 if own.pressure else None)
    for fact, names in (
        ("anon_bytes", ("total_rss", "anon")),
        ("file_bytes", ("total_cache", "file")),
        ("slab_bytes", ("slab",)),
        ("sock_bytes", ("sock",)),
    ):
        name = next((name for name in names if name in own.stat), None)
        report.fact(fact, int(own.stat[name]) if name else None)


def _lines(report: Report, use: MemoryUse, *names: str) -> list[Evidence]:
    """The first line of those files of the level, in the second sample."""
    return [report.evidence(use.section, use.lines[name]) for name in names if use.lines.get(name)]


def _judge_events(report: Report, own: MemoryUse) -> None:
    files = ("memory.events", "memory.oom_control")
    if killed := own.grown.get("oom_kill"):
        say = f"{killed} processes of {own.path} were killed for want of memory between the samples"
        report.find("oom_kill", Verdict.CRIT, say, value=killed, evidence=_lines(report, own, *files))
    if own.under_oom and own.kill_disabled:
        say = f"{own.path} is out of memory and may not kill: its tasks hang until memory is freed or the limit raised"
        report.find("oom_stuck", Verdict.CRIT, say, evidence=_lines(report, own, "memory.oom_control"))
    if own.grown.get("max"):
        _judge_reclaim(report, own)
    if high := own.grown.get("high"):
        say = f"{own.path} was slowed down {high} times for being above memory.high"
        report.find("above_high", Verdict.WARN, say, value=high, evidence=_lines(report, own, "memory.events"))


def _judge_reclaim(report: Report, use: MemoryUse) -> None:
    say = f"{use.path} reclaimed {use.grown['max']} times at its limit of {(use.limit or 0) / _MIB:.0f} MiB between the samples"
    evidence = _lines(report, use, "memory.events", "memory.failcnt", "limit")
    report.find("reclaim", Verdict.WARN, say, value=use.grown["max"], evidence=evidence)


def _judge_working_set(report: Report, own: MemoryUse, *, withheld: bool) -> None:
    evidence = _lines(report, own, "usage", "limit")
    if own.limit is None:
        say = f"{own.path} uses {own.usage / _MIB:.0f} MiB and has no limit of its own"
        report.find("working_set", Verdict.OK, say, evidence=evidence)
        return
    used = own.working_set
    if used is None and report.level(own.usage / max(own.limit, 1), "used_warn_ratio")[0] == Verdict.OK:
        used = own.usage  # cache included, and still below
    if used is None:
        why = "memory.stat of a tree of more than 64 cgroups is not read" if withheld else "memory.stat is missing"
        say = f"{own.path} uses {own.usage / _MIB:.0f} of {own.limit / _MIB:.0f} MiB, cache included; {why}"
        report.unknown(Reason.MISSING, say, evidence, rule="working_set")
        return
    ratio = used / max(own.limit, 1)
    level, limit = report.level(ratio, "used_warn_ratio", "used_crit_ratio")
    say = f"the working set of {own.path} is {used / _MIB:.0f} of {own.limit / _MIB:.0f} MiB ({ratio:.0%})"
    if level == Verdict.OK and own.usage / max(own.limit, 1) >= report.limits["used_warn_ratio"]:
        say += "; the rest up to its limit is page cache, which is healthy"
    report.find("working_set", level, say, value=round(ratio, 4), limit=limit, evidence=evidence)


def _judge_pressure(report: Report, own: MemoryUse) -> None:
    assert own.pressure is not None
    level, limit = report.level(own.pressure.avg10, "psi_warn", "psi_crit")
    say = f"all tasks of {own.path} waited for memory {own.pressure.avg10:.1f} % of the last 10 seconds"
    evidence = [report.evidence(own.section, own.lines["memory.pressure"] + own.pressure.line - 1, "full")]
    report.find("pressure", level, say, value=own.pressure.avg10, limit=limit, evidence=evidence)


def _judge_kmem(report: Report, own: MemoryUse, *, known: bool) -> None:
    ratio = (own.kmem or 0) / max(own.usage, 1)
    level, limit = report.level(ratio, "kmem_ratio")
    if level == Verdict.WARN and not known:
        say = f"{ratio:.0%} of {own.path} is kernel memory; whether it leaks depends on the kernel: collect uname -r"
        report.unknown(Reason.MISSING, say, rule="kmem")
    elif level == Verdict.WARN:
        say = f"{ratio:.0%} of the memory of {own.path} is kernel memory: this kernel leaks it"
        evidence = _lines(report, own, "memory.kmem.usage_in_bytes", "usage")
        report.find("kmem", Verdict.WARN, say, value=round(ratio, 4), limit=limit, evidence=evidence)


_RAISE = "raise the limit, find the leak, or set memory.high below it; dmesg names the victim of a kill"

PROBES: tuple[Probe, ...] = (
    Probe(
        id="cgroup.memory",
        title="Memory limit of a cgroup",
        question="Is that cgroup short of memory, reclaiming at its limit, or being killed?",
        collectors=(MEMORY, KERNEL),
        judge=judge,
        params=TARGET_PARAMS,
        thresholds=(
            Threshold("used_warn_ratio", 0.90, "of the limit", "working set", "judgement"),
            Threshold("used_crit_ratio", 0.97, "of the limit", "working set", "judgement"),
            Threshold("psi_warn", 10, "% of time", "all tasks waiting for memory", "judgement"),
            Threshold("psi_crit", 30, "% of time", "all tasks waiting for memory", "judgement"),
            Threshold("kmem_ratio", 0.3, "of usage", "kernel memory on 3.10", "kubernetes issue 61937", "I"),
        ),
        facts=(
            *TARGET_FACTS,
            FactSpec("usage_bytes", "int", "memory charged to it, page cache included"),
            FactSpec("limit_bytes", "int", "its own limit; none when it has none"),
            FactSpec("effective_limit_bytes", "int", "the smallest limit from it up to the root"),
            FactSpec("limiting_path", "str", "the cgroup that has the smallest limit"),
            FactSpec("working_set_bytes", "int", "usage without inactive file cache; none when memory.stat was not read"),
            FactSpec("used_ratio", "float", "working set of its own limit"),
            FactSpec("failcnt_delta", "int", "reclaims at its limit between the samples"),
            FactSpec("events_delta", "dict", "growth of each memory event between the samples"),
            FactSpec("under_oom", "bool", "v1: it is out of memory now"),
            FactSpec("psi_full_avg10", "float", "per cent of the last 10 s in which all its tasks waited for memory"),
            FactSpec("anon_bytes", "int", "anonymous memory"),
            FactSpec("file_bytes", "int", "page cache"),
            FactSpec("slab_bytes", "int", "kernel objects (v2)"),
            FactSpec("sock_bytes", "int", "network buffers (v2)"),
        ),
        rules=(
            Rule("oom_kill", "processes were killed between the samples", "Documentation/admin-guide/cgroup-v2.rst", _RAISE),
            Rule(
                "oom_stuck",
                "out of memory with the killer off: tasks hang",
                "Documentation/admin-guide/cgroup-v1/memory.rst, oom_control",
                "raise the limit or end a task; let the killer on (oom_kill_disable 0)",
            ),
            Rule(
                "reclaim", "memory was reclaimed at the limit", "Documentation/admin-guide/cgroup-v2.rst, memory.events", _RAISE
            ),
            Rule("above_high", "slowed down above memory.high", "Documentation/admin-guide/cgroup-v2.rst, memory.high", _RAISE),
            Rule("working_set", "the working set is near the limit", "kubelet's definition of the working set", _RAISE),
            Rule("pressure", "all tasks wait for memory", "Documentation/accounting/psi.rst", _RAISE),
            Rule(
                "kmem",
                "much kernel memory on a 3.10 kernel",
                "kubernetes issue 61937",
                "boot with cgroup.memory=nokmem, or move to kernel 3.10.0-1075 or newer",
            ),
        ),
        sources=(
            "Documentation/admin-guide/cgroup-v1/memory.rst",
            "Documentation/admin-guide/cgroup-v2.rst",
            "kubernetes issue 61937",
        ),
    ),
)
