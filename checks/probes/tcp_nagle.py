"""tcp.nagle: does a sender wait 40 ms for each answer, because it writes in two pieces?

Knowledge: RFC 896, RFC 1122 4.2.3.4; measured: writes of 128 and 168 bytes and one answer show unacked:1 notsent:168 in every
look, rtt 20 ms over a minimum of 0.011 ms, and as many delayed ACKs as exchanges; with TCP_NODELAY none of it. Autocorking also
leaves unsent bytes, but does not raise the round-trip time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median

from checks.analyzers.counters import growth, parse_uptime
from checks.collectors.sockets import CONNECTIONS
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.connections import Connection, parse_connections
from checks.parsers.net_snmp import parse_snmp
from checks.parsers.reading import is_files, read, read_file
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Evidence, Reason, Section, Verdict

LOOKS = 20


@dataclass(frozen=True)
class Flow:
    """One connection over all looks: how often data was held back, and by how much its round trips exceed the shortest."""

    name: str
    looks: int
    held: tuple[Connection, ...]
    waiting: tuple[Connection, ...]
    excess_ms: float | None
    tells: bool
    exchanges: int

    @property
    def ratio(self) -> float:
        return len(self.held if self.tells else self.waiting) / max(self.looks, 1)


def judge(report: Report) -> None:
    section = report.need("connections")
    if section.text == "ss absent\n":
        report.unknown(
            Reason.TOOL_MISSING, "ss is not installed on this host, so the connections are not seen; capture packets instead"
        )
        return
    if not is_files(section):
        _tell_one_look(report, section)
        return
    looks = [read_file(section, f"sample {number}", parse_connections) for number in range(1, LOOKS + 1)]
    delayed = _counters(report, section)
    flows = _flows([Connection(c.name, c.send_queue, c.line + shift, c.info) for found, shift in looks for c in found])
    usable = [flow for flow in flows if flow.looks >= report.limits["least_looks"]]
    report.fact("samples", LOOKS)
    if not usable:
        say = (
            f"{len(flows)} connections of port {report.params.get('port')} were seen, none of them in {LOOKS // 2} looks or more"
        )
        report.unknown(Reason.IDLE, say, rule="write_write_read")
        return
    worst = max(usable, key=lambda flow: (flow.ratio, flow.excess_ms or 0))
    report.fact("hold_ratio", round(worst.ratio, 4))
    report.fact("rtt_minus_minrtt_ms", worst.excess_ms)
    report.fact("connection", worst.name)
    _judge_flow(report, worst)
    _judge_delayed(report, delayed, flows)


def _tell_one_look(report: Report, section: Section) -> None:
    """A paste of ss: what waits in this look may be gone in the next."""
    port = report.params.get("port")
    seen = [
        found
        for found in read(section, parse_connections)
        if port is None or f":{port}" in re.findall(r":\w+(?= |$)", found.name)
    ]
    held = [_flow(found.name, [found]) for found in seen if _held(found)]
    say = f"in this one look none of {len(seen)} connections of port {port} holds a small piece back"
    if held:
        worst = max(held, key=lambda flow: flow.excess_ms or 0)
        waits = f"{worst.held[0].number('notsent')} bytes of {worst.name} wait for the ACK of the piece before"
        say = f"in this one look {waits}, and round trips take {worst.excess_ms or 0:.0f} ms longer than the shortest"
    lines = [report.evidence("connections", look.line) for flow in held for look in flow.held][:3]
    report.unknown(Reason.MISSING, f"{say}; it takes twenty looks, a tenth of a second apart", lines, rule="write_write_read")


def _counters(report: Report, section: Section) -> int:
    seconds = read_file(section, "uptime b", parse_uptime)[0] - read_file(section, "uptime a", parse_uptime)[0]
    before, after = (read_file(section, f"netstat {end}", parse_snmp)[0].get("TcpExt", {}) for end in "ab")
    if seconds <= 0 or "DelayedACKs" not in before or "DelayedACKs" not in after:
        raise EvidenceError("the counters around the looks are not whole", Reason.TRUNCATED, "connections")
    delayed = growth("DelayedACKs", before["DelayedACKs"], after["DelayedACKs"], "connections")
    report.fact("delayed_acks_per_s", round(delayed / seconds, 1))
    return delayed


def _flows(seen: list[Connection]) -> list[Flow]:
    by_name: dict[str, list[Connection]] = {}
    for connection in seen:
        by_name.setdefault(connection.name, []).append(connection)
    return [_flow(name, looks) for name, looks in by_name.items()]


def _flow(name: str, looks: list[Connection]) -> Flow:
    held = tuple(look for look in looks if _held(look))
    waiting = tuple(look for look in looks if look.send_queue and look.number("unacked") == 1)
    tells = any("minrtt" in look.info for look in looks)  # with kernels before 4.9 neither notsent nor minrtt is shown
    excess = [(look.milliseconds("rtt") or 0) - (look.milliseconds("minrtt") or 0) for look in held or looks if tells]
    longer = round(median(excess), 3) if excess else None
    return Flow(name, len(looks), held, waiting, longer, tells, _exchanges(looks))


def _exchanges(looks: list[Connection]) -> int:
    """Questions answered between the first look and the last: a data segment each way; not known before 4.6."""
    counts = [(look.number("data_segs_out"), look.number("data_segs_in")) for look in (looks[0], looks[-1])]
    grown = [(new or 0) - (old or 0) for old, new in zip(*counts, strict=True)]
    return max(min(grown), 0)


def _held(look: Connection) -> bool:
    """True when a small piece waits unsent for one acknowledgement, with room to send."""
    notsent, mss, window = look.number("notsent") or 0, look.number("mss") or 0, look.number("cwnd") or 0
    unacked = look.number("unacked")
    return unacked == 1 and 0 < notsent < mss and window > unacked and "rwnd_limited" not in look.info


def _judge_flow(report: Report, flow: Flow) -> None:
    enough = flow.ratio >= report.limits["hold_ratio"]
    looks = (flow.held if flow.tells else flow.waiting)[:3]
    evidence = [report.evidence("connections", look.line) for look in looks]
    count = f"in {len(flow.held if flow.tells else flow.waiting)} of {flow.looks} looks at {flow.name}"
    if not flow.tells and enough:
        say = f"{count} one segment is unacknowledged and more waits; this kernel does not say whether Nagle holds it back"
        report.find("write_write_read", Verdict.WARN, say, value=round(flow.ratio, 4), limit="hold_ratio", evidence=evidence)
    elif enough and flow.excess_ms is not None and flow.excess_ms >= report.limits["excess_ms"]:
        say = f"{count} a small piece waits for the ACK of the one before; round trips take {flow.excess_ms:.0f} ms longer"
        report.find("write_write_read", Verdict.CRIT, say, value=round(flow.ratio, 4), limit="hold_ratio", evidence=evidence)
    else:
        say = f"{count} a small piece is held back" + (", without longer round trips: not Nagle" if enough else "")
        report.find("write_write_read", Verdict.OK, say, value=round(flow.ratio, 4), limit="hold_ratio", evidence=evidence)


def _judge_delayed(report: Report, delayed: int, flows: list[Flow]) -> None:
    """The receiver's view: it delays an ACK for nearly every exchange, because the peer sends each question in two pieces."""
    by_pair: dict[frozenset[str], int] = {}
    for flow in flows:
        pair = frozenset(flow.name.split(" "))  # with both ends on this host each exchange is seen twice
        by_pair[pair] = max(by_pair.get(pair, 0), flow.exchanges)
    exchanges = sum(by_pair.values())
    report.fact("exchanges", exchanges)
    if exchanges < report.limits["least_exchanges"]:
        return
    level, limit = report.level(delayed / exchanges, "delayed_ratio")
    bad = any(found.rule == "write_write_read" and found.verdict in (Verdict.WARN, Verdict.CRIT) for found in report.findings)
    if level == Verdict.WARN and not bad:
        say = f"this host delayed {delayed} ACKs in {exchanges} exchanges: the peer seems to send each question in two pieces"
        ratio = round(delayed / exchanges, 4)
        report.find("delayed_acks", Verdict.WARN, say, value=ratio, limit=limit, evidence=_delayed_lines(report))


