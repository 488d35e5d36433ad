"""mem.slab: how much memory does the kernel itself hold, and is somebody dropping caches?

Knowledge: Documentation/filesystems/proc.rst and admin-guide/sysctl/vm.rst; measured: writing 2 to drop_caches frees no memory
cgroup that page cache pins, writing 1 does; only clean pages go.
"""

from __future__ import annotations

from checks.analyzers.counters import growth
from checks.collectors.kernel import UPTIME
from checks.collectors.memory import FS_OBJECTS, MEMINFO, SLABINFO, VMSTAT
from checks.errors import EvidenceError, ParseError
from checks.parsers.keyed import Counter, parse_flat_keyed
from checks.parsers.meminfo import Slab, parse_meminfo, parse_slabinfo, reaches_percpu
from checks.parsers.reading import read, read_file, whole_lines, whole_numbers
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Reason, Verdict

_TOP = 15
_GIB = 1 << 30
_MIB = 1 << 20
_DROPS = ("drop_pagecache", "drop_slab")


def judge(report: Report) -> None:
    given = report.sections
    memory = read(report.need("meminfo"), parse_meminfo) if "meminfo" in given else None
    dentries = read_file(report.need("fs_objects"), "/dentry-state", _dentries) if "fs_objects" in given else None
    slabs = read(report.need("slabinfo"), parse_slabinfo) if "slabinfo" in given else []
    drops = _drops(report)
    if memory:
        _judge_meminfo(report, memory, slabs)
    else:
        _tell_largest(report, slabs, "/proc/meminfo was not collected")
    if dentries:
        _judge_dentries(report, *dentries)
    else:
        report.unknown(Reason.MISSING, "/proc/sys/fs/dentry-state was not collected", rule="negative_dentries")
    if drops:
        _judge_drops(report, *drops)
    else:
        report.unknown(Reason.MISSING, "two samples of /proc/vmstat were not collected", rule="drop_caches")


def _dentries(text: str) -> tuple[int, int]:
    """All entries and negative ones, of the six numbers of dentry-state (the fifth counts since 5.0, and is 0 before)."""
    numbers = whole_numbers(" ".join(whole_lines(text)))
    if len(numbers) != 6:
        raise ParseError("this is not the six numbers of dentry-state", line=1)
    return numbers[0], numbers[4]


def _drops(report: Report) -> tuple[dict[str, Counter], dict[str, Counter]] | None:
    if "vmstat_a" not in report.sections and "vmstat_b" not in report.sections:
        return None
    before, after = (read(report.need(name), parse_flat_keyed) for name in ("vmstat_a", "vmstat_b"))
    if list(before) != list(after) or not all(name in after for name in _DROPS):
        raise EvidenceError("the two samples of /proc/vmstat do not hold the same counters", Reason.TRUNCATED, "vmstat_b")
    return before, after


def _judge_meminfo(report: Report, memory: dict[str, Counter], slabs: list[Slab]) -> None:
    for fact, name in (
        ("mem_total_bytes", "MemTotal"),
        ("slab_bytes", "Slab"),
        ("slab_reclaimable_bytes", "SReclaimable"),
        ("slab_unreclaimable_bytes", "SUnreclaim"),
        ("percpu_bytes", "Percpu"),
        ("cached_bytes", "Cached"),
    ):
        if name in memory:
            report.fact(fact, int(memory[name]), "meminfo", memory[name].line)
    report.fact("top_slabs", [{"name": slab.name, "bytes": slab.bytes} for slab in slabs[:_TOP]])
    _judge_unreclaimable(report, memory, slabs)
    if "Percpu" in memory and "MemTotal" in memory:
        _judge_percpu(report, memory["Percpu"], memory["MemTotal"])
    elif not reaches_percpu(memory):
        say = "/proc/meminfo stops early, or rows were picked: those after VmallocChunk are missing"
        report.unknown(Reason.TRUNCATED, say, rule="percpu")


def _tell_largest(report: Report, slabs: list[Slab], why: str) -> None:
    say = why
    if slabs:
        report.fact("top_slabs", [{"name": slab.name, "bytes": slab.bytes} for slab in slabs[:_TOP]])
        say = f"{why}; the largest slab cache is {slabs[0].name} with {slabs[0].bytes / _MIB:.0f} MiB"
    lines = [report.evidence("slabinfo", slabs[0].line, slabs[0].name)] if slabs else []
    report.unknown(Reason.MISSING, say, lines, rule="unreclaimable")


def _judge_unreclaimable(report: Report, memory: dict[str, Counter], slabs: list[Slab]) -> None:
    held = memory.get("SUnreclaim")
    if held is None or "MemTotal" not in memory:
        if held is not None and report.level(held, "unreclaimable_bytes")[0] != Verdict.OK:
            say = f"the kernel holds {held / _GIB:.1f} GiB of unreclaimable slab"
            line = report.evidence("meminfo", held.line, "SUnreclaim")
            report.find("unreclaimable", Verdict.WARN, say, value=int(held), limit="unreclaimable_bytes", evidence=[line])
        else:
            _tell_largest(report, slabs, "the rows MemTotal and SUnreclaim of /proc/meminfo are not both there")
        return
    total = memory["MemTotal"]
    ratio = held / max(total, 1)
    level, limit = report.level(ratio, "unreclaimable_ratio")
    value: float = ratio
    if level == Verdict.OK:
        level, limit = report.level(held, "unreclaimable_bytes")
        value = held if level != Verdict.OK else ratio
        limit = limit if level != Verdict.OK else "unreclaimable_ratio"
    largest = f"; the largest cache is {slabs[0].name} with {slabs[0].bytes / _MIB:.0f} MiB" if slabs else ""
    say = f"the kernel holds {held / _GIB:.1f} GiB of unreclaimable slab, {ratio:.1%} of memory{largest}"
    lines = [report.evidence("meminfo", held.line, "SUnreclaim"), report.evidence("meminfo", total.line, "MemTotal")]
    report.find("unreclaimable", level, say, value=value, limit=limit, evidence=lines)


