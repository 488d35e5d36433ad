"""tcp.sockets: is TCP near a limit of memory, orphans or TIME-WAIT sockets?

Knowledge: Documentation/networking/ip-sysctl.rst (tcp_mem, tcp_max_orphans, tcp_max_tw_buckets); proc(5) on /proc/net/sockstat.
The counts are those of one network namespace, memory and its limits are those of the host.
"""

from __future__ import annotations

from checks.collectors.sockets import SOCKSTAT
from checks.errors import ParseError
from checks.parsers.files import Files, split_files
from checks.parsers.keyed import Counter
from checks.parsers.reading import is_files, read_file, whole_numbers
from checks.parsers.sockstat import parse_sockstat
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Reason

_SOCKSTAT = "/proc/net/sockstat"
_SYSCTL = "/proc/sys/net/ipv4/"
_FACTS = {
    "inuse_count": "inuse",
    "orphan_count": "orphan",
    "time_wait_count": "tw",
    "allocated_count": "alloc",
    "mem_pages": "mem",
}
_RULES = {
    "memory": ("mem", "tcp_mem", "TCP holds {count} of {limit} pages"),
    "orphans": ("orphan", "tcp_max_orphans", "{count} of {limit} orphaned sockets"),
    "time_wait": ("tw", "tcp_max_tw_buckets", "{count} of {limit} TIME-WAIT sockets"),
}


def judge(report: Report) -> None:
    section = report.need("sockstat")
    counts, shift = read_file(section, _SOCKSTAT, parse_sockstat)
    for name, key in _FACTS.items():
        if key in counts:
            report.fact(name, int(counts[key]), "sockstat", counts[key].line + shift)
    files = split_files(section.text)
    for rule, (key, file, say) in sorted(_RULES.items(), key=lambda entry: entry[1][0] not in counts):
        limit = _limit(report, files, file)
        if key in counts and limit is not None:
            _judge_one(report, rule, counts[key], limit, say, (counts[key].line + shift, files.line_of(_SYSCTL + file)))
        else:
            _tell(report, rule, counts.get(key), say, shift, file)


def _judge_one(report: Report, rule: str, count: Counter, limit: int, say: str, lines: tuple[int, int]) -> None:
    ratio = count / limit if limit or rule != "memory" else 1.0
    verdict, threshold = report.level(ratio, warn="used_warn", crit="used_crit")
    report.fact(f"{rule}_ratio", round(ratio, 4), "sockstat", lines[0])
    evidence = [report.evidence("sockstat", line) for line in lines]
    told = say.format(count=int(count), limit=limit)
    report.find(rule, verdict, told, value=round(ratio, 4), limit=threshold, evidence=evidence)


def _tell(report: Report, rule: str, count: Counter | None, say: str, shift: int, file: str) -> None:
    """A paste that lacks the limit, or (ss -s) the count."""
    if count is None:
        report.unknown(Reason.MISSING, "how many pages TCP holds takes /proc/net/sockstat", rule=rule)
        return
    told = say.replace(" of {limit}", "").format(count=int(count)) + f"; whether that is much takes {_SYSCTL}{file}"
    report.unknown(Reason.MISSING, told, [report.evidence("sockstat", count.line + shift)], rule=rule)


def _limit(report: Report, files: Files, name: str) -> int | None:
    """The limit; None when its file was not pasted. The last of tcp_mem's three numbers is the limit."""
    path = _SYSCTL + name
    if path not in files and (files.complete or not is_files(report.need("sockstat"))) and path not in files.absent:
        return None
    numbers = read_file(report.need("sockstat"), path, whole_numbers)[0]
    if len(numbers) != (3 if name == "tcp_mem" else 1) or any(number >= 10**18 for number in numbers):
        raise ParseError(f"{name} does not hold what it should", None, "sockstat", files.line_of(path))
    return max(numbers[-1], int(name != "tcp_mem"))


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
