"""proc.ulimit: is that process, its user, or the host near a limit of open files or tasks?

Knowledge: getrlimit(2), proc(5), pam_limits(8): a service of systemd does not pass through pam_limits, so limits.conf says
nothing of it. A container's limits come from the runtime's own unit.
"""

from __future__ import annotations

import re

from checks.collectors.process import HOST_FILES, LIMITS
from checks.collectors.unit import UNIT_LIMITS
from checks.errors import ParseError
from checks.params import Param
from checks.parsers.files import split_files
from checks.parsers.proc_limits import Limit, parse_limits
from checks.parsers.reading import is_files, read_file, whole_number
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.probes.cgroup_target import absent
from checks.probes.proc_ulimit_unit import FACTS, RULES, judge_unit
from checks.results import Reason, Section, Verdict

_FILES, _TASKS = "Max open files", "Max processes"
Counts = dict[str, int | None]


def judge(report: Report) -> None:
    host = _host(report)
    if host and "limits" not in report.sections:
        report.unknown(Reason.MISSING, "the limits of the process were not collected", rule="open_files")
        _judge_host(report, *host)
        return
    section = report.need("limits")
    if not is_files(section) or not section.text.startswith("== pids\n"[: len(section.text)]):
        _judge_paste(report, section)
        return
    pids, _ = read_file(section, "pids", str.split)
    if not pids:
        absent(report, hidden="hidepid=" in read_file(section, "proc mount", str)[0])
        return
    counts, counts_at = read_file(section, "counts", _counts)
    limits, shift = read_file(section, "/limits", parse_limits)
    _facts(report, limits, shift)
    for name, value in counts.items():
        report.fact(name, value, "limits", counts_at + 1)
    _judge_files(report, limits[_FILES], counts["fds"], shift)
    _judge_tasks(report, limits[_TASKS], counts, shift)
    judge_unit(report, limits[_FILES])
    if host is None:
        report.unknown(Reason.MISSING, "file-nr and file-max were not collected", rule="host_files")
    else:
        _judge_host(report, *host)


def _judge_paste(report: Report, section: Section) -> None:
    """/proc/PID/limits as a person shows it, perhaps with the number of files in /proc/PID/fd, or ulimit -a of a shell."""
    limits, shift = read_file(section, "/limits", parse_limits)
    if _FILES not in limits:
        raise ParseError(f"the limits end before {_FILES}, or were picked without it", Reason.TRUNCATED, "limits")
    _facts(report, limits, shift, pasted=True)
    files = split_files(section.text)
    counted = files.ending("/fd")
    if counted:
        fds, at = read_file(section, "/fd", lambda text: whole_number(text.strip()) if text.strip().isdigit() else None)
        report.fact("fds", fds, "limits", at + 1)
        _judge_files(report, limits[_FILES], fds, shift)
    else:
        evidence = [report.evidence("limits", limits[_FILES].line + shift)]
        soft = limits[_FILES].soft
        say = f"up to {soft if soft is not None else 'any number of'} files may be open; how many are was not counted"
        report.unknown(Reason.MISSING, f"{say}: ls /proc/PID/fd | wc -l", evidence, rule="open_files")
    judge_unit(report, limits[_FILES])
    report.unknown(Reason.MISSING, "the tasks of its user were not counted", rule="user_tasks")


def _counts(text: str) -> Counts:
    match = re.fullmatch(r"uid (\d+)\nuid_tasks (\d+)\nfds (\d+|unreadable)\n", text)
    if not match:
        raise ParseError("the counts of open files and tasks are not whole; the process may have ended meanwhile", line=1)
    return {"uid": int(match[1]), "uid_tasks": int(match[2]), "fds": None if match[3] == "unreadable" else int(match[3])}


def _host(report: Report) -> tuple[int, int, int] | None:
    """Open files of the host, their bound, the line."""
    if "host_files" not in report.sections:
        return None
    section = report.need("host_files")
    (used, most), shift = read_file(section, "/file-nr", _file_nr)
    report.fact("host_files", used, "host_files", shift + 1)
    report.fact("host_files_max", most, "host_files", shift + 1)
    return used, most, shift + 1


def _file_nr(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)\s+\d+\s+(\d+)\n", text)
    if not match:
        raise ParseError("this is not the three numbers of file-nr", line=1)
    return int(match[1]), int(match[2])


def _facts(report: Report, limits: dict[str, Limit], shift: int, *, pasted: bool = False) -> None:
    for name in (_FILES, _TASKS):
        if pasted and name not in limits:
            continue
        if name not in limits:
            raise ParseError(f"/proc/PID/limits has no row {name}", Reason.TRUNCATED, "limits")
        fact = "nofile" if name == _FILES else "nproc"
        report.fact(f"{fact}_soft", limits[name].soft, "limits", limits[name].line + shift)
        report.fact(f"{fact}_hard", limits[name].hard, "limits", limits[name].line + shift)


