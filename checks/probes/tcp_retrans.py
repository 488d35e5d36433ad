"""tcp.retrans: does TCP send again, and were the first copies lost or only late?

Knowledge: Documentation/networking/snmp_counter.rst; measured on the sender that retransmits: a D-SACK tells that the first copy
did arrive. Counters belong to one network namespace: run it on both ends, and for a pod with the pid of a process in it.
"""

from __future__ import annotations

from checks.analyzers.counters import growth, seconds_between
from checks.collectors.kernel import UPTIME
from checks.collectors.network import NETSTAT, SNMP
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.keyed import Counter
from checks.parsers.net_snmp import parse_snmp
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Evidence, Reason, Verdict

_TCP = ("OutSegs", "RetransSegs", "OutRsts", "EstabResets", "InErrs")
_EXTENDED = (
    "TCPTimeouts",
    "TCPLossProbes",
    "TCPSynRetrans",
    "TCPSpuriousRTOs",
    "TCPDSACKRecv",
    "TCPAbortOnTimeout",
    "ListenOverflows",
    "ListenDrops",
)
Samples = tuple[dict[str, Counter], dict[str, Counter]]


def judge(report: Report) -> None:
    if "snmp_a" in report.sections and "snmp_b" not in report.sections:
        _tell_since_boot(report)
        return
    tcp = _samples(report, "snmp", "Tcp")
    extended = _samples(report, "netstat", "TcpExt")
    seconds = seconds_between(report.sections, report.need)
    if tcp is None:
        report.need("snmp_a")
        return
    grown = _growth(tcp, _TCP, "snmp_b")
    if not {"OutSegs", "RetransSegs"} <= set(grown):
        raise EvidenceError("the Tcp counters lack OutSegs or RetransSegs", Reason.UNPARSED, "snmp_b")
    if extended:
        grown |= _growth(extended, _EXTENDED, "netstat_b" if "netstat_b" in report.sections else "snmp_b")
    report.fact("deltas", grown, "snmp_b", tcp[1]["RetransSegs"].line)
    if seconds:
        report.fact("out_segs_per_s", round(grown["OutSegs"] / seconds, 1))
    lines = [report.evidence(f"snmp_{end}", sample["RetransSegs"].line) for end, sample in zip("ab", tcp, strict=True)]
    if grown["OutSegs"] < report.limits["least_out_segs"]:
        say = f"only {grown['OutSegs']} segments were sent between the samples, too few for a ratio"
        report.unknown(Reason.IDLE, say, lines, rule="retransmits")
        return
    ratio = grown["RetransSegs"] / grown["OutSegs"]
    report.fact("retrans_ratio", round(ratio, 6), "snmp_b", tcp[1]["RetransSegs"].line)
    level, limit = report.level(ratio, "retrans_warn_ratio", "retrans_crit_ratio")
    say = f"{grown['RetransSegs']} retransmits for {grown['OutSegs']} segments sent ({ratio:.2%})"
    report.find("retransmits", level, say, value=round(ratio, 6), limit=limit, evidence=lines)
    if extended is None:
        say = "whether the first copies came late needs /proc/net/netstat, which was not collected"
        report.unknown(Reason.MISSING, say, rule="late_not_lost")
        return
    _judge_late(report, grown, extended, level)
    _judge_syn(report, grown, extended, level)


def _holds(report: Report, block: str) -> bool:
    """True for netstat -s and nstat, which show both blocks in one output."""
    return "snmp_b" in report.sections and block in read(report.need("snmp_b"), parse_snmp)


def _tell_since_boot(report: Report) -> None:
    """One sample tells of the whole time since boot, not of now."""
    counters = read(report.need("snmp_a"), parse_snmp).get("Tcp", {})
    if not {"OutSegs", "RetransSegs"} <= set(counters):
        raise EvidenceError("the Tcp counters lack OutSegs or RetransSegs", Reason.MISSING, "snmp_a")
    again, sent = counters["RetransSegs"], counters["OutSegs"]
    say = f"{again} retransmits for {sent} segments sent ({again / max(sent, 1):.2%}) since boot"
    line = report.evidence("snmp_a", again.line)
    report.unknown(Reason.MISSING, f"{say}; whether it is so now takes a second sample", [line], rule="retransmits")


