"""The probe of connection tracking's capacity: is the table full, does it drop, do insertions fail?

Sizes are per network namespace: a pod has its own count, but the limit of the host's namespace governs all (measured).
"""

from __future__ import annotations

import re

from checks.analyzers.counters import growth, parse_uptime
from checks.collectors.conntrack import FULL, LIMITS, STATS
from checks.collectors.kernel import UPTIME
from checks.errors import EvidenceError, ParseError
from checks.parsers.conntrack import sum_counters
from checks.parsers.files import Files, split_files
from checks.parsers.iptables_values import whole
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Evidence, Reason, Verdict

_COUNTERS = ("drop", "early_drop", "insert_failed", "invalid")
_MESSAGE = re.compile(r"\[\s*(\d{1,12})\.\d+\]")


def _files(text: str) -> Files:
    found = split_files(text)
    if not found.complete:
        raise ParseError("the closing line is missing, so it was cut", Reason.TRUNCATED)
    return found


def _number(files: Files, name: str) -> tuple[int, int]:
    path = next((path for path in files if path.endswith("/" + name)), f"/proc/sys/net/netfilter/{name}")
    value = whole(files.need(path).strip())
    if value is None:
        raise ParseError(f"{name} is not a number", line=files.line_of(path))
    return value, files.line_of(path)


def _judge(report: Report) -> None:
    try:
        files = read(report.need("conntrack_limits"), _files)
        if any(path.endswith("/nf_conntrack_max") for path in files.absent):
            report.skip("connection tracking is not loaded on this host")
            return
        _judge_size(report, files)
    except EvidenceError as error:
        if error.reason is not Reason.MISSING:
            raise
        report.unknown(error.reason, error.say)  # counters and messages tell something by themselves
    _judge_growth(report)
    _judge_messages(report)


def _judge_size(report: Report, files: Files) -> None:
    count, count_line = _number(files, "nf_conntrack_count")
    most, most_line = _number(files, "nf_conntrack_max")
    report.fact("count", count, "conntrack_limits", count_line)
    report.fact("max", most, "conntrack_limits", most_line)
    lines = [report.evidence("conntrack_limits", line) for line in (count_line, most_line)]
    if most:
        ratio = round(count / most, 4)
        report.fact("ratio", ratio)
        level, limit = report.level(ratio, "usage_warn_ratio", "usage_crit_ratio")
        say = f"{count} of {most} connections are tracked ({ratio:.1%})"
        report.find("usage", level, say, value=ratio, limit=limit, evidence=lines)
    if any(path.endswith("/nf_conntrack_buckets") for path in files):
        buckets, line = _number(files, "nf_conntrack_buckets")
        report.fact("buckets", buckets, "conntrack_limits", line)
        if buckets and most / buckets > report.limits["per_bucket_warn"]:
            say = f"{most} connections share {buckets} buckets: each lookup walks long lists"
            evidence = [report.evidence("conntrack_limits", each) for each in (most_line, line)]
            report.find("buckets", Verdict.WARN, say, value=round(most / buckets, 1), limit="per_bucket_warn", evidence=evidence)


def _judge_growth(report: Report) -> None:
    if not {"conntrack_stats_a", "conntrack_stats_b"} & report.sections.keys():
        report.unknown(
            Reason.MISSING, "whether connections are dropped needs two samples of the counters, which were not collected"
        )
        return
    if "conntrack_stats_b" not in report.sections:
        _say_since_boot(report)
        return
    before, after = (read(report.need(name), sum_counters) for name in ("conntrack_stats_a", "conntrack_stats_b"))
    grown = {
        name: growth(name, before[name], after[name], "conntrack_stats_b", 2)
        for name in _COUNTERS
        if name in before and name in after
    }
    lines = [report.evidence(name, 2) for name in ("conntrack_stats_a", "conntrack_stats_b")]
    for name, value in grown.items():
        report.fact(f"{name}_delta", value, "conntrack_stats_b", 2)
    if grown.get("drop"):
        say = f"{grown['drop']} packets were dropped between the samples because the table was full"
        report.find("drops", Verdict.CRIT, say, value=grown["drop"], unit="packets", evidence=lines)
    if grown.get("early_drop"):
        say = f"{grown['early_drop']} connections were thrown out between the samples to make room"
        report.find("early_drops", Verdict.WARN, say, value=grown["early_drop"], unit="connections", evidence=lines)
    if grown.get("insert_failed", 0) >= report.limits["insert_failed_warn"]:
        say = f"{grown['insert_failed']} insertions failed between the samples: packets raced for one entry, as DNS by UDP does"
        report.find("insert_failed", Verdict.WARN, say, value=grown["insert_failed"], limit="insert_failed_warn", evidence=lines)


