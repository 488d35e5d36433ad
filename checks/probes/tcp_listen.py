"""tcp.listen: does an accept queue overflow?

Knowledge: listen(2), tcp(7), Documentation/networking/ip-sysctl.rst. Of a listening socket Recv-Q is the accept queue and Send-Q
its limit; of a connection they are bytes. The counters are of the whole network namespace.
"""

from __future__ import annotations

from checks.analyzers.counters import growth
from checks.collectors.sockets import LISTEN_COUNTERS, LISTEN_KNOBS, LISTENERS
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.net_snmp import parse_snmp
from checks.parsers.reading import read, read_file, whole_number
from checks.parsers.sockets import Listener, Listeners, parse_listeners
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Evidence, Reason, Verdict

_COUNTERS = ("ListenOverflows", "ListenDrops", "TCPReqQFullDrop", "TCPReqQFullDoCookies")


def judge(report: Report) -> None:
    samples = {
        end: read(report.need(f"listeners_{end}"), parse_listeners) for end in "ab" if f"listeners_{end}" in report.sections
    }
    counters = counter_growth(report)
    if "listen_knobs" in report.sections:
        section = report.need("listen_knobs")
        for name in ("somaxconn", "tcp_max_syn_backlog"):
            value, shift = read_file(section, f"/{name}", lambda text: whole_number(text.strip()))
            report.fact(name, value, "listen_knobs", shift + 1)
    if samples:
        _judge_queues(report, samples)
    if counters is None and "netstat_a" in report.sections:
        _tell_since_boot(report)
    elif counters is None:
        report.unknown(Reason.MISSING, "two samples of /proc/net/netstat were not collected", rule="overflow")
    else:
        report.fact("deltas", counters[0], "netstat_b", counters[1][1].line)
        _judge_counters(report, *counters)
    if not samples:
        report.unknown(Reason.MISSING, "the listening sockets were not collected", rule="queue")


def _tell_since_boot(report: Report) -> None:
    """One sample tells of the whole time since boot, not of now."""
    counters = read(report.need("netstat_a"), parse_snmp).get("TcpExt", {})
    overflows = counters.get("ListenOverflows")
    if overflows is None:
        raise EvidenceError("the TcpExt counters lack ListenOverflows", Reason.MISSING, "netstat_a")
    say = f"accept queues overflowed {overflows} times since boot"
    if "ListenDrops" in counters:
        say += f", and {counters['ListenDrops']} connections were dropped"
    line = report.evidence("netstat_a", overflows.line)
    report.unknown(Reason.MISSING, f"{say}; whether they do now takes a second sample", [line], rule="overflow")


def counter_growth(report: Report) -> tuple[dict[str, int], list[Evidence]] | None:
    """Growth of the listen counters and the lines they stand on; None when at most the first sample was collected."""
    if "netstat_b" not in report.sections:
        return None
    before, after = (read(report.need(f"netstat_{end}"), parse_snmp) for end in "ab")
    if "TcpExt" not in before or "TcpExt" not in after or list(before["TcpExt"]) != list(after["TcpExt"]):
        raise EvidenceError("the two samples do not hold the same TcpExt counters", Reason.TRUNCATED, "netstat_b")
    old, new = before["TcpExt"], after["TcpExt"]
    if "ListenOverflows" not in new or "ListenDrops" not in new:
        raise EvidenceError("the TcpExt counters lack ListenOverflows or ListenDrops", Reason.UNPARSED, "netstat_b")
    grown = {name: growth(name, old[name], new[name], "netstat_b", new[name].line) for name in _COUNTERS if name in new}
    lines = [report.evidence(f"netstat_{end}", sample["ListenOverflows"].line) for end, sample in (("a", old), ("b", new))]
    return grown, lines


