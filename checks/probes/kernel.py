"""kernel.gate: is this kernel past the versions that matter here?

Knowledge: mainline commits and kernel documentation, named gate by gate in ``checks.analyzers.kernel_gates``.
"""

from __future__ import annotations

from checks.analyzers.kernel_gates import GATES, Gate, State
from checks.analyzers.kernel_version import KernelRelease, built_for, parse_release
from checks.collectors.kernel import KERNEL, MACHINE, OS
from checks.params import Param
from checks.parsers.files import split_files
from checks.parsers.kernel_cmdline import parse_cmdline
from checks.parsers.os_release import parse_os_release
from checks.parsers.reading import read, read_file
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.results import Evidence, Verdict

ALL = "all"


def judge(report: Report) -> None:
    kernel, line = _kernel(report)
    wanted = report.params.get("gate") or ALL
    gates = [gate for gate in GATES if wanted in (ALL, gate.id)]
    report.fact("kernel", list(kernel.version), *line)
    report.fact("release", kernel.text, *line)
    report.fact("distro", kernel.distro, *line)
    report.fact("is_vendor_backport", kernel.is_vendor_backport, *line)
    report.fact("gates", {gate.id: str(gate.state(kernel)) for gate in gates})
    for gate in gates:
        _judge_gate(report, kernel, gate, report.evidence(*line, kernel.text), asked=wanted == gate.id)


def _kernel(report: Report) -> tuple[KernelRelease, tuple[str, int]]:
    """The kernel, and the line that names it: that of uname, or of /proc/version where uname was not collected."""
    if "kernel" not in report.sections and report.has("os") and "== /proc/version" in report.need("os").lines:
        kernel, shift = read_file(report.need("os"), "/proc/version", parse_release)
        return _seen_with_os(report, kernel), ("os", shift + 1)
    return _seen_with_os(report, read(report.need("kernel"), parse_release)), ("kernel", 1)


def _seen_with_os(report: Report, kernel: KernelRelease) -> KernelRelease:
    if "machine" in report.sections:
        report.fact("machine", report.need("machine").text.strip(), "machine", 1)
    if "os" not in report.sections:
        return kernel
    section = report.need("os")
    files = split_files(section.text)
    if not files.complete or any(path.endswith("/proc/cmdline") for path in (*files, *files.absent)):
        flags, shift = read_file(section, "/proc/cmdline", parse_cmdline)
        report.fact("cmdline", flags, "os", shift + 1)
    if "== /etc/os-release" not in section.lines:  # a minimal image has none
        return kernel
    names, shift = read_file(section, "/etc/os-release", parse_os_release)
    report.fact("os_name", names.get("PRETTY_NAME", names.get("NAME", "")), "os", shift + 1)
    return built_for(kernel, names.get("ID", ""))


def _judge_gate(report: Report, kernel: KernelRelease, gate: Gate, line: Evidence, *, asked: bool) -> None:
    state = gate.state(kernel)
    rule = "defect" if gate.defect else "feature"
    evidence = [line]
    if state == State.PASSED:
        report.find(rule, Verdict.OK, f"{gate.id}: on kernel {kernel.short} {gate.passed}", evidence=evidence)
        return
    verdict = gate.verdict if asked or gate.defect else Verdict.INFO
    say = f"{gate.id}: kernel {kernel.short} is below {gate.number}: {gate.below}"
    if state == State.MAYBE_BACKPORTED:
        verdict = Verdict.WARN if verdict == Verdict.CRIT else verdict  # a vendor's number alone proves nothing
        name = f"{kernel.distro} kernel {kernel.short}"
        say = f"{gate.id}: {name} is below {gate.number} but may hold a backport; without it {gate.below}"
    report.find(rule, verdict, say, evidence=evidence, remedy=gate.remedy)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="kernel.gate",
        title="Kernel version against known defects and features",
        question="Is this kernel past the versions that matter here?",
        collectors=(KERNEL, MACHINE, OS),
        judge=judge,
        params=(Param("gate", "enum", ALL, "one gate, or all of them", choices=(ALL, *(gate.id for gate in GATES))),),
        facts=(
            FactSpec("kernel", "list", "version numbers, as [4, 19, 90]"),
            FactSpec("release", "str", "uname -r"),
            FactSpec("distro", "str", "the builder's tag in the release: el7, ky10, oe2203, deb; empty when there is none"),
            FactSpec("is_vendor_backport", "bool", "the builder backports fixes, so the number alone proves nothing bad"),
            FactSpec("machine", "str", "processor architecture"),
            FactSpec("os_name", "str", "name of the distribution"),
            FactSpec("cmdline", "dict", "boot parameters"),
            FactSpec("gates", "dict", "each gate asked for: passed, below or maybe_backported"),
        ),
        rules=(
            Rule(
                "defect",
                "the kernel's version is in the range of a known defect",
                "mainline commits, named in each finding's gate",
            ),
            Rule(
                "feature",
                "the kernel is older than a feature that is needed",
                "kernel documentation, named in each finding's gate",
            ),
        ),
        sources=tuple(f"{gate.id}: {gate.source}" for gate in GATES),
    ),
)
