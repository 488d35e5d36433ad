"""rpm.build_log: what rpmbuild complained of, as far as it has to do with strip and debuginfo.

Knowledge: find-debuginfo and build/files.c of rpm; the sentences are those that they print.
"""

from __future__ import annotations

import re

from checks.collectors.rpm import BUILD_LOG
from checks.errors import ParseError
from checks.params import Param
from checks.parsers.reading import whole_lines
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.results import Reason, Verdict

_LISTS = r"debug(?:source)?files\.list"
_COMPLAINTS = {
    "S4": (re.compile(rf"(?:error|%files).*{_LISTS}|{_LISTS}.*%files"), Verdict.CRIT),  # rpm says it in the user's language
    "S5": (re.compile(r"No build ID note found in|[Mm]issing build-id in "), Verdict.WARN),
    "S6": (re.compile(r"Arch dependent binaries in noarch package"), Verdict.CRIT),
}
_TOLD_TWICE = re.compile(r"^\s*(?:\w+: )?")
"""rpm repeats each error at its end, without the word before it."""
_STRIPS = re.compile(r"^\+ (\S*/(?:brp-strip|find-debuginfo(?:\.sh)?|brp-15-strip-debug))(?:\s|$)")
_WROTE = re.compile(r"^Wrote: (\S+\.rpm)$")
_RPMBUILD = re.compile(
    r"^(?:Executing\(%\w+\): |Processing files: |RPM build errors:|Wrote: |error: |warning: |Building target platforms: )"
)


def judge(report: Report) -> None:
    section = report.need("log")
    lines = whole_lines(section.text)
    found: dict[str, dict[str, int]] = {}
    for number, line in enumerate(lines, 1):
        for rule, (pattern, _) in _COMPLAINTS.items():
            if pattern.search(line) and not line.startswith("+ "):  # a command that rpmbuild shows is no complaint
                found.setdefault(rule, {}).setdefault(_TOLD_TWICE.sub("", line), number)
    if not found and not any(_RPMBUILD.match(line) for line in lines):
        raise ParseError("this is not what rpmbuild prints", Reason.UNPARSED, "log", 1)
    wrote = [(number, match[1]) for number, line in enumerate(lines, 1) if (match := _WROTE.match(line))]
    report.fact("packages", [path for _, path in wrote], "log", wrote[0][0] if wrote else 0)
    _tell_steps(report, lines)
    for rule, places in found.items():
        marks = [report.evidence("log", number) for number in list(places.values())[:5]]
        report.find(rule, _COMPLAINTS[rule][1], _SAYS[rule].format(count=len(places)), value=len(places), evidence=marks)
    if not found and not wrote:
        raise ParseError(
            "the log ends before a package was written and names no known complaint", Reason.TRUNCATED, "log", len(lines)
        )
    if not found:
        say = f"{len(wrote)} packages were written without a complaint about debug files"
        report.find("S4", Verdict.OK, say, evidence=[report.evidence("log", wrote[0][0])])


def _tell_steps(report: Report, lines: list[str]) -> None:
    """The steps that alter binaries, as far as the log shows them."""
    steps = {match[1]: number for number, line in enumerate(lines, 1) if (match := _STRIPS.match(line))}
    report.fact("strip_steps", list(steps))
    if steps:
        names = ", ".join(path.rpartition("/")[2] for path in steps)
        marks = [report.evidence("log", number) for number in steps.values()]
        report.find("S1", Verdict.INFO, f"what was packaged went through {names}", value=len(steps), evidence=marks)


_SAYS = {
    "S4": "the list of debug files is empty or missing: nothing was compiled with -g, or its sources were not found",
    "S5": "{count} binaries have no build id, so no debug file can be matched to them",
    "S6": "a noarch package holds machine code, and brp-strip may have altered it",
}

PROBES: tuple[Probe, ...] = (
    Probe(
        id="rpm.build_log",
        title="Debug files in a build's output",
        question="Did rpmbuild complain about debug files, build ids or stripped binaries?",
        collectors=(BUILD_LOG,),
        judge=judge,
        params=(Param("log", "path", help="the file with rpmbuild's output", required=True),),
        facts=(
            FactSpec("packages", "list", "packages that were written"),
            FactSpec("strip_steps", "list", "steps that ran and strip: brp-strip, find-debuginfo"),
        ),
        rules=(
            Rule("S1", "a step that strips has run", "rpm macros: __os_install_post, __debug_install_post"),
            Rule(
                "S4",
                "the list of debug files is empty or missing",
                "rpm: build/files.c",
                "Turn debuginfo off with %global debug_package %{nil}, or compile with -g and unpack the sources with %setup.",
            ),
            Rule("S5", "binaries have no build id", "find-debuginfo", "Link with --build-id; do not hide it with a macro."),
            Rule(
                "S6",
                "a noarch package holds machine code",
                "rpm: build/files.c",
                "Drop BuildArch: noarch, or keep that path from being stripped.",
            ),
        ),
        sources=("rpm-software-management/rpm: build/files.c, scripts/find-debuginfo",),
    ),
)