def _samples(report: Report, name: str, block: str) -> Samples | None:
    """The block's counters in both samples, or None when neither was collected."""
    if f"{name}_a" not in report.sections and f"{name}_b" not in report.sections:
        return _samples(report, "snmp", block) if name == "netstat" and _holds(report, block) else None
    before, after = (read(report.need(f"{name}_{end}"), parse_snmp) for end in "ab")
    if block not in before or block not in after or list(before[block]) != list(after[block]):
        raise EvidenceError(f"the two samples do not hold the same {block} counters", Reason.TRUNCATED, f"{name}_b")
    return before[block], after[block]


def _growth(samples: Samples, names: tuple[str, ...], section: str) -> dict[str, int]:
    """Growth of those counters that this kernel has."""
    before, after = samples
    return {name: growth(name, before[name], after[name], section, after[name].line) for name in names if name in after}


def _lines(report: Report, extended: Samples, name: str) -> list[Evidence]:
    section = "netstat" if "netstat_b" in report.sections else "snmp"  # netstat -s shows both blocks
    return [report.evidence(f"{section}_{end}", sample[name].line) for end, sample in zip("ab", extended, strict=True)]


def _judge_late(report: Report, grown: dict[str, int], extended: Samples, level: Verdict) -> None:
    if not grown["RetransSegs"] or "TCPDSACKRecv" not in grown:
        return
    share = grown["TCPDSACKRecv"] / grown["RetransSegs"]
    lines = _lines(report, extended, "TCPDSACKRecv")
    report.fact("dsack_ratio", round(share, 4), lines[1].section, lines[1].line)
    late, limit = report.level(share, "dsack_ratio")
    if late == Verdict.OK or level == Verdict.OK:
        return
    say = f"for {share:.0%} of the retransmits the first copy had arrived: packets are late, not lost"
    report.find("late_not_lost", Verdict.WARN, say, value=round(share, 4), limit=limit, evidence=lines)


def _judge_syn(report: Report, grown: dict[str, int], extended: Samples, level: Verdict) -> None:
    again = grown.get("TCPSynRetrans", 0)
    if not again or level != Verdict.OK:
        return
    many, limit = report.level(again, "syn_retrans_warn")
    say = f"{again} SYNs were sent again while data flows well: connects wait 1, 3 or 7 seconds (full listener, NAT, dead peer)"
    verdict = Verdict.WARN if many == Verdict.WARN else Verdict.INFO
    report.find("syn_retransmits", verdict, say, value=again, limit=limit, evidence=_lines(report, extended, "TCPSynRetrans"))


PROBES: tuple[Probe, ...] = (
    Probe(
        id="tcp.retrans",
        title="TCP retransmits",
        question="Does TCP send again, and were the first copies lost or only late?",
        collectors=(UPTIME, SNMP, NETSTAT),
        judge=judge,
        params=(Param("pid", "pid", None, "a process in the network namespace to read, for a pod; left out: the host's own"),),
        thresholds=(
            Threshold("least_out_segs", 1000, "segments", "fewer segments give no ratio", "judgement"),
            Threshold("retrans_warn_ratio", 0.01, "of segments", "retransmits", "judgement"),
            Threshold("retrans_crit_ratio", 0.05, "of segments", "retransmits", "judgement"),
            Threshold(
                "dsack_ratio", 0.5, "of retransmits", "retransmits whose first copy arrived", "writeup on Redis timeouts", "W"
            ),
            Threshold("syn_retrans_warn", 10, "segments", "SYNs sent again between the samples", "judgement"),
        ),
        facts=(
            FactSpec("retrans_ratio", "float", "retransmitted of sent segments; none when too few were sent"),
            FactSpec("dsack_ratio", "float", "share of retransmits that the peer said were needless; none without retransmits"),
            FactSpec("out_segs_per_s", "float", "segments sent per second, retransmits left out"),
            FactSpec("deltas", "dict", "growth of each counter between the samples"),
        ),
        rules=(
            Rule(
                "retransmits",
                "retransmits above a share of the segments sent",
                "Documentation/networking/snmp_counter.rst",
                "look at NIC errors, CPU throttling, conntrack; capture on both ends to find the hop",
            ),
            Rule(
                "late_not_lost",
                "most retransmits were needless, the first copy having arrived (D-SACK)",
                "RFC 2883; writeup on Redis timeouts",
                "look for delay, not loss: softirqs held up on the receiving host, dying memory cgroups, CPU throttling",
            ),
            Rule(
                "syn_retransmits",
                "SYNs are sent again although established connections do not retransmit",
                "Documentation/networking/snmp_counter.rst, TCPSynRetrans",
                "look at the accept queue of the listener, NAT source ports, and peers that are gone",
            ),
        ),
        sources=("Documentation/networking/snmp_counter.rst", "RFC 2883", "writeup on Redis timeouts"),
    ),
)
