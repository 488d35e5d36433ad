"""cgroup.psi: do tasks wait for CPU, memory or disks, on the host or in one cgroup?

Knowledge: Documentation/accounting/psi.rst. Absent without CONFIG_PSI, and off on RHEL 8 unless booted with psi=1.
"""

from __future__ import annotations

from checks.collectors.cgroup_target import HOST_PRESSURE, PRESSURE, TARGET_PARAMS
from checks.errors import EvidenceError, ParseError
from checks.parsers.files import split_files
from checks.parsers.pressure import Pressure, parse_pressure
from checks.parsers.reading import is_files, read, read_file
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.probes.cgroup_target import absent, tree
from checks.results import Reason

Rows = dict[str, Pressure]
# Waiting for CPU is judged by "some": in the cpu file of a host "full" is always 0.
_ROW = {"cpu": "some", "memory": "full", "io": "full"}
_OFF = "this kernel keeps no pressure information (built without it, or not booted with psi=1)"


def judge(report: Report) -> None:
    host = _host(report)
    own = _own(report)
    if host is None and own is None:
        report.need("pressure")
    for kind, row in _ROW.items():
        if host and kind in host:
            _judge_one(report, "the host", kind, host[kind][0][row], "pressure", host[kind][1])
        if own and kind in own:
            _judge_one(report, report.facts["path"], kind, own[kind][0][row], "cgroup_pressure", own[kind][1])


def _host(report: Report) -> dict[str, tuple[Rows, int]] | None:
    if "pressure" not in report.sections:
        return None
    section = report.need("pressure")
    if not is_files(section):
        read(section, parse_pressure)
        raise EvidenceError(
            "which of cpu, memory and io this is takes its path: collect /proc/pressure as a whole", Reason.MISSING
        )
    files = split_files(section.text)
    if files.complete and set(files.absent.values()) and not list(files):
        raise EvidenceError(_OFF, Reason.MISSING, "pressure", 1)
    pasted = files.complete and not {f"/proc/pressure/{kind}" for kind in _ROW} <= {*files, *files.absent}
    kinds = [kind for kind in _ROW if not pasted or f"/proc/pressure/{kind}" in files]
    found = {kind: read_file(section, f"/{kind}", parse_pressure) for kind in kinds}
    for kind in set(_ROW) - set(kinds):
        report.unknown(Reason.MISSING, f"/proc/pressure/{kind} was not collected", rule=kind)
    for kind, (rows, shift) in found.items():
        report.fact(f"{kind}_some_avg10", rows["some"].avg10, "pressure", shift + rows["some"].line)
        if "full" in rows:
            report.fact(f"{kind}_full_avg10", rows["full"].avg10, "pressure", shift + rows["full"].line)
    if any(_ROW[kind] not in rows for kind, (rows, _) in found.items()):
        raise EvidenceError("a file of /proc/pressure is not whole", Reason.TRUNCATED, "pressure")
    return found


def _own(report: Report) -> dict[str, tuple[Rows, int]] | None:
    if not any(report.params.get(param.name) for param in TARGET_PARAMS):
        return None
    found = tree(report, "cgroup_pressure")
    if not found.levels:
        absent(report, hidden=found.hidden)
        return None
    report.fact("path", found.leaf.path)
    if not found.leaf.files:
        raise EvidenceError(f"{found.leaf.path} has no pressure files; only cgroup v2 has them. {_OFF}", Reason.MISSING)
    own: dict[str, tuple[Rows, int]] = {}
    for kind, row in _ROW.items():
        rows = found.leaf.read(f"{kind}.pressure", parse_pressure)
        if rows is None or row not in rows:
            raise ParseError(f"{kind}.pressure of {found.leaf.path} is missing or not whole", Reason.TRUNCATED, "cgroup_pressure")
        own[kind] = rows, found.leaf.lines[f"{kind}.pressure"] - 1
    return own


def _judge_one(report: Report, where: str, kind: str, row: Pressure, section: str, shift: int) -> None:
    level, limit = report.level(row.avg10, f"{kind}_warn", f"{kind}_crit")
    who = "some task" if _ROW[kind] == "some" else "every task"
    waits = {"cpu": "for a CPU", "memory": "for memory", "io": "for a disk"}[kind]
    say = f"{where}: {who} waited {waits} {row.avg10:.1f} % of the last 10 seconds"
    evidence = [report.evidence(section, shift + row.line, f"avg10={row.avg10:.2f}")]
    report.find(kind, level, say, value=row.avg10, limit=limit, evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="cgroup.psi",
        title="Pressure stall information",
        question="Do tasks wait for CPU, memory or disks, on the host or in one cgroup?",
        collectors=(HOST_PRESSURE, PRESSURE),
        judge=judge,
        params=TARGET_PARAMS,
        thresholds=(
            Threshold("cpu_warn", 50, "% of time", "some task waiting for a CPU", "judgement"),
            Threshold("cpu_crit", 90, "% of time", "some task waiting for a CPU", "judgement"),
            Threshold("memory_warn", 10, "% of time", "all tasks waiting for memory", "judgement"),
            Threshold("memory_crit", 30, "% of time", "all tasks waiting for memory", "judgement"),
            Threshold("io_warn", 20, "% of time", "all tasks waiting for a disk", "judgement"),
            Threshold("io_crit", 60, "% of time", "all tasks waiting for a disk", "judgement"),
        ),
        facts=(
            FactSpec("path", "str", "the cgroup, when one was asked for"),
            *(
                FactSpec(f"{kind}_{row}_avg10", "float", f"host: % of the last 10 s in which {who} waited for {kind}")
                for kind in _ROW
                for row, who in (("some", "some task"), ("full", "every task"))
            ),
        ),
        rules=(
            Rule(
                "cpu", "tasks wait for a CPU", "Documentation/accounting/psi.rst", "look at cgroup.cpu throttling and at the load"
            ),
            Rule(
                "memory",
                "all tasks wait for memory",
                "Documentation/accounting/psi.rst",
                "look at cgroup.memory of the largest groups",
            ),
            Rule(
                "io",
                "all tasks wait for a disk",
                "Documentation/accounting/psi.rst",
                "find the writer, and look at the disk's queue",
            ),
        ),
        sources=("Documentation/accounting/psi.rst",),
    ),
)
