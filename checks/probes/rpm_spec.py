"""rpm.spec_text: will the package keep its symbols, and what else do its switches turn off?

Knowledge: the matrix in ``checks.analyzers.rpm_strip``, rpm's macro manual, and macros.in of rpm-software-management/rpm.
"""

from __future__ import annotations

import re

from checks.analyzers.rpm_strip import SIDE_EFFECTS, Row, Switches, row, switches
from checks.collectors.rpm import SHOWRC, SPEC, VERSION
from checks.params import Param
from checks.parsers.reading import read
from checks.parsers.rpm_spec import Definition, Spec, parse_spec
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.rpm import HOST_FACTS, read_host
from checks.results import Evidence, Reason, Verdict

MATRIX = "measured with rpm 4.18 and Red Hat's macros"
KEEP_SYMBOLS, NO_DEBUGINFO, BOTH = "keep_symbols", "no_debuginfo", "both"


def judge_spec(report: Report) -> None:
    spec = read(report.need("spec"), parse_spec)
    family, _ = read_host(report)
    found = switches(spec)
    outcome = row(found, family)
    _spec_facts(report, spec, found, outcome)
    if spec.noarch:
        report.skip("a noarch package holds no machine code: there is nothing to strip and no debuginfo")
    elif found.conditional and _decides(found, family, outcome):
        names = ", ".join(sorted(found.conditional))
        lines = [_at(report, definition) for definition in found.conditional.values()]
        report.unknown(Reason.UNPARSED, f"{names} stands under a condition, and only a build tells whether it holds", lines)
    else:
        _goals(report, spec, found, outcome)
    _side_effects(report, spec, found)
    _by_version(report, found, outcome)
    _style(report, spec)


def _by_version(report: Report, found: Switches, outcome: Row) -> None:
    """What depends on the host's rpm; nothing when its version was not collected."""
    numbers = re.match(r"(\d+)\.(\d+)", str(report.facts.get("rpm_version", "")))
    version = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if version >= (4, 20) and found.has("debug_package_nil") and not found.has("enable_debug_undef"):
        say = "rpm 4.20 and newer make debuginfo by another switch: debug_package %{nil} alone may no longer turn it off"
        lines = [_at(report, found.on["debug_package_nil"]), report.evidence("version", 1)]
        report.find("S7", Verdict.WARN, say, evidence=lines)
    if version >= (4, 14) and outcome.debuginfo:
        say = "beside the debuginfo package a debugsource package is built; one switch turns off both"
        report.find("S12", Verdict.INFO, say, evidence=[report.evidence("version", 1)])


def _spec_facts(report: Report, spec: Spec, found: Switches, outcome: Row) -> None:
    places = {d.name: d for d in spec.definitions}
    rows = [
        {"kind": d.kind, "name": d.name, "body": d.body, "line": d.line, "in_comment": d.in_comment} for d in spec.definitions
    ]
    report.fact("definitions", rows)
    report.fact("switches", {name: definition.line for name, definition in sorted(found.on.items())})
    report.fact("sections", [section.name for section in spec.sections])
    report.fact("shell_expansions", [{"line": place.line, "text": place.text} for place in spec.shell])
    deciding = next(iter(found.on.values()), None) or places.get("__os_install_post")
    report.fact("verdict_row", outcome.name, "spec", deciding.line if deciding else 0)


def _decides(found: Switches, family: str, outcome: Row) -> bool:
    return row(Switches({**found.on, **found.conditional}, {}), family) != outcome


def _at(report: Report, definition: Definition) -> Evidence:
    return report.evidence("spec", definition.line, definition.name)


def _goals(report: Report, spec: Spec, found: Switches, outcome: Row) -> None:
    goal = report.params.get("goal") or BOTH
    lines = [_at(report, definition) for definition in found.on.values()] or _anchor(report, spec)
    if goal in (KEEP_SYMBOLS, BOTH):
        if outcome.keeps_symbols is None:
            report.unknown(Reason.NOT_APPLICABLE, f"what {outcome.name} alone does to the binary was not measured", lines, "S1")
        elif outcome.keeps_symbols:
            report.find("S1", Verdict.OK, f"the binary ships as it was linked ({outcome.name})", evidence=lines)
        else:
            report.find("S1", Verdict.CRIT, _altered(found, outcome), evidence=lines)
    if goal in (NO_DEBUGINFO, BOTH):
        if outcome.debuginfo:
            say = f"a debuginfo package is built ({outcome.name}: debug_package is not %{{nil}})"
            report.find("S2", Verdict.CRIT, say, evidence=lines)
        else:
            report.find("S2", Verdict.OK, f"no debuginfo package is built ({outcome.name})", evidence=lines)


def _anchor(report: Report, spec: Spec) -> list[Evidence]:
    line = spec.tags["name"][1] if "name" in spec.tags else spec.sections[0].line
    return [report.evidence("spec", line)]


