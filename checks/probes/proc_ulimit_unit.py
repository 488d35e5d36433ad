"""Part of proc.ulimit: what systemd's unit and pam_limits say, beside what the process really has.

Knowledge: systemd.exec(5), LimitNOFILE=; pam_limits(8): a service of systemd does not pass through it. A limit of a unit reaches
only processes that start after the change.
"""

from __future__ import annotations

import re

from checks.parsers.files import split_files
from checks.parsers.proc_limits import Limit
from checks.parsers.reading import is_files
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.results import Reason, Section, Verdict

FACTS = (
    FactSpec("unit", "str", "its systemd service, if any"),
    FactSpec("unit_nofile", "int", "LimitNOFILE of the unit (hard limit); none is unlimited or not known"),
    FactSpec("unit_nproc", "int", "LimitNPROC of the unit; none is unlimited or not known"),
    FactSpec("unit_tasks_max", "int", "TasksMax of the unit; none is unlimited or not known"),
)
RULES = (
    Rule(
        "unit_newer",
        "the unit allows more open files than the process has: it was started before the change, or set a lower limit itself",
        "systemd.exec(5), LimitNOFILE=",
        "systemctl daemon-reload, then restart the service in a change window",
    ),
    Rule(
        "past_pam",
        "limits.conf sets a limit of open files, and the process is a service, which pam_limits does not reach",
        "pam_limits(8), systemd.exec(5)",
    ),
)
_SHOWN = {"LimitNOFILE": "unit_nofile", "LimitNPROC": "unit_nproc", "TasksMax": "unit_tasks_max"}


def judge_unit(report: Report, files: Limit) -> None:
    """Judge the unit's limits when they were collected; a process outside of services has none."""
    if "unit_limits" not in report.sections:
        return
    section = report.need("unit_limits")
    text, shown = split_files(section.text), _shown(section)
    if not (text.complete if is_files(section) else shown and section.text.endswith("\n")):
        report.unknown(Reason.TRUNCATED, "unit_limits was cut: its end is missing", rule="unit_newer")
        return
    unit = text.text("unit").strip()
    report.fact("unit", unit or None)
    for name, fact in _SHOWN.items():
        if name in shown:
            report.fact(fact, shown[name][0], "unit_limits", shown[name][1])
    if "LimitNOFILE" in shown:
        _judge_newer(report, unit or "its unit", files, *shown["LimitNOFILE"])
    if unit and text.text("pam_limits").strip():
        say = f"limits.conf sets a limit of open files, which does not reach {unit}: set LimitNOFILE= in the unit"
        evidence = [report.evidence("unit_limits", text.line_of("pam_limits"), "nofile")]
        report.find("past_pam", Verdict.INFO, say, evidence=evidence)


def _shown(section: Section) -> dict[str, tuple[int | None, int]]:
    """What systemctl show prints of limits: value (None: no limit) and line."""
    shown: dict[str, tuple[int | None, int]] = {}
    for number, line in enumerate(section.lines, 1):
        if match := re.fullmatch(r"(\w+)=(infinity|[0-9]+)", line):
            shown[match[1]] = None if match[2] == "infinity" else int(match[2]), number
    return shown


def _judge_newer(report: Report, unit: str, files: Limit, allowed: int | None, line: int) -> None:
    if files.hard is None or (allowed is not None and allowed <= files.hard):
        return
    value = "unlimited" if allowed is None else str(allowed)
    say = f"{unit} allows {value} open files, and the process has {files.hard}: it was started before the change"
    report.find("unit_newer", Verdict.WARN, say, value=files.hard, evidence=[report.evidence("unit_limits", line, "LimitNOFILE")])


PROBES: tuple[Probe, ...] = ()
