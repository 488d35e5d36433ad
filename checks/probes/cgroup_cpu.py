"""cgroup.cpu: is that cgroup, or one above it, held back by a CPU quota?

Knowledge: Documentation/scheduler/sched-bwc.rst and admin-guide/cgroup-v2.rst; kubernetes issue 67577. Measured: a 20 % quota and
a busy loop gave nr_periods 20, nr_throttled 20, throttled_time 1.54 s.
"""

from __future__ import annotations

from checks.analyzers.cgroup_cpu import CpuUse, cpu_use
from checks.analyzers.counters import growth, seconds_between
from checks.analyzers.kernel_version import parse_release
from checks.collectors.cgroup_target import CPU, CPU_USAGE, TARGET_PARAMS
from checks.collectors.kernel import KERNEL, UPTIME
from checks.parsers.cgroup_tree import Level, Tree
from checks.parsers.keyed import parse_flat_keyed
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.probes.cgroup_real_time import FACT, RT_THREADS, RULE, judge_real_time
from checks.probes.cgroup_target import TARGET_FACTS, samples, tree, unseen
from checks.results import Evidence, Reason, Verdict

_SLICE_EXPIRY = ((4, 18, 0), (5, 4, 0))


def judge(report: Report) -> None:
    pair = samples(report, "cpu")
    if pair is None:
        return
    seconds = seconds_between(report.sections, report.need)
    groups = [cpu_use(*levels) for levels in zip(pair[0].levels, pair[1].levels, strict=True)]
    usage = _usage(report, pair, seconds)
    limited = [group for group in groups if group.quota is not None or (pair[1].pasted and group.periods)]
    _facts(report, pair[1].leaf, groups, usage)
    judge_real_time(report, pair[1].leaf)
    if pair[0] is pair[1] and limited:
        _judge_lifetime(report, limited)
    elif pair[1].pasted and not limited:
        report.unknown(Reason.MISSING, f"the quota of {groups[0].path} was not pasted, or it has none", rule="throttled")
    elif not limited:
        report.find("throttled", Verdict.OK, f"neither {groups[0].path} nor any cgroup above it has a CPU quota", value=0.0)
    else:
        _judge_throttling(report, limited, seconds, usage)
    _judge_quota(report, groups)
    unseen(report, pair[1], "the quotas", "tighter_above")


def _judge_lifetime(report: Report, limited: list[CpuUse]) -> None:
    """Files that were pasted once: the counters say what happened since the cgroup was made, not what happens now."""
    worst = max(limited, key=lambda group: group.ratio)
    counts = f"{worst.throttled} of {worst.periods} periods ({worst.ratio:.0%})"
    say = f"{worst.path} was throttled in {counts}{worst.at} since it was made; whether it is now takes a second cpu.stat"
    report.unknown(Reason.MISSING, say, _lines(report, worst), rule="throttled")


def _lines(report: Report, group: CpuUse) -> list[Evidence]:
    return [report.evidence(*line) for line in group.lines]


def _usage(report: Report, pair: tuple[Tree, Tree], seconds: float | None) -> float | None:
    """CPUs used: from cpu.stat on v2, from cpuacct.usage of the same path on v1."""
    if seconds is None or pair[0] is pair[1]:
        return None
    if pair[1].version == "v2":
        stats = [found.leaf.read("cpu.stat", parse_flat_keyed) or {} for found in pair]
        if not all("usage_usec" in stat for stat in stats):
            return None
        return growth("usage_usec", stats[0]["usage_usec"], stats[1]["usage_usec"], "cpu_b") / 1e6 / seconds
    if "cpu_usage_a" not in report.sections or "cpu_usage_b" not in report.sections:
        return None
    trees = [tree(report, f"cpu_usage_{end}") for end in "ab"]
    if any(not found.levels or found.leaf.path != pair[1].leaf.path for found in trees):
        return None
    used = [found.leaf.number("cpuacct.usage") for found in trees]
    if used[0] is None or used[1] is None:
        return None
    return growth("cpuacct.usage", used[0], used[1], "cpu_usage_b") / 1e9 / seconds


def _facts(report: Report, leaf: Level, groups: list[CpuUse], usage: float | None) -> None:
    limited = [group for group in groups if group.quota is not None]
    tightest = min(limited, key=lambda group: group.quota or 0, default=None)
    report.fact("quota_cpus", groups[0].quota)
    report.fact("effective_quota_cpus", tightest.quota if tightest else None)
    report.fact("limiting_path", tightest.path if tightest else None)
    report.fact("usage_cpus", round(usage, 3) if usage is not None else None)
    for fact, name in (("shares", "cpu.shares"), ("weight", "cpu.weight"), ("rt_runtime_us", "cpu.rt_runtime_us")):
        report.fact(fact, leaf.number(name), leaf.section, leaf.lines.get(name, 0))


def _judge_quota(report: Report, groups: list[CpuUse]) -> None:
    limited = [group for group in groups if group.quota is not None]
    if not limited:
        return
    tightest = min(limited, key=lambda group: group.quota or 0)
    quota = tightest.quota or 0.0
    if quota < report.limits["least_quota_cpus"]:
        say = f"the quota of {tightest.path} is {quota:.3g} CPUs, too little for most programs to start"
        report.find("tiny_quota", Verdict.WARN, say, value=quota, limit="least_quota_cpus", evidence=_lines(report, tightest))
    own = groups[0].quota
    if own is not None and quota < own:
        say = f"{tightest.path} above it has {quota:.3g} CPUs, less than the {own:.3g} of {groups[0].path}"
        report.find(
            "tighter_above", Verdict.WARN, say, value=quota, evidence=_lines(report, groups[0]) + _lines(report, tightest)
        )


