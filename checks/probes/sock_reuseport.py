"""sock.reuseport: do the sockets of one port share it well?

Knowledge: socket(7) SO_REUSEPORT, Documentation/networking/ip-sysctl.rst tcp_migrate_req. Sockets of one address and port with
different inodes form a group; the kernel hands each connection to one of them by its four addresses, whether it accepts or not.
Several processes on one inode share a single queue, which is the older way and no group.
"""

from __future__ import annotations

from statistics import median

from checks.collectors.sockets import LISTEN_COUNTERS, LISTEN_KNOBS, LISTENERS
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.reading import read, read_file, whole_number
from checks.parsers.sockets import Listener, Listeners, parse_listeners
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.probes.tcp_listen import counter_growth, fact
from checks.results import Evidence, Reason, Verdict

Groups = dict[str, list[Listener]]


def judge(report: Report) -> None:
    if "listeners_b" not in report.sections or not read(report.need("listeners_b"), parse_listeners).complete:
        _judge_paste(report)
        return
    before, after = _groups(report, "listeners_a"), _groups(report, "listeners_b")
    if before is None or after is None:
        report.unknown(Reason.TOOL_MISSING, "ss is not installed on this host, so the sockets are not seen")
        return
    counters = counter_growth(report)
    migrates = _migrates(report)
    report.fact("sockets", [fact(row) for rows in after.values() for row in rows])
    if not after and not before:
        report.skip(f"nothing listens on TCP port {report.params.get('port')}")
        return
    shared = {address: rows for address, rows in after.items() if len(rows) > 1}
    report.fact("group_size", max((len(rows) for rows in after.values()), default=0))
    for address, rows in shared.items():
        _judge_owners(report, address, rows)
        _judge_stuck(report, address, before.get(address, []), rows)
    _judge_change(report, before, after, counters, migrates)
    if not shared:
        rows = next(iter(after.values()), [])
        say = f"port {report.params.get('port')} has one socket for each address: no SO_REUSEPORT group"
        report.find("owners", Verdict.OK, say, evidence=_lines(report, rows))


def _judge_paste(report: Report) -> None:
    """One look, or a list without its closing line: what it shows of owners is judged, members may be missing."""
    name = "listeners_b" if "listeners_b" in report.sections else "listeners_a"
    found = read(report.need(name), parse_listeners)
    groups = _by_address(report, found)
    for address, rows in groups.items():
        if len({row.uid for row in rows}) > 1 and all(row.inode is not None for row in rows):
            _judge_owners(report, address, rows, name)
    shown = ", ".join(f"{len(rows)} sockets on {address}" for address, rows in groups.items()) or "no socket"
    lines = [line for rows in groups.values() for line in _lines(report, rows, name)]
    if not found.tool:
        report.unknown(Reason.TOOL_MISSING, "ss is not installed on this host, so the sockets are not seen")
    elif not found.complete:
        say = f"the list shows {shown} of the port and has no closing line: members of the group may be missing"
        report.unknown(Reason.TRUNCATED, say, lines[:5])
    else:
        report.unknown(Reason.MISSING, f"the list shows {shown} of the port; the second sample was not collected", lines[:5])


def _by_address(report: Report, found: Listeners) -> Groups:
    groups: Groups = {}
    for row in found.rows:
        if row.port == report.params.get("port"):
            groups.setdefault(row.address, []).append(row)
    return groups


def _groups(report: Report, name: str) -> Groups | None:
    """Sockets of the port by address; None without ss. A paste without its closing line may lack members."""
    found = read(report.need(name), parse_listeners)
    if not found.tool:
        return None
    if not found.complete:
        raise EvidenceError(
            "the list of sockets has no closing line: members of the group may be missing", Reason.TRUNCATED, name
        )
    return _by_address(report, found)


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


def _lines(report: Report, rows: list[Listener], name: str = "listeners_b") -> list[Evidence]:
    return [report.evidence(name, row.line, f":{row.port}") for row in rows[:8]]