def _altered(found: Switches, outcome: Row) -> str:
    if outcome.binary == "debug sections removed":
        return "the .debug sections are removed from the binary by brp-strip; only its symbol table stays"
    if found.has("os_install_post_nil"):
        return "the binary is still stripped: find-debuginfo runs from __spec_install_post, not from __os_install_post"
    return "the binary is stripped and its symbols go to a debuginfo package: neither strip nor debuginfo is turned off"


def _side_effects(report: Report, spec: Spec, found: Switches) -> None:
    for name in ("os_install_post_nil", "spec_install_post_nil"):
        if found.has(name):
            definition = found.on[name]
            say = f"{definition.name} %{{nil}} also turns off {SIDE_EFFECTS}"
            report.find("S3", Verdict.WARN, say, evidence=[_at(report, definition)])
    if found.has("missing_build_ids_ignored"):
        say = "_missing_build_ids_terminate_build 0 hides binaries without a build id instead of linking one in"
        report.find("S5", Verdict.WARN, say, evidence=[_at(report, found.on["missing_build_ids_ignored"])])


def _style(report: Report, spec: Spec) -> None:
    for definition in spec.definitions:
        if definition.kind == "define" and definition.in_braces:
            say = f"%define {definition.name} inside %{{…}} ends with the braces; write %global"
            report.find("S8", Verdict.WARN, say, evidence=[_at(report, definition)])
    if spec.shell:
        say = f"expanding this spec runs code: {len(spec.shell)} shell or lua expansions; Sidenote only reads it"
        report.find("S9", Verdict.INFO, say, evidence=[report.evidence("spec", place.line) for place in spec.shell[:5]])
    for place in spec.comment_macros:
        say = f"%{place.name} in a comment is still expanded; write %%{place.name}"
        report.find("S10", Verdict.WARN, say, evidence=[report.evidence("spec", place.line, place.name)])
    seen: dict[str, Definition] = {}
    for definition in spec.definitions:
        first = seen.setdefault(definition.name, definition)
        plain = not (first.condition or definition.condition) and "undefine" not in (first.kind, definition.kind)
        if plain and first.body != definition.body:
            say = f"{definition.name} has two bodies, in line {first.line} and {definition.line}; the last one wins"
            report.find("S11", Verdict.WARN, say, evidence=[_at(report, first), _at(report, definition)])


_SPEC_RULES = (
    Rule(
        "S1",
        "the switches do not leave the binary as it was linked",
        MATRIX,
        "Set both: %global debug_package %{nil} and %global __brp_strip %{nil}; where the host has no __brp_strip (RHEL 7), "
        "%global __strip /bin/true.",
    ),
    Rule(
        "S2",
        "a debuginfo package is built",
        MATRIX,
        "%global debug_package %{nil}; on rpm 4.20 or newer prefer %undefine _enable_debug_packages.",
    ),
    Rule(
        "S3",
        "the switch turns off more than stripping",
        "rpm macros.in: what __os_install_post holds",
        "Turn off only the step that hurts, such as %global __brp_strip %{nil}.",
    ),
    Rule("S5", "missing build ids are hidden", "rpm macros.in; find-debuginfo", "Link with --build-id, and remove the switch."),
    Rule(
        "S7",
        "debug_package is set to nil on rpm 4.20 or newer",
        "rpm-software-management/rpm pull request 3085",
        "%undefine _enable_debug_packages, and look at the packages that come out.",
    ),
    Rule("S8", "%define vanishes at the end of its braces", "rpm macro manual: scope of %define", "Write %global."),
    Rule("S9", "expanding the spec runs code", "rpm macro manual: %(…) and %{lua:…}"),
    Rule("S10", "a macro in a comment is expanded", "rpm macro manual", "Double the percent sign."),
    Rule("S11", "one macro has two bodies", "rpm macro manual: the last definition wins", "Keep one definition."),
    Rule("S12", "a debugsource package is built as well", "Fedora 27 and RHEL 8: _debugsource_packages"),
)

PROBES: tuple[Probe, ...] = (
    Probe(
        id="rpm.spec_text",
        title="What a spec's switches do to the package",
        question="Will the binary keep its symbols, and is a debuginfo package built?",
        collectors=(SPEC, SHOWRC, VERSION),
        judge=judge_spec,
        params=(
            Param("spec", "path", help="the .spec file on the build host", required=True),
            Param("goal", "enum", BOTH, "what the package should be", choices=(KEEP_SYMBOLS, NO_DEBUGINFO, BOTH)),
        ),
        facts=(
            *HOST_FACTS,
            FactSpec("definitions", "list", "macro definitions in order, with their lines"),
            FactSpec("switches", "map", "switches that are on, with the line that sets each"),
            FactSpec("sections", "list", "sections of the spec"),
            FactSpec("shell_expansions", "list", "what would run code if the spec were expanded"),
            FactSpec("verdict_row", "str", "the row of the measured matrix"),
        ),
        rules=_SPEC_RULES,
        sources=(MATRIX, "rpm-software-management/rpm pull request 3085 (rpm 4.20)"),
    ),
)
