"""ip.neigh_gc: is there room in the neighbour table?

Knowledge: kernel gc_thresh; the table is one for all network namespaces, so its size stands only in /proc/net/stat/arp_cache (a
namespace that listed 4 had 15 entries there) and its limits only in the initial namespace. The kernel's message stands in its log
for as long as the log reaches back; what is older than an hour says nothing of now.
"""

from __future__ import annotations

import re
from typing import Any

from checks.analyzers.neighbour_table import grown
from checks.collectors.ip import GC, NEIGH_FULL
from checks.errors import EvidenceError
from checks.parsers.arp_cache import NeighbourStat, parse_arp_cache
from checks.parsers.files import split_files
from checks.parsers.reading import is_files, read_file, whole_lines
from checks.probes.base import FactSpec, Probe, Report, Threshold
from checks.probes.ip_rules import rules
from checks.probes.ip_sections import lines
from checks.results import Reason, Section, Verdict

_COUNTED = ("table_fulls", "forced_gc_runs", "res_failed", "unresolved_discards")
_OVERFLOW = re.compile(r"(?i)\bneighbou?r table overflow\b")
_STAMP = re.compile(r"\[ *(\d{1,12})\.\d+\]")


def judge_gc(report: Report) -> None:
    _judge_messages(report)
    before = report.need("gc_a")
    after = report.need("gc_b") if "gc_b" in report.sections else None
    facts: dict[str, Any] = {}
    for family, name in ((4, "arp_cache"), (6, "ndisc_cache")):
        try:
            facts[f"ipv{family}"] = _judge_family(report, before, after, family, name)
        except EvidenceError as error:
            if family == 4 or error.reason != Reason.MISSING:
                raise
            if _is_told_absent(before, name):
                report.find("R18", Verdict.INFO, "IPv6 has no neighbour table on this host")
            else:
                report.unknown(Reason.MISSING, "not collected and therefore not looked at: the table of IPv6")
    report.fact("neigh_gc", facts)
    if after is None:
        report.unknown(Reason.MISSING, "whether the table was full meanwhile needs a second sample, gc_b")


def _is_told_absent(section: Section, name: str) -> bool:
    return any(path.endswith(f"/{name}") for path in split_files(section.text).absent)


def _judge_family(report: Report, before: Section, after: Section | None, family: int, name: str) -> dict[str, Any]:
    old, shift = read_file(before, f"/{name}", parse_arp_cache)
    new, shift = read_file(after, f"/{name}", parse_arp_cache) if after else (old, shift)
    last = after or before
    deltas = {counter: grown(old, new, counter) if after else None for counter in _COUNTED}
    row = (last.name, new.line + shift, "")
    fulls = deltas["table_fulls"]
    if fulls:
        says = f"IPv{family}: the neighbour table was full {fulls} times between the samples, with {new.entries} entries"
        report.find("R18", Verdict.CRIT, says, value=fulls, evidence=lines(report, row))
    limits, why = _limits(last, family)
    if not limits:
        report.unknown(Reason.MISSING, f"IPv{family}: {new.entries} entries, but {why}", lines(report, row), "R18")
    elif not fulls:
        _judge_size(report, new, family, limits, row)
    facts: dict[str, Any] = {f"{counter}_delta": delta for counter, delta in deltas.items()}
    facts |= {f"thresh{n}": value for n, (value, _) in limits.items()}
    return facts | {
        "entries": new.entries,
        "used_ratio": round(new.entries / limits[3][0], 4) if limits and limits[3][0] else None,
    }