def _delayed_lines(report: Report) -> list[Evidence]:
    section = report.need("connections")
    lines = [number for number, line in enumerate(section.lines, 1) if line.startswith("TcpExt: ") and line[8:9].isdigit()]
    return [report.evidence("connections", number) for number in lines]


PROBES: tuple[Probe, ...] = (
    Probe(
        id="tcp.nagle",
        title="Nagle and delayed ACK",
        question="Does a sender wait 40 ms for each answer, because it writes in two pieces?",
        collectors=(CONNECTIONS,),
        judge=judge,
        params=(Param("port", "port", None, "the TCP port of the service, on either side", required=True),),
        thresholds=(
            Threshold("hold_ratio", 0.3, "of looks", "looks at which a small piece is held back", "judgement"),
            Threshold("excess_ms", 15, "ms", "round trip above its shortest", "measured: 20 ms and more", "V"),
            Threshold("delayed_ratio", 0.5, "of exchanges", "delayed ACKs of this host", "measured: 92 of 92", "V"),
            Threshold("least_exchanges", 10, "exchanges", "fewer exchanges in the looks say nothing", "judgement"),
            Threshold("least_looks", 10, "looks", "connections seen less often are not judged", "judgement"),
        ),
        facts=(
            FactSpec("samples", "int", "looks taken"),
            FactSpec("hold_ratio", "float", "share of looks at which the worst connection held data back"),
            FactSpec("rtt_minus_minrtt_ms", "float", "its round trip above its shortest"),
            FactSpec("connection", "str", "that connection"),
            FactSpec("exchanges", "int", "questions answered during the looks; 0 with kernels before 4.6"),
            FactSpec("delayed_acks_per_s", "float", "delayed ACKs that this host sent per second"),
        ),
        rules=(
            Rule(
                "write_write_read",
                "a small piece waits for the acknowledgement of the piece before, in a large share of looks",
                "RFC 896; RFC 1122, 4.2.3.2 and 4.2.3.4",
                "send the request with one write (or writev), or set TCP_NODELAY on the sender",
            ),
            Rule(
                "delayed_acks",
                "this host delays an ACK in a large share of exchanges: the sign of it on the receiver",
                "RFC 1122, 4.2.3.2; measured: as many delayed ACKs as exchanges",
                "look at the peer with this check; there send each question with one write, or set TCP_NODELAY",
            ),
        ),
        sources=("RFC 896", "RFC 1122", "ss(8)", "writeup on a proxy that costs 40 ms per query"),
    ),
)
