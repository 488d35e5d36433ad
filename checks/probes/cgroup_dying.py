"""cgroup.memcg_dying: are there dead memory cgroups that every reader of memory statistics must still walk?

Knowledge: commits a983b5ebee57, 8de7ecc6483b and dd8657b6c1cb; kubernetes issue 61937 (65,535 ids); docker/for-linux issue 841.
Measured: 400 cgroups made and removed stayed in /proc/cgroups until their page cache was dropped. The probe never reads the
statistics of a host on which that read is the harm: the host decides that itself (``checks.collectors.cgroup.TIMED``).
"""

from __future__ import annotations

from checks.analyzers.kernel_gates import GATES
from checks.analyzers.kernel_version import KernelRelease, parse_release
from checks.analyzers.memcg_count import Count, Line, count
from checks.collectors.cgroup import CGROUPS, CGSTAT, MEMCG_DIRS, TIMED
from checks.collectors.kernel import KERNEL
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.memcg import Timed, parse_timed
from checks.parsers.proc_cgroups import ControllerRow, parse_proc_cgroups
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Reason, Verdict

NUMA_STAT_FIXED = (5, 8, 0)
_FILES = {"memory.numa_stat": "read_numa_ms", "memory.stat": "read_stat_ms"}
_TWO_GATES = ("memcg_stat_walks", "memcg_numa_stat_cost")


def judge(report: Report) -> None:
    row = read(report.need("cgroups"), parse_proc_cgroups).get("memory") if "cgroups" in report.sections else None
    if row and not row.enabled:
        report.skip("the memory controller is switched off on this host, so there are no memory cgroups")
        return
    if row:
        _judge_total(report, row.count, ("cgroups", row.line, str(row.count)))
    kernel = _kernel(report)
    try:
        found = count(report.sections, report.need, row)
    except EvidenceError as error:
        if error.reason != Reason.NOT_APPLICABLE:
            raise
        report.skip(error.say)
        return
    if found is None:
        _judge_row_alone(report, row)
        return
    report.fact("memcg_visible", found.visible)
    report.fact("memcg_dying", found.dying, *found.lines[0][:2])
    report.fact("dying_source", found.source)
    if not row:
        _judge_total(report, found.total, found.lines[0])
    _judge_dying(report, found, kernel)


def _kernel(report: Report) -> KernelRelease | None:
    if "kernel" not in report.sections:
        return None
    kernel = read(report.need("kernel"), parse_release)
    report.fact("kernel", list(kernel.version), "kernel", 1)
    report.fact("distro", kernel.distro, "kernel", 1)
    report.fact("kernel_gates", {gate.id: str(gate.state(kernel)) for gate in GATES if gate.id in _TWO_GATES})
    return kernel


def _judge_total(report: Report, total: int, line: Line) -> None:
    report.fact("memcg_total", total, *line[:2])
    if total >= report.limits["total_crit"]:
        say = f"{total} of 65535 memory cgroup ids are in use: soon every mkdir fails with No space left on device"
        report.find("id_space", Verdict.CRIT, say, value=total, limit="total_crit", evidence=[report.evidence(*line)])


def _judge_row_alone(report: Report, row: ControllerRow | None) -> None:
    """Few cgroups in all cannot hide many dying ones; more than few, or cgroup v2, take a second reading."""
    if row is None:
        report.need("cgroups")
        say = "/proc/cgroups has no row for memory, as on the newest kernels: collect cgroup.stat of the cgroup2 mount"
        raise EvidenceError(say, Reason.MISSING, "cgroups")
    evidence = [report.evidence("cgroups", row.line, str(row.count))]
    if row.hierarchy and row.count < report.limits["dying_warn"]:
        say = f"the kernel holds {row.count} memory cgroups in all, dying ones included"
        report.find("dying", Verdict.OK, say, value=row.count, limit="dying_warn", evidence=evidence)
    else:
        other = "the number of directories of the v1 memory hierarchy" if row.hierarchy else "cgroup.stat of the cgroup2 mount"
        say = f"the kernel holds {row.count} memory cgroups; how many of them are dying takes {other}"
        report.unknown(Reason.MISSING, say, evidence, rule="dying")
    _judge_reads(report, _timed(report))


def _judge_dying(report: Report, found: Count, kernel: KernelRelease | None) -> None:
    level, limit = report.level(found.dying, "dying_warn", "dying_crit")
    say = f"{found.dying} dying memory cgroups ({found.total} in the kernel, {found.visible} visible)"
    evidence = [report.evidence(*line) for line in found.lines]
    many = level == Verdict.CRIT and found.source == "proc_cgroups"  # cgroup v2 has no such walk
    if many and kernel is None:
        raise EvidenceError(f"{say}; whether they cost time depends on the kernel: collect uname -r", Reason.MISSING, "kernel")
    walks = many and kernel is not None and kernel.below(NUMA_STAT_FIXED)
    certain = walks and kernel is not None and not kernel.is_vendor_backport
    timed = None if certain else _timed(report)  # before the finding: a cut reading must not leave a milder verdict standing
    if walks and kernel:
        evidence.append(report.evidence("kernel", 1, kernel.text))
        slowest = max(_milliseconds(timed).values(), default=0)
        if certain:
            say += f" on kernel {kernel.short}, which walks them all for memory.numa_stat (fixed in 5.8)"
        elif certain := slowest >= report.limits["read_warn_ms"]:
            say += f", and reading their statistics took {slowest} ms on {kernel.distro} kernel {kernel.short}"
        else:
            say += f"; {kernel.distro} kernel {kernel.short} may hold the fix of 5.8"
    if level == Verdict.CRIT and not certain:
        level = Verdict.WARN
    report.find("dying", level, say, value=found.dying, limit=limit, evidence=evidence)
    _judge_reads(report, timed or _timed(report))