def _judge_size(
    report: Report, stat: NeighbourStat, family: int, limits: dict[int, tuple[int, int]], row: tuple[str, int, str]
) -> None:
    (soft, soft_line), (hard, hard_line) = limits[2], limits[3]
    by_hard, by_soft = (stat.entries / limit if limit else 1.0 for limit in (hard, soft))
    evidence = lines(report, row, (row[0], hard_line, ""), (row[0], soft_line, ""))
    if by_hard >= report.limits["used_crit"]:
        says = f"IPv{family}: {stat.entries} neighbours of at most {hard} (gc_thresh3)"
        report.find("R18", Verdict.CRIT, says, value=round(by_hard, 4), limit="used_crit", evidence=evidence)
    elif by_soft >= report.limits["used_warn"]:
        says = f"IPv{family}: {stat.entries} neighbours; above {soft} (gc_thresh2) the kernel throws entries out after 5 s"
        report.find("R18", Verdict.WARN, says, value=round(by_soft, 4), limit="used_warn", evidence=evidence)
    else:
        says = f"IPv{family}: {stat.entries} neighbours of {soft} (gc_thresh2) and at most {hard} (gc_thresh3)"
        report.find("R18", Verdict.OK, says, value=round(by_soft, 4), limit="used_warn", evidence=evidence)


def _limits(section: Section, family: int) -> tuple[dict[int, tuple[int, int]], str]:
    """gc_thresh1 to 3 with the lines they stand on; or none, and why: a network namespace of its own has none."""
    found = {}
    for number in (1, 2, 3):
        try:
            found[number] = read_file(section, f"/ipv{family}/neigh/default/gc_thresh{number}", _read_number)
        except EvidenceError as error:
            if error.reason != Reason.MISSING:
                raise
            told = _is_told_absent(section, f"gc_thresh{number}")
            return {}, "gc_thresh exists only in the initial network namespace" if told else "gc_thresh1 to 3 were not collected"
    return {number: (value, shift + 1) for number, (value, shift) in found.items()}, ""


def _read_number(text: str) -> int:
    if not text.strip().isdigit():
        raise EvidenceError(f"{text.strip()[:40]!r} is not a number")
    return int(text)


def _judge_messages(report: Report) -> None:
    """The kernel's own words. Without the host's uptime nobody can tell how old they are: whoever shows them means them."""
    name = "neigh_full"
    if name not in report.sections or report.sections[name].rc:
        return
    section = report.need(name)
    files = split_files(section.text)
    uptime = int(float(files.need("/proc/uptime").split()[0])) if is_files(section) and files.complete else None
    if is_files(section) and uptime is None:
        raise EvidenceError("the kernel's messages were cut: their closing line is missing", Reason.TRUNCATED, name)
    if uptime is None:
        whole_lines(section.text)
    found = [(number, _age(line, uptime)) for number, line in enumerate(section.lines, 1) if _OVERFLOW.search(line)]
    recent = [number for number, age in found if age is None or age <= report.limits["full_recent_s"]]
    if recent:
        says = f"the kernel said {len(recent)} times that the neighbour table overflows"
        evidence = [report.evidence(name, number, "able overflow") for number in recent[-3:]]
        report.find("R18", Verdict.CRIT, says, value=len(recent), unit="messages", evidence=evidence)
    elif found:
        says = f"the kernel said {len(found)} times that the neighbour table overflows, but not in the last hour"
        report.find("R18", Verdict.INFO, says, evidence=[report.evidence(name, found[-1][0])])


def _age(line: str, uptime: int | None) -> int | None:
    stamp = _STAMP.search(line)
    return uptime - int(stamp[1]) if stamp and uptime is not None else None


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ip.neigh_gc",
        title="Room in the neighbour table",
        question="Is the neighbour table full, or was it?",
        collectors=(GC, NEIGH_FULL),
        judge=judge_gc,
        thresholds=(
            Threshold("used_warn", 0.8, "ratio", "entries against gc_thresh2", "above gc_thresh2 entries live 5 s"),
            Threshold("used_crit", 0.95, "ratio", "entries against gc_thresh3", "additions fail at 1017 to 1019 of 1024", "I"),
            Threshold("full_recent_s", 3600, "s", "how old a kernel message still counts", "judgement"),
        ),
        facts=(FactSpec("neigh_gc", "dict", "per family: entries, thresh1 to 3, used_ratio, and what the counters grew by"),),
        rules=rules("R18"),
        sources=("kernel Documentation/networking/ip-sysctl.rst", "e2b-dev/infra#3508"),
    ),
)
