"""rpm.env, rpm.eval: whose macros does this host build with, and what are they?

Knowledge: rpm(8); the macro files of Red Hat, Debian and SUSE as ``rpm --showrc`` prints them.
"""

from __future__ import annotations

import re

from checks.analyzers.rpm_post import strips
from checks.analyzers.rpm_strip import macro_family
from checks.collectors.rpm import EVAL, SHOWRC, VERSION
from checks.errors import ParseError
from checks.parsers.files import split_files
from checks.parsers.reading import read
from checks.parsers.rpm_eval import Answer, is_session, parse_session
from checks.parsers.rpm_showrc import Showrc, parse_showrc
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.results import Reason, Verdict

HOST_FACTS = (
    FactSpec("rpm_version", "str", "version of rpm on the build host"),
    FactSpec("macro_family", "str", "whose macros the build host has: redhat_inline, redhat_brp, debian, suse or unknown"),
)


def read_host(report: Report) -> tuple[str, Showrc | None]:
    """Record the host's rpm version and macro family; the family is unknown when its macros were not collected."""
    if "version" in report.sections:
        match = re.match(r"RPM version (\S+)\n", report.need("version").text)
        if not match:
            raise ParseError("this is not the line that rpm --version prints, or it was cut", Reason.UNPARSED, "version", 1)
        report.fact("rpm_version", match[1], "version", 1)
    if "showrc" not in report.sections:
        return "unknown", None
    showrc = read(report.need("showrc"), parse_showrc)
    if not showrc.complete:
        raise ParseError("rpm --showrc was cut: its closing line is missing", Reason.TRUNCATED, "showrc")
    family = macro_family(showrc)
    macro = showrc.macros.get("__os_install_post")
    report.fact("macro_family", family, "showrc", macro.line if macro else 0)
    return family, showrc


def judge_env(report: Report) -> None:
    family, showrc = read_host(report)
    if showrc is None:
        report.need("showrc")
        return
    names = ("__os_install_post", "__spec_install_post", "__debug_install_post", "debug_package", "__strip", "__brp_strip")
    report.fact("macros", {name: showrc.macros[name].body for name in names if name in showrc.macros})
    strips = "strip" in (showrc.macros["__os_install_post"].body if "__os_install_post" in showrc.macros else "")
    lines = [report.evidence("showrc", showrc.macros[name].line, name) for name in names if name in showrc.macros]
    say = f"{family} macros: __os_install_post {'strips' if strips else 'does not strip'} what is packaged"
    if family == "unknown":
        report.unknown(Reason.UNPARSED, f"these are no macros that Sidenote knows, yet: {say}", lines, "host")
    else:
        report.find("host", Verdict.INFO, say, evidence=lines)


def judge_eval(report: Report) -> None:
    section = report.need("eval")
    if is_session(section.text):
        _judge_session(report, read(section, parse_session))
        return
    files = split_files(section.text)
    if not files.complete:
        raise ParseError("the list of macros was cut: its closing line is missing", Reason.TRUNCATED, "eval")
    if not files.parts:
        raise ParseError("the list of macros is empty", Reason.EMPTY, "eval", 1)
    values: dict[str, str | None] = {}
    for name in files:
        state, _, value = files.text(name).partition("\n")
        if state not in ("DEF", "UNDEF"):
            raise ParseError(f"{name} is neither defined nor undefined: {state[:60]!r}", None, "eval", files.line_of(name))
        values[name] = value.rstrip("\n") if state == "DEF" else None
    report.fact("macros", values)
    defined = sum(value is not None for value in values.values())
    report.find("host", Verdict.INFO, f"{defined} of {len(values)} macros are defined on this host")


def _judge_session(report: Report, answers: list[Answer]) -> None:
    """What a person asked rpm on a terminal."""
    report.fact("macros", {answer.name: answer.value for answer in answers})
    defined = [answer for answer in answers if answer.value is not None]
    lines = [report.evidence("eval", answer.line) for answer in answers[:5]]
    say = f"{len(defined)} of {len(answers)} macros are defined on this host"
    post = next((answer.value for answer in answers if answer.name == "__os_install_post"), None)
    if post is not None:
        say += f"; __os_install_post {'strips' if strips(post, lambda _: None) else 'does not strip'} what is packaged"
    report.find("host", Verdict.INFO, say, evidence=lines)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="rpm.env",
        title="Macros of the build host",
        question="Whose macros does this host build with, and do they strip?",
        collectors=(SHOWRC, VERSION),
        judge=judge_env,
        facts=(*HOST_FACTS, FactSpec("macros", "map", "the macros that decide, name to body")),
        rules=(Rule("host", "what the host's macros do", "rpm --showrc"),),
        sources=("rpm(8): --showrc",),
    ),
    Probe(
        id="rpm.eval",
        title="Packaging macros by name",
        question="Which packaging macros are defined on this host, and to what?",
        collectors=(EVAL,),
        judge=judge_eval,
        facts=(FactSpec("macros", "map", "name to value; null is not defined"),),
        rules=(Rule("host", "which macros are defined", "rpm(8): an undefined macro prints itself unless asked with a ?"),),
        sources=("rpm(8): --eval",),
    ),
)