def _timed(report: Report) -> Timed | None:
    if "timed" in report.sections or report.params.get("timed"):
        return read(report.need("timed"), parse_timed)
    return None


def _milliseconds(timed: Timed | None) -> dict[str, int]:
    found = {file: timed.milliseconds(file) for file in _FILES} if timed else {}
    return {file: taken for file, taken in found.items() if taken is not None}


def _judge_reads(report: Report, timed: Timed | None) -> None:
    if timed is None:
        return
    for file, taken in _milliseconds(timed).items():
        report.fact(_FILES[file], taken, "timed", timed.lines[file])
        level, limit = report.level(taken, "read_warn_ms", "read_crit_ms")
        say = f"reading {file} of the root took {taken} ms"
        evidence = [report.evidence("timed", timed.lines[file], file)]
        report.find("read_time", level, say, value=taken, limit=limit, evidence=evidence)
    if timed.withheld:
        say = f"the host held the timed read back: with {timed.dying} dying memory cgroups on its kernel it would stall a CPU"
        report.fact("timed_withheld", say)
        evidence = [report.evidence("timed", line, file) for file, line in timed.lines.items() if file in timed.held]
        report.find("read_time", Verdict.INFO, say, value=timed.dying, evidence=evidence)


_CHURN = "short term, in a change window: echo 1 > /proc/sys/vm/drop_caches frees those that page cache pins (costs disk reads)"

PROBES: tuple[Probe, ...] = (
    Probe(
        id="cgroup.memcg_dying",
        title="Dying memory cgroups",
        question="Does the kernel hold many memory cgroups whose directory is gone?",
        collectors=(CGROUPS, MEMCG_DIRS, CGSTAT, KERNEL, TIMED),
        judge=judge,
        params=(
            Param(
                "timed", "bool", "false", "also time a read of memory.numa_stat and memory.stat; heavy, held back on bad hosts"
            ),
        ),
        thresholds=(
            Threshold("dying_warn", 1000, "cgroups", "dying memory cgroups worth a look", "judgement"),
            Threshold(
                "dying_crit", 10000, "cgroups", "dying memory cgroups that stall readers", "writeup on Redis timeouts", "W"
            ),
            Threshold("total_crit", 60000, "cgroups", "of 65,535 ids", "kubernetes issue 61937", "I"),
            Threshold("read_warn_ms", 100, "ms", "a read of the root's statistics", "judgement"),
            Threshold("read_crit_ms", 1000, "ms", "a read that stalls a CPU for good", "writeup on Redis timeouts", "W"),
        ),
        facts=(
            FactSpec("memcg_total", "int", "memory cgroups the kernel holds"),
            FactSpec("memcg_visible", "int", "memory cgroups with a directory, the root included"),
            FactSpec("memcg_dying", "int", "memory cgroups without a directory"),
            FactSpec("dying_source", "str", "proc_cgroups (v1 hierarchy) or cgroup_stat (cgroup v2)"),
            FactSpec("read_numa_ms", "int", "time to read memory.numa_stat of the root"),
            FactSpec("read_stat_ms", "int", "time to read memory.stat of the root"),
            FactSpec("timed_withheld", "str", "why the host held the timed read back"),
            FactSpec("kernel", "list", "version numbers, as [4, 19, 90]"),
            FactSpec("distro", "str", "the kernel builder's tag"),
            FactSpec("kernel_gates", "dict", "the two fixes, 4.19 and 5.8: passed, below or maybe_backported"),
        ),
        rules=(
            Rule(
                "dying",
                "dying memory cgroups; crit when a mainline kernel below 5.8 walks them, or a vendor kernel is measured to",
                "commits 8de7ecc6483b (4.19) and dd8657b6c1cb (5.8)",
                f"kernel 5.8 or newer, or the vendor's backport; {_CHURN}; fewer short-lived cgroups (cron jobs, crash loops)",
            ),
            Rule(
                "id_space",
                "nearly all of the 65,535 memory cgroup ids are in use, live and dying",
                "kubernetes issue 61937",
                f"drain the node; {_CHURN}; on 3.10 boot with cgroup.memory=nokmem",
            ),
            Rule(
                "read_time",
                "reading the root's memory statistics is slow",
                "writeup on Redis timeouts; GitHub's post on network stalls",
                "upgrade the kernel; until then start cadvisor or the kubelet's summary less often",
            ),
        ),
        sources=(
            "commit a983b5ebee57 (4.16)",
            "commit 8de7ecc6483b (4.19)",
            "commit dd8657b6c1cb (5.8)",
            "kubernetes issue 61937",
        ),
    ),
)