def _judge_files(report: Report, limit: Limit, fds: int | None, shift: int) -> None:
    evidence = [report.evidence("limits", limit.line + shift, _FILES)]
    if limit.soft is None:
        report.find("open_files", Verdict.OK, "the number of open files is unlimited", evidence=evidence)
        return
    if fds is None:
        say = f"up to {limit.soft} files may be open; how many are takes root or the process's own user"
        report.unknown(Reason.NEED_PRIVILEGE, say, evidence, rule="open_files")
        return
    ratio = fds / max(limit.soft, 1)
    level, name = report.level(ratio, "fds_warn_ratio", "fds_crit_ratio")
    say = f"{fds} of {limit.soft} files are open ({ratio:.0%})"
    report.find("open_files", level, say, value=round(ratio, 4), limit=name, evidence=evidence)
    higher = limit.hard is None or limit.hard > limit.soft
    if limit.soft == 1024 and higher and ratio >= report.limits["soft_1024_ratio"]:
        hard = limit.hard if limit.hard is not None else "unlimited"
        say = f"the soft limit of open files is the default 1024 although {hard} are allowed, and {fds} are open"
        report.find("soft_1024", Verdict.WARN, say, value=fds, evidence=evidence)


def _judge_tasks(report: Report, limit: Limit, counts: Counts, shift: int) -> None:
    evidence = [report.evidence("limits", limit.line + shift, _TASKS)]
    tasks = counts["uid_tasks"] or 0
    if limit.soft is None or counts["uid"] == 0:
        who = "root is exempt from the limit" if counts["uid"] == 0 else "the number of tasks is unlimited"
        report.find("user_tasks", Verdict.OK, f"its user runs {tasks} tasks; {who}", evidence=evidence)
        return
    ratio = tasks / max(limit.soft, 1)
    level, name = report.level(ratio, "tasks_warn_ratio", "tasks_crit_ratio")
    say = f"user {counts['uid']} runs {tasks} of {limit.soft} tasks ({ratio:.0%}), threads of all its processes together"
    report.find("user_tasks", level, say, value=round(ratio, 4), limit=name, evidence=evidence)


def _judge_host(report: Report, used: int, most: int, line: int) -> None:
    ratio = used / max(most, 1)
    level, name = report.level(ratio, "host_warn_ratio", "host_crit_ratio")
    say = f"the host has {used} of {most} files open ({ratio:.0%})"
    evidence = [report.evidence("host_files", line, str(used))]
    report.find("host_files", level, say, value=round(ratio, 4), limit=name, evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="proc.ulimit",
        title="Limits of a process",
        question="Is that process, its user, or the host near a limit of open files or tasks?",
        collectors=(LIMITS, HOST_FILES, UNIT_LIMITS),
        judge=judge,
        params=(
            Param("pid", "pid", None, "the process, by its id"),
            Param("process", "process", None, "the process, by its name; of several the oldest"),
        ),
        thresholds=(
            Threshold("fds_warn_ratio", 0.8, "of the soft limit", "open files", "judgement"),
            Threshold("fds_crit_ratio", 0.95, "of the soft limit", "open files", "judgement"),
            Threshold("soft_1024_ratio", 0.5, "of 1024", "open files at which the default limit is worth saying", "judgement"),
            Threshold("tasks_warn_ratio", 0.8, "of the soft limit", "tasks of the user", "judgement"),
            Threshold("tasks_crit_ratio", 0.9, "of the soft limit", "tasks of the user", "judgement"),
            Threshold("host_warn_ratio", 0.8, "of file-max", "open files of the host", "judgement"),
            Threshold("host_crit_ratio", 0.9, "of file-max", "open files of the host", "judgement"),
        ),
        facts=(
            FactSpec("fds", "int", "open files; none when this user may not count them"),
            FactSpec("nofile_soft", "int", "soft limit of open files; none is unlimited"),
            FactSpec("nofile_hard", "int", "hard limit of open files; none is unlimited"),
            FactSpec("uid", "int", "real user id"),
            FactSpec("uid_tasks", "int", "threads of all processes of that user"),
            FactSpec("nproc_soft", "int", "soft limit of tasks; none is unlimited"),
            FactSpec("nproc_hard", "int", "hard limit of tasks; none is unlimited"),
            *FACTS,
            FactSpec("host_files", "int", "open files of the host"),
            FactSpec("host_files_max", "int", "fs.file-max"),
        ),
        rules=(
            Rule(
                "open_files",
                "the process is near its soft limit of open files",
                "getrlimit(2), RLIMIT_NOFILE",
                "raise LimitNOFILE= of its unit (or of the container runtime's), and look for files that are never closed",
            ),
            Rule(
                "soft_1024",
                "a server runs with the default soft limit of 1024 open files",
                "getrlimit(2); pam_limits(8)",
                "set LimitNOFILE= in its unit; limits.conf does not reach services of systemd",
            ),
            *RULES,
            Rule(
                "user_tasks",
                "the user is near its limit of tasks: fork and thread creation fail with EAGAIN",
                "getrlimit(2), RLIMIT_NPROC",
                "raise LimitNPROC= or nproc, and find what starts so many threads",
            ),
            Rule(
                "host_files",
                "the host is near fs.file-max",
                "proc(5), /proc/sys/fs/file-nr",
                "raise fs.file-max, and find the process with most open files",
            ),
        ),
        sources=("getrlimit(2)", "proc(5)", "pam_limits(8)"),
    ),
)
