"""What the sections beside the rules say of the host: process, settings, nftables, listeners. No probes of its own.

A section that was never given leaves out what it would have decided; a damaged one is said as ``unknown``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from checks.analyzers.kube_proxy_fault import Host, Knob, Line
from checks.analyzers.nft_tables import dropping_chains, firewall_tests_mark, foreign_rules
from checks.errors import EvidenceError, ParseError
from checks.parsers.files import Files, split_files
from checks.parsers.ip_vs import parse_ip_vs
from checks.parsers.ipset import parse_ipset
from checks.parsers.iptables_values import mark as read_mark
from checks.parsers.iptables_values import port
from checks.parsers.kube_proxy_process import parse_processes
from checks.parsers.nft_json import parse_nft, parse_table
from checks.parsers.reading import read
from checks.probes.base import Probe, Report
from checks.results import Reason

T = TypeVar("T")

_YOUNG_S = 120


def _want(report: Report, name: str, parse: Callable[[str], T]) -> T | None:
    """The section, read; None when it was never given or its tool is missing. Damage is said as ``unknown``."""
    section = report.sections.get(name)
    if section is None or section.rc == 127:
        return None
    try:
        return read(report.need(name), parse)
    except EvidenceError as error:
        line = [report.evidence(name, error.line)] if error.line else []
        report.unknown(error.reason, error.say, line)
        return None


def _whole_files(text: str) -> Files:
    found = split_files(text)
    if not found.complete:
        raise ParseError("the closing line is missing, so it was cut", Reason.TRUNCATED)
    return found


def host_of(report: Report) -> Host:
    """What the sections beside the rules say of the host."""
    host = Host()
    _read_processes(report, host)
    _read_knobs(report, host)
    _read_other_modes(report, host)
    _read_legacy_names(report, host)
    _read_nft(report, host)
    _read_listeners(report, host)
    host.node.sets = _want(report, "ipsets", parse_ipset) or {}
    return host


def _read_processes(report: Report, host: Host) -> None:
    found = _want(report, "kp", parse_processes)
    if found is None:
        return
    if not found.whole:
        report.unknown(Reason.TRUNCATED, "kp has no closing line: what it does not show may still be there")
    host.proxy_whole = found.whole
    host.mode, host.cluster_cidrs = found.mode, found.cluster_cidrs
    host.proxy_running = True if found.proxies else False if found.whole else None
    if found.proxies:
        host.proxy = Line("kp", found.proxies[0].line)
        ages = [process.age_s for process in found.proxies if process.age_s is not None]
        host.proxy_young = bool(ages) and max(ages) < _YOUNG_S
    if found.ipvs_line:
        host.ipvs0, host.ipvs0_addresses = Line("kp", found.ipvs_line), len(found.ipvs_addresses) or None
    elif found.whole:
        host.ipvs0_addresses = 0


def _read_other_modes(report: Report, host: Host) -> None:
    """Where kube-proxy's process does not name its mode, its traces in the kernel do."""
    virtual = _want(report, "ip_vs", parse_ip_vs)
    section = report.sections.get("nft_kp")
    absent = section is None or (section.rc not in (0, None) and b"No such file" in section.stderr)
    table = None if absent else _want(report, "nft_kp", parse_table)
    if virtual and not virtual.whole and not virtual.virtual:
        report.unknown(Reason.TRUNCATED, "ip_vs has no closing line: it may hold virtual servers")
    if not host.mode and virtual and virtual.virtual:
        host.mode = "ipvs"
    elif not host.mode and table and any(each.data.get("name") == "kube-proxy" for each in table.of("table")):
        host.mode = "nftables"


def _read_knobs(report: Report, host: Host) -> None:
    files = _want(report, "knobs", _whole_files)
    if files is None:
        return
    host.knobs = {path: Knob(files.text(path).strip(), Line("knobs", files.line_of(path))) for path in files}
    host.absent_knobs = frozenset(path for path, why_absent in files.absent.items() if why_absent == "missing")
    localnet = host.knob("conf/all/route_localnet")
    host.node.route_localnet = None if localnet is None else localnet.value == "1"
    host.hairpins = {
        path.split("/")[-2]: (knob.value == "1", knob.line)
        for path, knob in host.knobs.items()
        if path.endswith("/hairpin_mode") and _is_pod_bridge(path.split("/")[4]) and not _promiscuous(host, path.split("/")[4])
    }


def _read_legacy_names(report: Report, host: Host) -> None:
    files = _want(report, "xt_names", _whole_files)
    path = "/proc/net/ip_tables_names"
    names = files.text(path).split("\n") if files else []
    if files and "nat" in names:
        host.legacy_nat = Line("xt_names", files.line_of(path) + names.index("nat"), "nat")


def _is_pod_bridge(name: str) -> bool:
    return name in ("cni0", "cbr0", "kube-bridge")


def _promiscuous(host: Host, bridge: str) -> bool:
    flags = host.knob(f"/sys/class/net/{bridge}/flags")
    value = read_mark(flags.value) if flags else None
    return bool(value and value & 0x100)


def _read_nft(report: Report, host: Host) -> None:
    tables = _want(report, "nft_tables", parse_nft)
    if tables is not None:
        found = ((each.data, each.line) for each in tables.of("table"))
        host.nft_tables = {(str(data.get("family")), str(data.get("name"))): Line("nft_tables", line) for data, line in found}
        if ("ip", "kube-proxy") in host.nft_tables and not host.mode:
            host.mode = "nftables"
    chains = _want(report, "nft_chains", parse_nft)
    if chains:
        host.drop_chains = tuple((table, hook, Line("nft_chains", line)) for table, hook, line in dropping_chains(chains))
    cross = _want(report, "nft_filter", parse_nft)
    if cross:
        host.marked_drop = firewall_tests_mark(cross)
        host.foreign = tuple((chain, Line("nft_filter", line)) for chain, line in foreign_rules(cross))
        host.unreliable = frozenset(("filter", chain) for chain, _ in host.foreign)


def _read_listeners(report: Report, host: Host) -> None:
    host.listeners = _want(report, "listeners", _listeners)
    section = report.sections.get("listeners")
    if host.listeners is not None and section and "== end" not in section.lines:
        report.unknown(Reason.TRUNCATED, "listeners has no closing line: more processes may listen")


def _listeners(text: str) -> dict[tuple[str, int], Line]:
    lines = text.split("\n")
    if lines.pop():
        raise ParseError("the last line has no end, so it was cut", Reason.TRUNCATED)
    found: dict[tuple[str, int], Line] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if len(words) >= 5 and words[0] in ("tcp", "udp", "sctp"):
            at = port(words[4].rpartition(":")[2])
            if at:
                found.setdefault((words[0], at), Line("listeners", number))
    return found


PROBES: tuple[Probe, ...] = ()
