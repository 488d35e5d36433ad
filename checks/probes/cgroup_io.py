"""cgroup.io: does that cgroup run into a disk limit, its own or one above it?

Knowledge: Documentation/admin-guide/cgroup-v2.rst, IO; cgroup-v1/blkio-controller.rst. v1 does not throttle buffered writes, so a
limit there may do nothing; device numbers change when disks come and go.
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.analyzers.counters import growth, seconds_between
from checks.collectors.cgroup_target import IO, TARGET_PARAMS
from checks.collectors.kernel import UPTIME
from checks.errors import EvidenceError
from checks.parsers.cgroup_io import parse_devices, parse_nested, parse_operations
from checks.parsers.cgroup_tree import Level, Tree
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.probes.cgroup_target import TARGET_FACTS, samples, unseen
from checks.results import Reason, Verdict

# kind of limit: v2's key in io.max, its counter in io.stat, v1's limit file, v1's counter file and operation
_KINDS = {
    "read_bytes": ("rbps", "rbytes", "read_bps_device", "io_service_bytes_recursive", "Read"),
    "write_bytes": ("wbps", "wbytes", "write_bps_device", "io_service_bytes_recursive", "Write"),
    "reads": ("riops", "rios", "read_iops_device", "io_serviced_recursive", "Read"),
    "writes": ("wiops", "wios", "write_iops_device", "io_serviced_recursive", "Write"),
}
_KEYS = ("path", "device", "kind", "per_second")
Traffic = dict[tuple[str, str], int]


@dataclass(frozen=True)
class Limit:
    """One limit of one level, and the line that sets it."""

    path: str
    device: str
    kind: str
    per_second: int
    line: int


def judge(report: Report) -> None:
    seconds = seconds_between(report.sections, report.need)
    pair = samples(report, "io")
    if pair is None:
        return
    levels = list(zip(pair[0].levels, pair[1].levels, strict=True))
    if pair[0] is pair[1]:
        _tell_limits(report, pair[1])
        return
    grown = {after.path: _grown(before, after) for before, after in levels}
    limits = [limit for _, after in levels for limit in _limits(after)]
    report.fact("limits", [{key: getattr(limit, key) for key in _KEYS} for limit in limits])
    if seconds is None:
        report.unknown(Reason.MISSING, "rates per second need /proc/uptime with each sample", rule="near_limit")
        return
    own = grown[levels[0][1].path]
    report.fact("rates", {f"{device} {kind}": round(count / seconds, 1) for (device, kind), count in own.items()})
    if not limits and pair[1].pasted:
        unseen(report, pair[1], "the limits", "near_limit")
        return
    if not limits:
        report.find("near_limit", Verdict.OK, f"neither {pair[1].path} nor any cgroup above it has a disk limit")
        return
    rates = [grown[limit.path].get((limit.device, limit.kind), 0) / seconds for limit in limits]
    rate, limit = max(zip(rates, limits, strict=True), key=lambda entry: entry[0] / max(entry[1].per_second, 1))
    ratio = rate / max(limit.per_second, 1)
    level, threshold = report.level(ratio, "rate_ratio")
    what = limit.kind.replace("_", " ")
    say = f"{limit.path}: {rate:.0f} {what} a second on device {limit.device}, of {limit.per_second} allowed ({ratio:.0%})"
    evidence = [report.evidence("io_b", limit.line, limit.device)]
    report.find("near_limit", level, say, value=round(ratio, 4), limit=threshold, evidence=evidence)
    unseen(report, pair[1], "the limits", "near_limit")


def _tell_limits(report: Report, tree: Tree) -> None:
    """Files that were pasted once: limits, and no rates."""
    limits = [limit for level in tree.levels for limit in _limits(level)]
    report.fact("limits", [{key: getattr(limit, key) for key in _KEYS} for limit in limits])
    shown = ", ".join(f"{limit.per_second} {limit.kind.replace('_', ' ')} on device {limit.device}" for limit in limits[:4])
    say = f"{tree.path} may do {shown} a second" if limits else f"no disk limit of {tree.path} was pasted"
    lines = [report.evidence(tree.leaf.section, limit.line, limit.device) for limit in limits[:3]]
    report.unknown(Reason.MISSING, f"{say}; what it does takes io.stat twice, with /proc/uptime", lines, rule="near_limit")


def _limits(level: Level) -> list[Limit]:
    """The limits of one level. Each device has a line of its own, in the order of the file."""
    found = []
    for line, (device, values) in enumerate((level.read("io.max", parse_nested) or {}).items(), level.lines.get("io.max", 0)):
        for kind, names in _KINDS.items():
            value = values.get(names[0])
            if value is not None:
                found.append(Limit(level.path, device, kind, value, line))
    for kind, names in _KINDS.items():
        file = f"blkio.throttle.{names[2]}"
        rows = level.read(file, parse_devices) or {}
        found += [Limit(level.path, *row, line) for line, row in enumerate(_named(rows, kind), level.lines.get(file, 0))]
    return found


def _named(rows: dict[str, int], kind: str) -> list[tuple[str, str, int]]:
    return [(device, kind, value) for device, value in rows.items()]


def _grown(before: Level, after: Level) -> Traffic:
    """Growth by device and kind between the samples."""
    old, new = _traffic(before), _traffic(after)
    if old is None or new is None:
        if after.path != "/":
            raise EvidenceError(f"{after.path} has no counters of disk traffic", Reason.MISSING, after.section)
        return {}
    return {key: growth(f"{key[1]} of {key[0]}", old.get(key, 0), count, after.section) for key, count in new.items()}


def _traffic(level: Level) -> Traffic | None:
    found: Traffic = {}
    if "io.stat" in level.files:
        for device, values in (level.read("io.stat", parse_nested) or {}).items():
            for kind, names in _KINDS.items():
                found[device, kind] = values.get(names[1]) or 0
        return found
    for kind, names in _KINDS.items():
        counts = level.read(f"blkio.throttle.{names[3]}", parse_operations)
        if counts is None:
            return None
        for device, operations in counts.items():
            found[device, kind] = operations.get(names[4], 0)
    return found


PROBES: tuple[Probe, ...] = (
    Probe(
        id="cgroup.io",
        title="Disk limit of a cgroup",
        question="Does that cgroup run into a disk limit, its own or one above it?",
        collectors=(UPTIME, IO),
        judge=judge,
        params=TARGET_PARAMS,
        thresholds=(Threshold("rate_ratio", 0.9, "of the limit", "disk traffic", "judgement"),),
        facts=(
            *TARGET_FACTS,
            FactSpec("limits", "list", "path, device, kind (read_bytes, write_bytes, reads, writes) and limit per second"),
            FactSpec("rates", "dict", "its traffic per second by device and kind"),
        ),
        rules=(
            Rule(
                "near_limit",
                "disk traffic is near a limit",
                "Documentation/admin-guide/cgroup-v2.rst, io.max; cgroup-v1/blkio-controller.rst",
                "raise the limit of the cgroup named, or move the load to another device",
            ),
        ),
        sources=("Documentation/admin-guide/cgroup-v2.rst", "Documentation/admin-guide/cgroup-v1/blkio-controller.rst"),
    ),
)
