"""rpm.elf_state, rpm.pkg_switches: what a built binary and an installed package really hold.

Knowledge: file(1)'s words for ELF files, measured ("stripped", "not stripped", "with debug_info, not stripped"); readelf(1).
"""

from __future__ import annotations

import re

from checks.collectors.rpm import ELF, PACKAGE
from checks.errors import ParseError
from checks.params import Param
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.results import Reason, Section, Verdict

FULL, SYMTAB, STRIPPED = "full", "symtab_only", "stripped"
ANY = "any"


def judge_elf(report: Report) -> None:
    section = report.need("elf")
    _need_end(section)
    first = section.line(1)
    state = _state(first, section.text)
    report.fact("state", state, "elf", 1)
    names = ("build-id", "gnu_debuglink", "debug_info", "symtab")
    found = [name for name in names if name in section.text or (name == "build-id" and "BuildID" in first)]
    report.fact("holds", found)
    wanted = report.params.get("expect") or ANY
    rank = [STRIPPED, SYMTAB, FULL]
    mark = next((word for word in ("not stripped", "stripped") if word in first), "")
    evidence = [report.evidence("elf", 1, mark)]
    words = {FULL: "holds its symbols and debug info", SYMTAB: "holds a symbol table but no debug info", STRIPPED: "is stripped"}
    if wanted == ANY:
        report.find("state", Verdict.INFO, f"the binary {words[state]}", evidence=evidence)
    else:
        verdict = Verdict.OK if rank.index(state) >= rank.index(wanted) else Verdict.CRIT
        report.find("state", verdict, f"the binary {words[state]}; wanted: {wanted.replace('_', ' ')}", evidence=evidence)


def _need_end(section: Section) -> None:
    if not section.text.endswith("== end\n"):
        raise ParseError(f"{section.name} was cut: its closing line is missing", Reason.TRUNCATED, section.name)


def _state(first: str, text: str) -> str:
    if first.startswith("file: not found"):
        if not re.search(r"^\s*\[\s*\d+\]", text, re.MULTILINE):
            raise ParseError("neither file(1) nor readelf(1) told anything about this file", Reason.TOOL_MISSING, "elf", 1)
        return FULL if ".debug_info" in text else SYMTAB if ".symtab" in text else STRIPPED
    if not first.startswith("ELF "):
        raise ParseError(f"this is no ELF binary: {first[:80]}", Reason.NOT_APPLICABLE, "elf", 1)
    if "debug_info" in first or ".debug_info" in text:
        return FULL
    if "not stripped" in first:
        return SYMTAB
    if ", stripped" in first:
        return STRIPPED
    raise ParseError("file(1) does not say whether the binary is stripped", Reason.UNPARSED, "elf", 1)


def judge_package(report: Report) -> None:
    section = report.need("package")
    _need_end(section)
    name = re.match(r"(\S+) (\S+) (\S+) (\S+)\n== debug files\n(\d+)\n== debug packages\n", section.text)
    if not name:
        if b"cannot open" in section.stderr:  # beside it rpm says that the package is not installed
            raise ParseError("rpm cannot open its database on this host", Reason.FAILED, "package", 1)
        missing = "is not installed" in section.line(1)
        raise ParseError(f"rpm says: {section.line(1)[:120]}", Reason.MISSING if missing else Reason.UNPARSED, "package", 1)
    debug = [line for line in section.lines[4:-2] if line and " is not installed" not in line]
    report.fact("package", f"{name[1]} {name[2]}", "package", 1)
    report.fact("rpm_version", name[3], "package", 1)
    report.fact("debug_files_count", int(name[5]), "package", 3)
    report.fact("debug_packages", debug)
    say = f"{name[1]} {name[2]} holds {name[5]} debug files; installed beside it: {', '.join(debug) or 'no debug package'}"
    report.find("debug", Verdict.INFO, say, evidence=[report.evidence("package", 3)])


PROBES: tuple[Probe, ...] = (
    Probe(
        id="rpm.elf_state",
        title="Symbols in a binary",
        question="Is this binary stripped?",
        collectors=(ELF,),
        judge=judge_elf,
        params=(
            Param("path", "path", help="the binary", required=True),
            Param("expect", "enum", ANY, "what it should hold at least", choices=(ANY, SYMTAB, FULL)),
        ),
        facts=(
            FactSpec("state", "str", "full, symtab_only or stripped"),
            FactSpec("holds", "list", "which of build-id, gnu_debuglink, debug_info and symtab are there"),
        ),
        rules=(
            Rule("state", "the binary holds less than wanted", "file(1), readelf(1)", "See rpm.spec_text for the switch to set."),
        ),
        sources=("file(1)", "readelf(1)"),
    ),
    Probe(
        id="rpm.pkg_switches",
        title="Debug files of an installed package",
        question="Does the package bring debug files, and are debug packages beside it?",
        collectors=(PACKAGE,),
        judge=judge_package,
        params=(Param("package", "process", help="the package's name", required=True),),
        facts=(
            FactSpec("package", "str", "name and version"),
            FactSpec("rpm_version", "str", "the rpm that built it"),
            FactSpec("debug_files_count", "int", "files under /usr/lib/debug in the package"),
            FactSpec("debug_packages", "list", "debuginfo and debugsource packages that are installed"),
        ),
        rules=(Rule("debug", "what debug files there are", "rpm(8)"),),
        sources=("rpm(8)",),
    ),
)
