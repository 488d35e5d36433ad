"""sock.reuseport: do the sockets of one port share it well?

Knowledge: socket(7) SO_REUSEPORT, Documentation/networking/ip-sysctl.rst tcp_migrate_req. Sockets of one address and port with
different inodes form a group; the kernel hands each connection, of UDP each datagram, to one of them by its four addresses,
whether that one reads or not. Several processes on one inode share a single queue, which is the older way and no group.
UDP has no handshakes: tcp_migrate_req and the listen counters tell of TCP alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from checks.analyzers.socket_groups import Groups, by_address, closed, copied, usual
from checks.collectors.sockets import LISTEN_COUNTERS, LISTEN_KNOBS, LISTENERS, UDP_LISTENERS
from checks.params import Param
from checks.parsers.reading import read, read_file, whole_number
from checks.parsers.sockets import Listener, Listeners, parse_listeners, parse_udp_listeners
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.probes.tcp_listen import counter_growth, fact
from checks.results import Evidence, Reason, Verdict


@dataclass(frozen=True)
class Protocol:
    """What differs between TCP and UDP: where the sockets are listed, what they are handed, the shortest queue that is judged."""

    name: str
    section: str
    parse: Callable[[str], Listeners]
    handed: str
    unit: str
    least: str

    def place(self, row: Listener) -> str:
        return f"{'UDP ' if self is UDP else ''}{row.address}:{row.port}"


TCP = Protocol("TCP", "listeners", parse_listeners, "connections", "", "stuck_least")
UDP = Protocol("UDP", "udp_listeners", parse_udp_listeners, "datagrams", " bytes", "stuck_least_bytes")


def judge(report: Report) -> None:
    """Both protocols where both were collected; of a paste those that it shows."""
    given = [one for one in (TCP, UDP) if {f"{one.section}_a", f"{one.section}_b"} & report.sections.keys()] or [TCP]
    pairs: dict[Protocol, tuple[Groups, Groups]] = {}
    for protocol in given:
        samples = _samples(report, protocol)
        if not all(found.tool for found in samples.values()):
            report.unknown(Reason.TOOL_MISSING, "ss is not installed on this host, so the sockets are not seen")
            return
        if len(samples) == 2 and all(found.complete for found in samples.values()):
            before, after = (by_address(found, report.params.get("port")) for found in samples.values())
            pairs[protocol] = before, after
        else:
            _judge_paste(report, protocol, samples)
    if pairs:
        _judge_pairs(report, pairs)


def _samples(report: Report, protocol: Protocol) -> dict[str, Listeners]:
    names = [f"{protocol.section}_{end}" for end in "ab"]
    wanted = [name for name in names if name in report.sections] or names[:1]
    return {name: read(report.need(name), protocol.parse) for name in wanted}


def _judge_pairs(report: Report, pairs: dict[Protocol, tuple[Groups, Groups]]) -> None:
    """What two whole samples of each protocol tell."""
    counters, migrates = (counter_growth(report), _migrates(report)) if TCP in pairs else (None, None)
    port, names = report.params.get("port"), " or ".join(protocol.name for protocol in pairs)
    rows = [(protocol, row) for protocol, (_, after) in pairs.items() for group in after.values() for row in group]
    report.fact("sockets", [{"proto": protocol.name.lower(), **fact(row)} for protocol, row in rows])
    if not any(before or after for before, after in pairs.values()):
        if not report.findings:
            report.skip(f"nothing listens on {names} port {port}")
        return
    report.fact("group_size", max((len(group) for _, after in pairs.values() for group in after.values()), default=0))
    report.fact("closed", sum(closed(*samples) for samples in pairs.values()))
    shared = [
        (protocol, before.get(address, []), group)
        for protocol, (before, after) in pairs.items()
        for address, group in after.items()
        if len(group) > 1
    ]
    for protocol, before, group in shared:
        _judge_group(report, protocol, before, group)
    if TCP in pairs:
        _judge_lost(report, closed(*pairs[TCP]), counters, migrates)
    if rows and not shared:
        protocol, row = rows[0]
        say = f"port {port} has one socket for each address: no SO_REUSEPORT group"
        report.find("owners", Verdict.OK, say, evidence=_lines(report, [row], f"{protocol.section}_b"))
    elif not rows:
        report.find("owners", Verdict.INFO, f"the sockets of {names} port {port} closed between the samples")


def _judge_paste(report: Report, protocol: Protocol, samples: dict[str, Listeners]) -> None:
    """One look, or a list without its closing line: what it shows of owners is judged, members may be missing."""
    name, found = list(samples.items())[-1]
    groups = by_address(found, report.params.get("port"))
    for rows in groups.values():
        if len({row.uid for row in rows}) > 1 and all(row.inode is not None for row in rows) and not copied(rows):
            _judge_owners(report, protocol, rows, name)
    shown = ", ".join(f"{len(rows)} sockets on {protocol.place(rows[0])}" for rows in groups.values()) or "no socket"
    lines = [line for rows in groups.values() for line in _lines(report, rows, name)]
    if not all(found.complete for found in samples.values()):
        say = f"the list shows {shown} of the port and has no closing line: members of the group may be missing"
        report.unknown(Reason.TRUNCATED, say, lines[:5])
    else:
        report.unknown(Reason.MISSING, f"the list shows {shown} of the port; the second sample was not collected", lines[:5])


def _migrates(report: Report) -> bool | None:
    """Whether queued connections move to another socket when one closes; None before 5.14, where they cannot."""
    if "listen_knobs" not in report.sections:
        return None
    section = report.need("listen_knobs")
    if any(line.startswith("!! ") and "tcp_migrate_req" in line for line in section.lines):
        return None
    value, shift = read_file(section, "/tcp_migrate_req", lambda text: whole_number(text.strip()))
    report.fact("tcp_migrate_req", value, "listen_knobs", shift + 1)
    return value == 1


def _lines(report: Report, rows: list[Listener], name: str) -> list[Evidence]:
    return [report.evidence(name, row.line, f":{row.port}") for row in rows[:8]]


def _judge_group(report: Report, protocol: Protocol, before: list[Listener], rows: list[Listener]) -> None:
    name = f"{protocol.section}_b"
    if copied(rows):
        say = f"{len(rows)} sockets of the multicast address {protocol.place(rows[0])} get a copy each, and share nothing"
        report.find("owners", Verdict.OK, say, evidence=_lines(report, rows, name))
    elif any(row.inode is None for row in rows):
        report.unknown(Reason.MISSING, "the sockets' owners take ss -e", _lines(report, rows, name))
    else:
        _judge_owners(report, protocol, rows, name)
        _judge_stuck(report, protocol, before, rows)


def _judge_owners(report: Report, protocol: Protocol, rows: list[Listener], name: str) -> None:
    owners, place = sorted({row.uid for row in rows}), protocol.place(rows[0])
    lines = _lines(report, rows, name)
    if len(owners) > 1:
        users = ", ".join(map(str, owners))
        say = f"{place} is shared by users {users}: one of them can take the other's {protocol.handed}"
        report.find("owners", Verdict.CRIT, say, value=len(owners), evidence=lines)
    else:
        report.find(
            "owners", Verdict.OK, f"{len(rows)} sockets of user {owners[0]} share {place}", value=len(rows), evidence=lines
        )


def _judge_stuck(report: Report, protocol: Protocol, before: list[Listener], after: list[Listener]) -> None:
    old = {row.inode: row for row in before}
    least, factor = report.limits[protocol.least], report.limits["stuck_factor"]

    def stands_out(row: Listener, rows: list[Listener]) -> bool:
        return row.queue >= least and row.queue >= factor * usual(row, rows)

    stuck = [row for row in after if row.inode in old and stands_out(row, after) and stands_out(old[row.inode], before)]
    if stuck:
        row = stuck[0]
        does = "is not read" if protocol is UDP else "does not accept"
        queues = f"{row.queue}{protocol.unit} wait, {usual(row, after):g} at the others"
        evidence = [
            *_lines(report, [old[row.inode]], f"{protocol.section}_a"),
            *_lines(report, [row], f"{protocol.section}_b"),
        ]
        say = f"one of {len(after)} sockets of {protocol.place(row)} {does}: {queues}"
        report.find("stuck", Verdict.WARN, say, value=row.queue, evidence=evidence)


def _judge_lost(report: Report, gone: int, counters: tuple[dict[str, int], list[Evidence]] | None, migrates: bool | None) -> None:
    if not gone or migrates:
        return
    if counters is None:
        report.unknown(
            Reason.MISSING, f"{gone} sockets closed; whether connections were lost needs /proc/net/netstat", rule="lost"
        )
        return
    grown, evidence = counters
    if grown["ListenDrops"]:
        say = f"{gone} sockets of the group closed between the samples, and {grown['ListenDrops']} connections were lost"
        report.find("lost", Verdict.WARN, say, value=grown["ListenDrops"], evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="sock.reuseport",
        title="Sockets that share a port",
        question="Do the sockets of one port share it well?",
        collectors=(LISTENERS, UDP_LISTENERS, LISTEN_COUNTERS, LISTEN_KNOBS),
        judge=judge,
        params=(Param("port", "port", None, "the port, of TCP and UDP", required=True),),
        thresholds=(
            Threshold("stuck_least", 5, "connections", "shorter queues are not judged", "judgement"),
            Threshold(
                "stuck_least_bytes",
                3840,
                "bytes",
                "of UDP, five of the smallest datagrams",
                "a datagram counts 768 bytes or more",
            ),
            Threshold("stuck_factor", 5, "times the median", "a queue that stands out of its group", "judgement"),
        ),
        facts=(
            FactSpec("sockets", "list", "sockets of the port: proto, address, queue (of UDP in bytes), limit, uid, pids"),
            FactSpec("group_size", "int", "sockets on the most shared address"),
            FactSpec("closed", "int", "sockets that closed between the samples"),
            FactSpec("tcp_migrate_req", "int", "1: queued connections move when a socket closes (kernel 5.14 and newer)"),
        ),
        rules=(
            Rule(
                "owners",
                "sockets of different users share the port",
                "socket(7), SO_REUSEPORT: the kernel asks for one effective user",
                "end the program that should not be there; look for another network namespace or an old binary; "
                "of UDP, SO_REUSEADDR lets users share too",
            ),
            Rule(
                "stuck",
                "one socket's queue stands out of its group in both samples",
                "socket(7), SO_REUSEPORT",
                "restart the process that holds that socket; the kernel keeps handing it its share",
            ),
            Rule(
                "lost",
                "TCP sockets of the group closed while connections were lost",
                "Documentation/networking/ip-sysctl.rst, tcp_migrate_req",
                "set net.ipv4.tcp_migrate_req=1 (5.14 and newer), or drain a socket before it closes",
            ),
        ),
        sources=("socket(7)", "Documentation/networking/ip-sysctl.rst", "writeup on SO_REUSEPORT"),
    ),
)