def _judge_owners(report: Report, address: str, rows: list[Listener], name: str = "listeners_b") -> None:
    owners = sorted({row.uid for row in rows})
    port = rows[0].port
    if any(row.inode is None for row in rows):
        raise EvidenceError("the sockets' owners take ss -e", Reason.MISSING, name)
    if len(owners) > 1:
        say = f"{address}:{port} is shared by users {', '.join(map(str, owners))}: one of them can take the other's connections"
        report.find("owners", Verdict.CRIT, say, value=len(owners), evidence=_lines(report, rows, name))
    else:
        say = f"{len(rows)} sockets of user {owners[0]} share {address}:{port}"
        report.find("owners", Verdict.OK, say, value=len(rows), evidence=_lines(report, rows, name))


def _judge_stuck(report: Report, address: str, before: list[Listener], after: list[Listener]) -> None:
    old = {row.inode: row for row in before}
    least, factor = report.limits["stuck_least"], report.limits["stuck_factor"]

    def stands_out(row: Listener, rows: list[Listener]) -> bool:
        return row.queue >= least and row.queue >= factor * median(entry.queue for entry in rows)

    stuck = [row for row in after if row.inode in old and stands_out(row, after) and stands_out(old[row.inode], before)]
    if stuck:
        row = stuck[0]
        usual = median(entry.queue for entry in after)
        say = f"one of {len(after)} sockets of {address}:{row.port} does not accept: {row.queue} wait, {usual:g} at the others"
        evidence = [*_lines(report, [old[row.inode]], "listeners_a"), *_lines(report, [row])]
        report.find("stuck", Verdict.WARN, say, value=row.queue, evidence=evidence)


def _judge_change(
    report: Report, before: Groups, after: Groups, counters: tuple[dict[str, int], list[Evidence]] | None, migrates: bool | None
) -> None:
    closed = sum(
        len({row.inode for row in rows} - {row.inode for row in after.get(address, [])}) for address, rows in before.items()
    )
    report.fact("closed", closed)
    if not closed or migrates:
        return
    if counters is None:
        report.unknown(
            Reason.MISSING, f"{closed} sockets closed; whether connections were lost needs /proc/net/netstat", rule="lost"
        )
        return
    grown, evidence = counters
    if grown["ListenDrops"]:
        say = f"{closed} sockets of the group closed between the samples, and {grown['ListenDrops']} connections were lost"
        report.find("lost", Verdict.WARN, say, value=grown["ListenDrops"], evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="sock.reuseport",
        title="Sockets that share a port",
        question="Do the sockets of one port share it well?",
        collectors=(LISTENERS, LISTEN_COUNTERS, LISTEN_KNOBS),
        judge=judge,
        params=(Param("port", "port", None, "the TCP port", required=True),),
        thresholds=(
            Threshold("stuck_least", 5, "connections", "shorter queues are not judged", "judgement"),
            Threshold("stuck_factor", 5, "times the median", "a queue that stands out of its group", "judgement"),
        ),
        facts=(
            FactSpec("sockets", "list", "sockets of the port: address, queue, limit, uid, pids"),
            FactSpec("group_size", "int", "sockets on the most shared address"),
            FactSpec("closed", "int", "sockets that closed between the samples"),
            FactSpec("tcp_migrate_req", "int", "1: queued connections move when a socket closes (kernel 5.14 and newer)"),
        ),
        rules=(
            Rule(
                "owners",
                "sockets of different users share the port",
                "socket(7), SO_REUSEPORT: the kernel asks for one effective user",
                "end the program that should not be there; look for another network namespace or an old binary",
            ),
            Rule(
                "stuck",
                "one socket's queue stands out of its group in both samples",
                "socket(7), SO_REUSEPORT",
                "restart the process that holds that socket; the kernel keeps handing it connections",
            ),
            Rule(
                "lost",
                "sockets of the group closed while connections were lost",
                "Documentation/networking/ip-sysctl.rst, tcp_migrate_req",
                "set net.ipv4.tcp_migrate_req=1 (5.14 and newer), or drain a socket before it closes",
            ),
        ),
        sources=("socket(7)", "Documentation/networking/ip-sysctl.rst", "writeup on SO_REUSEPORT"),
    ),
)
