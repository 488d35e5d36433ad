"""rpm.spec_text: will the package keep its symbols, and what else do its switches turn off?

Knowledge: the matrix in ``checks.analyzers.rpm_strip``, rpm's macro manual, and macros.in of rpm-software-management/rpm.
"""

from __future__ import annotations

import re

from checks.analyzers.rpm_strip import (
    DEBUG_REMOVED,
    DECIDING,
    DECISIVE,
    NEW_SWITCH,
    SIDE_EFFECTS,
    Host,
    Row,
    Switches,
    host_of,
    rows,
    switches,
)
from checks.collectors.rpm import SHOWRC, SPEC, VERSION
from checks.params import Param
from checks.parsers.reading import read
from checks.parsers.rpm_blocks import Definition
from checks.parsers.rpm_spec import Place, Spec, parse_spec
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.rpm import HOST_FACTS, read_host
from checks.results import Evidence, Reason, Verdict

MATRIX = "measured with rpm 4.18 and Red Hat's macros"
KEEP_SYMBOLS, NO_DEBUGINFO, BOTH = "keep_symbols", "no_debuginfo", "both"
_FAILS = "the build ends with 'Could not open %files file debugfiles.list': {}, and the debuginfo package is still declared"


def judge_spec(report: Report) -> None:
    _, showrc = read_host(report)
    host = host_of(showrc, _version(report))
    spec = read(report.need("spec"), lambda text: parse_spec(text, host.bodies or None))
    found, outcomes = switches(spec, host), rows(spec, host)
    _spec_facts(report, spec, found, outcomes)
    if spec.noarch:
        report.skip("a noarch package holds no machine code: there is nothing to strip and no debuginfo")
    elif hidden := [place for place in spec.hidden if _may_decide(place)]:
        say = f"macros come in that are not in this text ({hidden[0].text[:60]}), and they may decide"
        report.unknown(Reason.MISSING, say, [report.evidence("spec", place.line) for place in hidden[:5]], "S1")
    else:
        _goals(report, spec, found, outcomes)
    _side_effects(report, found)
    _by_version(report, host, spec, found, outcomes)
    _style(report, spec)


def _version(report: Report) -> tuple[int, int]:
    numbers = re.match(r"(\d+)\.(\d+)", str(report.facts.get("rpm_version", "")))
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def _by_version(report: Report, host: Host, spec: Spec, found: Switches, outcomes: list[Row]) -> None:
    """What depends on the host's rpm; nothing when its version was not collected."""
    if host.version >= NEW_SWITCH and found.has("debug_package_nil") and not found.has("enable_debug_undef"):
        say = "rpm 4.20 and newer make debuginfo by another switch: debug_package %{nil} alone may no longer turn it off"
        lines = [_at(report, found.on["debug_package_nil"]), report.evidence("version", 1)]
        report.find("S7", Verdict.WARN, say, evidence=lines)
    made = outcomes[0].debuginfo and not outcomes[0].fails and len(outcomes) == 1 and not spec.noarch
    off = next((one for one in reversed(spec.definitions) if one.name == "_debugsource_packages"), None)
    if host.version >= (4, 14) and made and not off:
        say = "beside the debuginfo package a debugsource package is built; one switch turns off both"
        report.find("S12", Verdict.INFO, say, evidence=[report.evidence("version", 1)])


def _spec_facts(report: Report, spec: Spec, found: Switches, outcomes: list[Row]) -> None:
    table = [
        {key: getattr(d, key) for key in ("kind", "name", "options", "body", "line", "in_comment", "condition")}
        for d in spec.definitions
    ]
    report.fact("definitions", table)
    report.fact("switches", {name: definition.line for name, definition in sorted(found.on.items())})
    report.fact("sections", [section.name for section in spec.sections])
    report.fact("has_setup", spec.has_setup)
    report.fact("shell_expansions", [{"line": place.line, "text": place.text} for place in spec.shell])
    deciding = next((one for name, one in {**found.on, **found.conditional}.items() if name in DECIDING), None)
    report.fact("verdict_row", " or ".join(row.name for row in outcomes), "spec", deciding.line if deciding else 0)


def _at(report: Report, definition: Definition) -> Evidence:
    return report.evidence("spec", definition.line, definition.name)


def _may_decide(place: Place) -> bool:
    """False for Lua that defines a macro of another name."""
    named = re.match(r"define\(\s*[\"'](\w+)", place.name)
    return not named or named[1] in DECISIVE