def _say_since_boot(report: Report) -> None:
    """One sample says what was lost since the host was booted, not whether it still is."""
    total = read(report.need("conntrack_stats_a"), sum_counters)
    lines = [report.evidence("conntrack_stats_a", number) for number in (1, 2)]
    for name, rule, what in (("drop", "drops", "packets were dropped"), ("insert_failed", "insert_failed", "insertions failed")):
        if total.get(name):
            report.find(rule, Verdict.INFO, f"{total[name]} {what} since the host was booted", value=total[name], evidence=lines)
    report.unknown(Reason.MISSING, "whether connections are lost now needs a second sample of the counters, a while later")


def _judge_messages(report: Report) -> None:
    section = report.sections.get("conntrack_full")
    if section is None or section.rc == 127:
        return
    lines = report.need("conntrack_full").lines
    if "== end" not in lines:
        report.unknown(Reason.TRUNCATED, "the kernel's messages have no closing line: there may be more of them")
    uptime = read(report.need("uptime_b"), parse_uptime) if "uptime_b" in report.sections else None
    found = [(number, line) for number, line in enumerate(lines, 1) if "table full" in line]
    recent: list[Evidence] = []
    for number, line in found:
        stamp = _MESSAGE.search(line)
        age = uptime - int(stamp[1]) if uptime is not None and stamp else None
        if uptime is None or (age is not None and age <= report.limits["full_recent_s"]):
            recent.append(report.evidence("conntrack_full", number, "table full"))
    if recent:
        when = "in the last hour" if uptime is not None else "(when, this capture does not tell)"
        say = f"the kernel said {len(recent)} times {when} that the table is full"
        report.find("table_full", Verdict.CRIT, say, value=len(recent), unit="messages", evidence=recent[-3:])
    elif found:
        say = f"the kernel has said {len(found)} times since it was booted that the table is full"
        report.find("table_full", Verdict.INFO, say, evidence=[report.evidence("conntrack_full", found[-1][0], "table full")])


_ISSUES = "Kubernetes issue 56903; weaveworks weave 3287; kernel nf_conntrack-sysctl"
_RAISE = "raise net.netfilter.nf_conntrack_max together with the buckets (hashsize), or find who opens so many connections"

CAPACITY = Probe(
    id="conntrack.capacity",
    title="Room for tracked connections",
    question="Is the table of tracked connections full, or does it lose some?",
    collectors=(STATS, LIMITS, UPTIME, FULL),
    judge=_judge,
    facts=(
        FactSpec("count", "int", "connections tracked in this network namespace"),
        FactSpec("max", "int", "how many may be tracked"),
        FactSpec("ratio", "float", "count by max"),
        FactSpec("buckets", "int", "buckets of the hash table"),
        *(FactSpec(f"{name}_delta", "int", f"growth of {name} between the samples") for name in _COUNTERS),
    ),
    rules=(
        Rule("usage", "the table is nearly full", "judgement", _RAISE),
        Rule("drops", "packets were dropped because the table was full", "kernel nf_conntrack-sysctl", _RAISE),
        Rule("table_full", "the kernel said that the table is full", "kernel nf_conntrack_core", _RAISE),
        Rule("early_drops", "connections were thrown out to make room", "kernel nf_conntrack_core", _RAISE),
        Rule(
            "insert_failed", "insertions failed", _ISSUES, "node-local DNS, single-request-reopen, or MASQUERADE --random-fully"
        ),
        Rule("buckets", "too many connections per bucket", "kernel nf_conntrack-sysctl", "raise hashsize of nf_conntrack"),
    ),
    sources=(_ISSUES,),
    thresholds=(
        Threshold("usage_warn_ratio", 0.80, "ratio", "tracked by most", "judgement"),
        Threshold("usage_crit_ratio", 0.95, "ratio", "tracked by most", "judgement"),
        Threshold("per_bucket_warn", 8, "connections", "most connections by buckets", "judgement"),
        Threshold("insert_failed_warn", 1, "insertions", "failed insertions between the samples", "judgement"),
        Threshold("full_recent_s", 3600, "s", "how old a kernel message still counts", "judgement"),
    ),
)

PROBES = (CAPACITY,)