def _judge_queues(report: Report, samples: dict[str, Listeners]) -> None:
    end, last = list(samples.items())[-1]
    if not last.tool:
        report.unknown(Reason.TOOL_MISSING, "ss is not installed on this host, so the accept queues are not seen", rule="queue")
        return
    rows = [(name, row) for name, found in samples.items() for row in found.rows if wanted(report, row)]
    report.fact("listeners", [fact(row) for name, row in rows if name == end][:50])
    full = [(name, row) for name, row in rows if row.limit is not None and row.queue and row.queue >= row.limit]
    name, fullest = max(rows, key=lambda entry: entry[1].queue / max(entry[1].limit or 1, 1), default=("", None))
    lines = [report.evidence(f"listeners_{name}", fullest.line)] if fullest else []
    if full:
        name, row = max(full, key=lambda entry: entry[1].queue)
        say = f"the accept queue of {row.address}:{row.port} is full: {row.queue} wait, {row.limit} are allowed"
        evidence = [report.evidence(f"listeners_{name}", row.line, f":{row.port}") for name, row in full[:5]]
        report.find("queue", Verdict.CRIT, say, value=row.queue, evidence=evidence)
    elif fullest and fullest.limit is None:
        say = f"{fullest.queue} connections wait at {fullest.address}:{fullest.port}; ss -lnt shows how many may"
        report.unknown(Reason.MISSING, say, lines, rule="queue")
    elif not all(found.complete for found in samples.values()):
        say = "no queue of these sockets is full, but the list may go on; collect it as a whole"
        report.unknown(Reason.TRUNCATED, say, lines, rule="queue")
    elif not fullest:
        port = report.params.get("port")
        say = f"nothing listens on TCP port {port}" if port else "nothing listens on TCP"
        report.find("nobody", Verdict.WARN if port else Verdict.INFO, say)
    else:
        say = f"the fullest accept queue is that of {fullest.address}:{fullest.port} with {fullest.queue} of {fullest.limit}"
        report.find("queue", Verdict.OK, say, value=fullest.queue, evidence=lines)


def wanted(report: Report, row: Listener) -> bool:
    """True for every socket, or for those of the port asked for."""
    return report.params.get("port") in (None, row.port)


def fact(row: Listener) -> dict[str, object]:
    return {
        "address": row.address,
        "port": row.port,
        "queue": row.queue,
        "limit": row.limit,
        "uid": row.uid,
        "pids": list(row.pids),
    }


def _judge_counters(report: Report, grown: dict[str, int], evidence: list[Evidence]) -> None:
    overflows, drops = grown["ListenOverflows"], grown["ListenDrops"]
    refused = grown.get("TCPReqQFullDrop", 0)
    if overflows:
        say = f"{overflows} connections found a full accept queue between the samples"
        report.find("overflow", Verdict.CRIT, say, value=overflows, evidence=evidence)
    if drops > overflows:
        say = f"{drops - overflows} connections were dropped at a listener for another reason than a full queue"
        level, limit = report.level(drops - overflows, "drops_warn")
        report.find("drops", level, say, value=drops - overflows, limit=limit, evidence=evidence)
    if refused:
        say = f"{refused} SYNs were dropped because the SYN queue was full and cookies are off"
        report.find("syn_queue", Verdict.CRIT, say, value=refused, evidence=evidence)
    if not overflows and not refused:
        report.find("overflow", Verdict.OK, "no accept queue overflowed between the samples", value=0, evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="tcp.listen",
        title="Accept queues",
        question="Does the accept queue of a listener overflow?",
        collectors=(LISTENERS, LISTEN_COUNTERS, LISTEN_KNOBS),
        judge=judge,
        params=(Param("port", "port", None, "one port; left out: all listeners"),),
        thresholds=(Threshold("drops_warn", 1, "connections", "dropped for another reason than a full queue", "judgement"),),
        facts=(
            FactSpec("listeners", "list", "listening sockets: address, port, queue, limit, uid, pids"),
            FactSpec("deltas", "dict", "growth of the listen counters between the samples"),
            FactSpec("somaxconn", "int", "upper bound of every accept queue"),
            FactSpec("tcp_max_syn_backlog", "int", "SYN queue of a listener"),
        ),
        rules=(
            Rule(
                "queue",
                "an accept queue is full",
                "listen(2)",
                "find why the program does not accept; raise its backlog and somaxconn",
            ),
            Rule(
                "overflow",
                "connections found a full accept queue between the samples",
                "Documentation/networking/snmp_counter.rst, TcpExtListenOverflows",
                "find why the program does not accept; raise its backlog and somaxconn",
            ),
            Rule(
                "drops",
                "connections were dropped at a listener for another reason",
                "Documentation/networking/snmp_counter.rst, TcpExtListenDrops",
                "look for memory shortage and for sockets without a route back",
            ),
            Rule(
                "syn_queue",
                "the SYN queue was full and cookies are off",
                "Documentation/networking/ip-sysctl.rst, tcp_syncookies",
                "turn net.ipv4.tcp_syncookies on, raise tcp_max_syn_backlog",
            ),
            Rule(
                "nobody",
                "nothing listens on the port asked for",
                "listen(2)",
                "start the program, or look at its address and port",
            ),
        ),
        sources=("listen(2)", "tcp(7)", "Documentation/networking/snmp_counter.rst", "Documentation/networking/ip-sysctl.rst"),
    ),
)
