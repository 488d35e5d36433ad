"""proc.pid1_signals: does the stop signal reach the program in that container?

Knowledge: pid_namespaces(7), signal(7); the measured masks of ``checks.analyzers.first_process``; writeup on signals in
containers. It is told from the masks alone, never by sending a signal.
"""

from __future__ import annotations

from checks.analyzers.first_process import FirstProcess, Outcome, outcome
from checks.analyzers.signals import holds, names
from checks.collectors.process import FIRST_PROCESS
from checks.params import Param
from checks.parsers.proc_process import ProcStatus, parse_picked_status, parse_status
from checks.parsers.reading import read_file, whole_numbers
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.cgroup_target import absent
from checks.results import Reason, Verdict

_SAYS: dict[Outcome, tuple[str, Verdict, str]] = {
    Outcome.SHIM: ("init", Verdict.OK, "{name} is an init: it hands SIG{signal} on to the program"),
    Outcome.SHELL_IGNORES: (
        "shell",
        Verdict.CRIT,
        "a shell ({program}) comes first and does not catch SIG{signal}: {children} killed after the grace period",
    ),
    Outcome.FORWARDED_LATE: (
        "shell",
        Verdict.WARN,
        "a shell ({program}) comes first; its trap for SIG{signal} runs only when its foreground command ends",
    ),
    Outcome.DROPPED: (
        "uncaught",
        Verdict.CRIT,
        "{name} comes first and does not catch SIG{signal}: the kernel drops it, a kill follows the grace period",
    ),
    Outcome.IGNORED: ("uncaught", Verdict.CRIT, "{name} ignores SIG{signal}, so a kill follows the grace period"),
    Outcome.MAY_BE_DROPPED: (
        "runtime_handler",
        Verdict.WARN,
        "{name} is node: it catches SIG{signal}, and drops it unless the program has a handler",
    ),
    Outcome.CAUGHT: ("uncaught", Verdict.OK, "{name} catches SIG{signal}{by}"),
    Outcome.DEFAULT_ACTION: (
        "uncaught",
        Verdict.OK,
        "{name} does not catch SIG{signal} but is not the first of its namespace: the signal ends it",
    ),
}


def judge(report: Report) -> None:
    signal = report.params.get("stop_signal") or "TERM"
    section = report.need("first_process")
    if not section.text.startswith("== pids\n"[: len(section.text)]):  # /proc/PID/status as pasted
        status, shift = read_file(section, "/status", parse_picked_status)
        process = FirstProcess(status, "", "", ())
    else:
        pids, _ = read_file(section, "pids", str.split)
        if not pids:
            absent(report, hidden="hidepid=" in read_file(section, "proc mount", str)[0])
            return
        exe, _ = read_file(section, "exe", str.strip)
        command, _ = read_file(section, "cmdline", str.strip)
        children, _ = read_file(section, "children", whole_numbers)
        status, shift = _first_status(report, children)
        process = FirstProcess(status, exe, command, tuple(children))
    _facts(report, process, signal, shift)
    _judge(report, process, signal, shift)


def _first_status(report: Report, children: list[int]) -> tuple[ProcStatus, int]:
    """The status of the process itself: of the status files the one that is no child's."""
    section = report.need("first_process")
    own = [line[3:] for line in section.lines if line.startswith("== /proc/") and line.endswith("/status")]
    path = next((path for path in own if path.split("/")[2] not in map(str, children)), "/status")
    return read_file(section, path, parse_status)


def _facts(report: Report, process: FirstProcess, signal: str, shift: int) -> None:
    fields = process.status.fields
    line = {name: fields[name].line + shift for name in fields}
    report.fact("is_ns_init", process.is_init, "first_process", line.get("NSpid", 0))
    report.fact("pid", process.status.pid or None, "first_process", line.get("Pid", 0))
    report.fact("comm", process.status.name, "first_process", line.get("Name", 0))
    report.fact("program", process.program)
    report.fact("command", process.command)
    report.fact("handles_term", holds(process.status.caught, "TERM"), "first_process", line["SigCgt"])
    report.fact("catches_stop_signal", holds(process.status.caught, signal), "first_process", line["SigCgt"])
    report.fact("signals_caught", names(process.status.caught), "first_process", line["SigCgt"])
    report.fact("shim", process.shim)
    report.fact("shell", process.shell)
    report.fact("children", len(process.children))
    report.fact("stop_signal", signal)