def _judge_throttling(report: Report, limited: list[CpuUse], seconds: float | None, usage: float | None) -> None:
    busy = [group for group in limited if group.periods >= report.limits["least_periods"]]
    worst = max(busy or limited, key=lambda group: group.ratio)
    report.fact("throttled_path", worst.path)
    report.fact("nr_periods_delta", worst.periods)
    report.fact("nr_throttled_delta", worst.throttled)
    if not busy:
        say = f"{worst.path} ran in only {worst.periods} periods between the samples: too idle to tell whether it is throttled"
        report.unknown(Reason.IDLE, say, _lines(report, worst), rule="throttled")
        return
    stall = worst.throttled_ms / worst.throttled if worst.throttled else 0.0
    report.fact("throttled_ratio", round(worst.ratio, 4), *worst.lines[-1])
    report.fact("avg_throttle_ms", round(stall, 2) if worst.throttled else None)
    report.fact("throttled_ms_per_s", round(worst.throttled_ms / seconds, 2) if seconds else None)
    level, limit = report.level(worst.ratio, "throttled_warn_ratio", "throttled_crit_ratio")
    counts = f"{worst.throttled} of {worst.periods} periods ({worst.ratio:.0%})"
    say = f"{worst.path} was throttled in {counts}{worst.at}"
    if level != Verdict.OK and stall >= report.limits["stall_ms"]:
        say += f", each time for {stall:.0f} ms"
    report.find("throttled", level, say, value=round(worst.ratio, 4), limit=limit, evidence=_lines(report, worst))
    used = usage / worst.quota if usage is not None and worst.quota else 1.0
    if level == Verdict.CRIT and usage is not None and used < report.limits["spiky_usage_ratio"]:
        _judge_spiky(report, worst, usage)


def _judge_spiky(report: Report, worst: CpuUse, usage: float) -> None:
    say = f"it uses only {usage:.2f} of {worst.quota:.3g} CPUs, so threads come in bursts"
    evidence = _lines(report, worst)
    if "kernel" in report.sections:
        kernel = read(report.need("kernel"), parse_release)
        if _SLICE_EXPIRY[0] <= kernel.version < _SLICE_EXPIRY[1]:
            say += f", or kernel {kernel.short} lets unused quota expire (fixed in 5.4, may be backported)"
            evidence.append(report.evidence("kernel", 1, kernel.text))
    report.find("spiky", Verdict.WARN, say, value=round(usage, 3), evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="cgroup.cpu",
        title="CPU limit and throttling of a cgroup",
        question="Is that cgroup, or one above it, held back by a CPU quota?",
        collectors=(UPTIME, CPU, CPU_USAGE, KERNEL, RT_THREADS),
        judge=judge,
        params=TARGET_PARAMS,
        thresholds=(
            Threshold("least_periods", 20, "periods", "fewer periods between the samples are idle", "judgement"),
            Threshold("throttled_warn_ratio", 0.05, "of periods", "throttled periods", "judgement"),
            Threshold("throttled_crit_ratio", 0.25, "of periods", "throttled periods", "kubernetes-mixin CPUThrottlingHigh"),
            Threshold("stall_ms", 50, "ms", "mean length of a throttling that is worth saying", "judgement"),
            Threshold("spiky_usage_ratio", 0.8, "of the quota", "usage below this although throttled", "judgement"),
            Threshold("least_quota_cpus", 0.1, "CPUs", "a quota below this is suspicious", "judgement"),
        ),
        facts=(
            *TARGET_FACTS,
            FactSpec("quota_cpus", "float", "CPUs of its own quota (quota / period); none when it has none"),
            FactSpec("effective_quota_cpus", "float", "the smallest quota from it up to the root"),
            FactSpec("limiting_path", "str", "the cgroup that has the smallest quota"),
            FactSpec("shares", "int", "cpu.shares (v1); matters only when CPUs are short"),
            FactSpec("weight", "int", "cpu.weight (v2); matters only when CPUs are short"),
            FactSpec("rt_runtime_us", "int", "real-time budget (v1); 0 is the default"),
            FACT,
            FactSpec("usage_cpus", "float", "CPUs it used"),
            FactSpec("throttled_path", "str", "the cgroup that was throttled most"),
            FactSpec("nr_periods_delta", "int", "periods in which that cgroup ran"),
            FactSpec("nr_throttled_delta", "int", "periods in which it was throttled"),
            FactSpec("throttled_ratio", "float", "share of its periods in which it was throttled"),
            FactSpec("throttled_ms_per_s", "float", "time it was held back, in each second"),
            FactSpec("avg_throttle_ms", "float", "mean length of one throttling"),
        ),
        rules=(
            Rule(
                "throttled",
                "the cgroup or one above it is throttled in a large share of its periods",
                "Documentation/scheduler/sched-bwc.rst; kubernetes-mixin",
                "raise or remove the limit, use fewer threads (GOMAXPROCS, JVM pools), allow CPU burst",
            ),
            Rule(
                "spiky",
                "throttled although it uses far less than its quota",
                "kubernetes issue 67577; commit de53fd7aedb1 (5.4)",
                "use fewer threads, or a kernel with the fix",
            ),
            RULE,
            Rule("tiny_quota", "a quota of less than a tenth of a CPU", "judgement", "raise the limit"),
            Rule(
                "tighter_above",
                "a cgroup above has a smaller quota than the cgroup itself",
                "Documentation/admin-guide/cgroup-v2.rst",
                "raise the limit of the cgroup above (the pod, the slice, docker.service)",
            ),
        ),
        sources=("Documentation/scheduler/sched-bwc.rst", "Documentation/admin-guide/cgroup-v2.rst", "kubernetes issue 67577"),
    ),
)
