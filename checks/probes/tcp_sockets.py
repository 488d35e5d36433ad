"""tcp.sockets: is TCP near a limit of memory, orphans or TIME-WAIT sockets?

Knowledge: Documentation/networking/ip-sysctl.rst (tcp_mem, tcp_max_orphans, tcp_max_tw_buckets); proc(5) on /proc/net/sockstat.
The counts are those of one network namespace, memory and its limits are those of the host.
"""

from __future__ import annotations

from checks.collectors.sockets import SOCKSTAT
from checks.errors import ParseError
from checks.parsers.files import Files, split_files
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Reason

_SOCKSTAT = "/proc/net/sockstat"
_SYSCTL = "/proc/sys/net/ipv4/"


def judge(report: Report) -> None:
    files = split_files(report.need("sockstat").text)
    if not files.complete:
        raise ParseError("sockstat was cut: its closing line is missing", Reason.TRUNCATED, "sockstat")
    counts, line = _tcp(files)
    pressure = [_number(word, "tcp_mem", files) for word in files.need(_SYSCTL + "tcp_mem").split()]
    if len(pressure) != 3:
        raise ParseError("tcp_mem does not hold three numbers", None, "sockstat", files.line_of(_SYSCTL + "tcp_mem"))
    orphans = _number(files.need(_SYSCTL + "tcp_max_orphans").strip(), "tcp_max_orphans", files)
    buckets = _number(files.need(_SYSCTL + "tcp_max_tw_buckets").strip(), "tcp_max_tw_buckets", files)
    for name, key in (
        ("inuse", "inuse"),
        ("orphan", "orphan"),
        ("time_wait", "tw"),
        ("allocated", "alloc"),
        ("mem_pages", "mem"),
    ):
        report.fact(f"{name}_count" if name != "mem_pages" else name, counts[key], "sockstat", line)
    share = counts["mem"] / pressure[2] if pressure[2] else 1.0
    for rule, ratio, what, limit_file in (
        ("memory", share, f"TCP holds {counts['mem']} of {pressure[2]} pages", "tcp_mem"),
        ("orphans", counts["orphan"] / max(orphans, 1), f"{counts['orphan']} of {orphans} orphaned sockets", "tcp_max_orphans"),
        ("time_wait", counts["tw"] / max(buckets, 1), f"{counts['tw']} of {buckets} TIME-WAIT sockets", "tcp_max_tw_buckets"),
    ):
        verdict, limit = report.level(ratio, warn="used_warn", crit="used_crit")
        evidence = [report.evidence("sockstat", line), report.evidence("sockstat", files.line_of(_SYSCTL + limit_file))]
        report.fact(f"{rule}_ratio", round(ratio, 4), "sockstat", line)
        report.find(rule, verdict, what, value=round(ratio, 4), limit=limit, evidence=evidence)


def _tcp(files: Files) -> tuple[dict[str, int], int]:
    """The counts of the TCP line and its number within the section."""
    for offset, line in enumerate(files.need(_SOCKSTAT).split("\n")):
        words = line.split()
        if words[:1] == ["TCP:"] and len(words) % 2 == 1:
            counts = {name: _number(value, "sockstat", files) for name, value in zip(words[1::2], words[2::2], strict=True)}
            if {"inuse", "orphan", "tw", "alloc", "mem"} <= counts.keys():
                return counts, files.line_of(_SOCKSTAT) + offset
    raise ParseError("there is no whole TCP line in /proc/net/sockstat", None, "sockstat", files.line_of(_SOCKSTAT))


def _number(text: str, name: str, files: Files) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ParseError(f"{name} holds {text[:30]!r} where a number belongs", None, "sockstat", files.line_of(_SYSCTL + name))
    return int(text)


_SOURCE = "Documentation/networking/ip-sysctl.rst"
PROBES: tuple[Probe, ...] = (
    Probe(
        id="tcp.sockets",
        title="Sockets against TCP's limits",
        question="Is TCP near a limit of memory, orphans or TIME-WAIT sockets?",
        collectors=(SOCKSTAT,),
        judge=judge,
        facts=(
            FactSpec("inuse_count", "int", "TCP sockets in use"),
            FactSpec("orphan_count", "int", "sockets no process holds any more"),
            FactSpec("time_wait_count", "int", "sockets in TIME-WAIT"),
            FactSpec("allocated_count", "int", "TCP sockets the kernel holds"),
            FactSpec("mem_pages", "int", "pages of memory TCP holds"),
            FactSpec("memory_ratio", "float", "of the limit of tcp_mem"),
            FactSpec("orphans_ratio", "float", "of tcp_max_orphans"),
            FactSpec("time_wait_ratio", "float", "of tcp_max_tw_buckets"),
        ),
        rules=(
            Rule(
                "memory",
                "TCP's memory is near its limit",
                f"{_SOURCE}: tcp_mem",
                "Find who leaves data unread (ss -tm), or raise tcp_mem.",
            ),
            Rule(
                "orphans",
                "orphaned sockets are near their limit; beyond it they are reset",
                f"{_SOURCE}: tcp_max_orphans",
                "Find peers that do not answer a close, and see tcp_orphan_retries.",
            ),
            Rule(
                "time_wait",
                "TIME-WAIT sockets are near their limit; beyond it they are destroyed at once",
                f"{_SOURCE}: tcp_max_tw_buckets",
                "Keep connections open, or raise tcp_max_tw_buckets.",
            ),
        ),
        thresholds=(
            Threshold("used_warn", 0.8, "ratio", "a limit worth watching", "judgement"),
            Threshold("used_crit", 0.95, "ratio", "a limit as good as reached", "judgement"),
        ),
        sources=(_SOURCE, "proc(5)"),
    ),
)