def _judge_percpu(report: Report, percpu: Counter, total: Counter) -> None:
    level, limit = report.level(percpu / max(total, 1), "percpu_ratio")
    say = f"per-CPU memory takes {percpu / _MIB:.0f} MiB, {percpu / max(total, 1):.1%} of memory"
    say += "; many memory cgroups are the usual cause" if level == Verdict.WARN else ""
    line = report.evidence("meminfo", percpu.line, "Percpu")
    report.find("percpu", level, say, value=percpu / max(total, 1), limit=limit, evidence=[line])


def _judge_dentries(report: Report, counts: tuple[int, int], shift: int) -> None:
    every, negative = counts
    report.fact("dentries", every, "fs_objects", shift + 1)
    report.fact("negative_dentries", negative, "fs_objects", shift + 1)
    ratio = negative / max(every, 1)
    many = negative >= report.limits["negative_count"] and ratio >= report.limits["negative_ratio"]
    say = f"{negative} of {every} directory entries in memory are of names that do not exist ({ratio:.0%})"
    report.find(
        "negative_dentries",
        Verdict.WARN if many else Verdict.OK,
        say,
        value=negative,
        limit="negative_count",
        evidence=[report.evidence("fs_objects", shift + 1, str(negative))],
    )


def _judge_drops(report: Report, before: dict[str, Counter], after: dict[str, Counter]) -> None:
    grown = {name: growth(name, before[name], after[name], "vmstat_b", after[name].line) for name in _DROPS}
    since_boot = {name: int(after[name]) for name in _DROPS}
    report.fact("cache_drops", since_boot, "vmstat_b", after["drop_pagecache"].line)
    report.fact("cache_drops_delta", grown)
    samples = (("vmstat_a", before), ("vmstat_b", after))
    evidence = [report.evidence(section, counters[name].line, name) for name in _DROPS for section, counters in samples]
    if any(grown.values()):
        say = f"caches were dropped between the two samples ({sum(grown.values())} times): disk reads rise after each"
        report.find("drop_caches", Verdict.WARN, say, value=sum(grown.values()), evidence=evidence)
    elif any(since_boot.values()):
        say = "somebody drops caches: page cache {drop_pagecache} times and slab {drop_slab} times since boot".format(
            **since_boot
        )
        report.find("drop_caches", Verdict.INFO, say, value=sum(since_boot.values()), evidence=evidence)
    else:
        report.find("drop_caches", Verdict.OK, "nobody has dropped caches since boot", value=0, evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="mem.slab",
        title="Kernel memory and dropped caches",
        question="How much memory does the kernel itself hold, and is somebody dropping caches?",
        collectors=(UPTIME, VMSTAT, MEMINFO, FS_OBJECTS, SLABINFO),
        judge=judge,
        thresholds=(
            Threshold("unreclaimable_ratio", 0.10, "of memory", "slab that cannot be reclaimed", "judgement"),
            Threshold("unreclaimable_bytes", 8 * _GIB, "bytes", "slab that cannot be reclaimed", "judgement"),
            Threshold("percpu_ratio", 0.02, "of memory", "per-CPU memory", "judgement"),
            Threshold("negative_count", 10_000_000, "entries", "cached names that do not exist", "judgement"),
            Threshold("negative_ratio", 0.5, "of entries", "share of cached names that do not exist", "judgement"),
        ),
        facts=(
            FactSpec("mem_total_bytes", "int", "memory of the host"),
            FactSpec("cached_bytes", "int", "page cache; a large one is healthy"),
            FactSpec("slab_bytes", "int", "slab caches"),
            FactSpec("slab_reclaimable_bytes", "int", "slab that goes when memory is short"),
            FactSpec("slab_unreclaimable_bytes", "int", "slab that stays"),
            FactSpec("percpu_bytes", "int", "per-CPU memory; grows with the number of memory cgroups"),
            FactSpec("top_slabs", "list", "the largest slab caches, name and bytes (only as root)"),
            FactSpec("dentries", "int", "directory entries in memory"),
            FactSpec("negative_dentries", "int", "directory entries of names that do not exist (kernel 5.0 and newer, else 0)"),
            FactSpec("cache_drops", "dict", "times that caches were dropped since boot: drop_pagecache, drop_slab"),
            FactSpec("cache_drops_delta", "dict", "the same between the two samples"),
        ),
        rules=(
            Rule(
                "unreclaimable",
                "unreclaimable slab above a share of memory or above a size",
                "Documentation/filesystems/proc.rst",
                "find its owner in /proc/slabinfo: dentry and inode caches point to a scanner, kmalloc to a kernel leak",
            ),
            Rule(
                "percpu",
                "per-CPU memory above a share of memory",
                "Documentation/filesystems/proc.rst; memory cgroups keep counters per CPU",
                "count dying memory cgroups with cgroup.memcg_dying",
            ),
            Rule(
                "negative_dentries",
                "more than half of very many directory entries are negative",
                "Documentation/admin-guide/sysctl/fs.rst, dentry-state",
                "find the program that looks up names that do not exist, often a health check or a TLS library's probing",
            ),
            Rule(
                "drop_caches",
                "caches are being dropped",
                "Documentation/admin-guide/sysctl/vm.rst, drop_caches",
                "find the cron job or script that writes drop_caches; each write costs disk reads afterwards",
            ),
        ),
        sources=("Documentation/filesystems/proc.rst", "Documentation/admin-guide/sysctl/vm.rst", "man 5 slabinfo"),
    ),
)
