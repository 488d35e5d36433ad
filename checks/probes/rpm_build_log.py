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

_COMPLAINTS = {
    "S4": (re.compile(r"Empty %files file \S*debug(?:source)?files\.list"), Verdict.CRIT),
    "S5": (re.compile(r"No build ID note found in"), Verdict.WARN),
    "S6": (re.compile(r"Arch dependent binaries in noarch package"), Verdict.CRIT),
}
_WROTE = re.compile(r"^Wrote: (\S+\.rpm)$")
_RPMBUILD = re.compile(
    r"^(?:Executing\(%\w+\): |Processing files: |RPM build errors:|Wrote: |error: |warning: |Building target platforms: )"
)


def judge(report: Report) -> None:
    section = report.need("log")
    lines = whole_lines(section.text)
    if not any(_RPMBUILD.match(line) for line in lines):
        raise ParseError("this is not what rpmbuild prints", Reason.UNPARSED, "log", 1)
    wrote = [(number, match[1]) for number, line in enumerate(lines, 1) if (match := _WROTE.match(line))]
    report.fact("packages", [path for _, path in wrote], "log", wrote[0][0] if wrote else 0)
    found: dict[str, list[int]] = {}
    for number, line in enumerate(lines, 1):
        for rule, (pattern, _) in _COMPLAINTS.items():
            if pattern.search(line):
                found.setdefault(rule, []).append(number)
    for rule, numbers in found.items():
        marks = [report.evidence("log", number) for number in numbers[:5]]
        report.find(rule, _COMPLAINTS[rule][1], _SAYS[rule].format(count=len(numbers)), value=len(numbers), evidence=marks)
    if not found and not wrote:
        raise ParseError(
            "the log ends before a package was written and names no known complaint", Reason.TRUNCATED, "log", len(lines)
        )
    if not found:
        say = f"{len(wrote)} packages were written without a complaint about debug files"
        report.find("S4", Verdict.OK, say, evidence=[report.evidence("log", wrote[0][0])])


_SAYS = {
    "S4": "the list of debug files is empty: nothing was compiled with -g, or its sources were not found",
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
        facts=(FactSpec("packages", "list", "packages that were written"),),
        rules=(
            Rule(
                "S4",
                "the list of debug files is empty",
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