def _judge(report: Report, process: FirstProcess, signal: str, shift: int) -> None:
    fields = process.status.fields
    rows = ("Name", "NSpid", "SigIgn", "SigCgt")
    evidence = [report.evidence("first_process", fields[name].line + shift, name) for name in rows if name in fields]
    found = outcome(process, signal)
    if found == Outcome.CAUGHT and not process.command and not process.exe:
        say = f"{process.status.name} catches SIG{signal}; whether it is a shell takes its command line"
        report.unknown(Reason.MISSING, say, evidence, rule="shell")
        return
    if found == Outcome.NOT_KNOWN:
        say = (
            f"{process.status.name} does not catch SIG{signal}; this kernel does not say whether it is the first of its namespace"
        )
        report.unknown(Reason.MISSING, say, evidence, rule="uncaught")
        return
    rule, verdict, say = _SAYS[found]
    by = ", as every Go program does: without signal.Notify it just ends" if process.go else ""
    say = say.format(
        name=process.status.name,
        program=process.program,
        signal=signal,
        children=f"its {len(process.children)} children are" if len(process.children) != 1 else "its child is",
        by=by,
    )
    report.find(rule, verdict, say, evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="proc.pid1_signals",
        title="Stop signal of a container's first process",
        question="Does the stop signal reach the program in that container?",
        collectors=(FIRST_PROCESS,),
        judge=judge,
        params=(
            Param("pid", "pid", None, "the container's first process, as the host sees it (State.Pid)"),
            Param("process", "process", None, "that process, by its name; of several the oldest"),
            Param("container", "process", None, "a container id; its oldest process is taken"),
            Param(
                "stop_signal",
                "enum",
                "TERM",
                "the signal that the runtime sends first; Kubernetes always sends TERM",
                choices=("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH"),
            ),
        ),
        facts=(
            FactSpec("is_ns_init", "bool", "it is the first process of its pid namespace; none on kernels before 4.1"),
            FactSpec("pid", "int", "its pid on the host"),
            FactSpec("comm", "str", "its name; that of the script when a script was started"),
            FactSpec("program", "str", "the program that runs, where it may be seen"),
            FactSpec("command", "str", "its command line, the first 200 bytes"),
            FactSpec("handles_term", "bool", "SIGTERM has a handler"),
            FactSpec("catches_stop_signal", "bool", "the stop signal has a handler"),
            FactSpec("signals_caught", "list", "names of the caught signals"),
            FactSpec("shim", "bool", "it is a known init"),
            FactSpec("shell", "bool", "it is a shell"),
            FactSpec("children", "int", "its children"),
            FactSpec("stop_signal", "str", "the signal asked about"),
        ),
        rules=(
            Rule(
                "shell",
                "the first process is a shell: the signal stops there",
                "pid_namespaces(7); writeup on signals in containers",
                "exec the program as the script's last line, use the exec form of ENTRYPOINT, or an init (--init, tini)",
            ),
            Rule(
                "uncaught",
                "the first process does not catch the signal, so the kernel drops it",
                "pid_namespaces(7)",
                "handle the signal in the program, or start it below an init (docker run --init, tini)",
            ),
            Rule(
                "runtime_handler",
                "the language runtime catches the signal and may drop it",
                "measured with node",
                "add process.on('SIGTERM', …), or start it below an init",
            ),
            Rule("init", "a known init hands signals on", "tini, dumb-init, catatonit, s6, systemd"),
        ),
        sources=("pid_namespaces(7)", "signal(7)", "writeup on signals in containers"),
    ),
)