def _goals(report: Report, spec: Spec, found: Switches, outcomes: list[Row]) -> None:
    goal = report.params.get("goal") or BOTH
    lines = [_at(report, one) for name, one in found.on.items() if name in DECIDING]
    doubt = [_at(report, one) for name, one in found.conditional.items() if name in DECIDING]
    names = ", ".join(sorted(name for name in found.conditional if name in DECIDING))
    lines = lines or doubt or _anchor(report, spec)
    keeps, made = {row.keeps_symbols for row in outcomes}, {row.debuginfo for row in outcomes}
    why = f"{names} is set under a condition or depends on the host, and only a build tells" if names else ""
    if any(row.fails for row in outcomes) and len(outcomes) == 1:
        report.find("S4", Verdict.CRIT, _FAILS.format(outcomes[0].name), evidence=lines)
        return
    if goal in (KEEP_SYMBOLS, BOTH):
        if keeps == {True}:
            report.find("S1", Verdict.OK, f"the binary ships as it was linked ({outcomes[0].name})", evidence=lines)
        elif keeps == {False}:
            report.find("S1", Verdict.CRIT, _altered(found, outcomes), evidence=lines)
        else:
            say = why or f"what {outcomes[0].name} does to the binary is not in this text"
            report.unknown(Reason.UNPARSED, say, doubt or lines, "S1")
    if goal in (NO_DEBUGINFO, BOTH):
        if made == {True}:
            say = f"a debuginfo package is built ({outcomes[0].name}: debug_package is not %{{nil}})"
            report.find("S2", Verdict.CRIT, say, evidence=lines)
        elif made == {False}:
            report.find("S2", Verdict.OK, f"no debuginfo package is built ({outcomes[0].name})", evidence=lines)
        else:
            say = why or f"whether a debuginfo package is built is not in this text ({outcomes[0].name})"
            report.unknown(Reason.UNPARSED, say, doubt or lines, "S2")


def _anchor(report: Report, spec: Spec) -> list[Evidence]:
    line = spec.tags["name"][1] if "name" in spec.tags else spec.sections[0].line
    return [report.evidence("spec", line)]


def _altered(found: Switches, outcomes: list[Row]) -> str:
    if len(outcomes) > 1:
        return "the binary is altered whichever condition holds: stripped, or without its .debug sections"
    if outcomes[0].binary == DEBUG_REMOVED:
        return "the .debug sections are removed from the binary by brp-strip; only its symbol table stays"
    if found.has("os_install_post_nil"):
        return "the binary is still stripped: find-debuginfo runs from __spec_install_post, not from __os_install_post"
    return "the binary is stripped and its symbols go to a debuginfo package: neither strip nor debuginfo is turned off"


def _side_effects(report: Report, found: Switches) -> None:
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
    if spec.comment_macros:
        place = spec.comment_macros[0]
        more = f" and {len(spec.comment_macros) - 1} more" if spec.comment_macros[1:] else ""
        say = f"%{place.name} in a comment{more} is still expanded; write %%{place.name}"
        marks = [report.evidence("spec", place.line, place.name) for place in spec.comment_macros[:5]]
        report.find("S10", Verdict.WARN, say, value=len(spec.comment_macros), evidence=marks)
    seen: dict[str, Definition] = {}
    for definition in (one for one in spec.definitions if one.sure):
        if definition.kind == "undefine":
            seen.pop(definition.name, None)
            continue
        first = seen.setdefault(definition.name, definition)
        if first.body != definition.body and first.options == definition.options:
            say = f"{definition.name} has two bodies, {_short(first)} and {_short(definition)}; the last one wins"
            report.find("S11", Verdict.WARN, say, evidence=[_at(report, first), _at(report, definition)])


def _short(definition: Definition) -> str:
    return repr(definition.body if len(definition.body) < 40 else definition.body[:37] + "...")


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
    Rule(
        "S4",
        "the debuginfo package is declared, and nothing makes its list of files",
        MATRIX,
        "Set %global debug_package %{nil} too, or let find-debuginfo run.",
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
            FactSpec("has_setup", "bool", "%prep unpacks with %setup; without it no debuginfo package is made"),
            FactSpec("shell_expansions", "list", "what would run code if the spec were expanded"),
            FactSpec("verdict_row", "str", "the row of the measured matrix; several where a condition decides"),
        ),
        rules=_SPEC_RULES,
        sources=(MATRIX, "rpm-software-management/rpm pull request 3085 (rpm 4.20)"),
    ),
)
