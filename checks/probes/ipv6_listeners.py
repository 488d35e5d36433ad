"""ipv6.listeners: on which ports does this host answer over IPv6?

Knowledge: ipv6(7) and measured output. A socket on :: takes IPv4 too unless it is v6only; ``*:80`` of ss therefore lacks nothing.
"""

from __future__ import annotations

import re

from checks.analyzers.ipv6_ports import Port, ports_of
from checks.collectors.ipv6 import LISTENERS
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.reading import read
from checks.parsers.ss_listeners import parse_listeners
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.ip_facts import FACT_ROWS
from checks.probes.ip_sections import lines
from checks.results import Evidence, Reason, Verdict

_NAMED = 5


def judge_listeners(report: Report) -> None:
    asked = asked_ports(report.params.get("ports"))
    found = read(report.need("listening"), parse_listeners)
    rows = [{"addr": s.address, "port": s.port, "kind": s.kind, "pid": s.pid} for s in found]
    report.fact("listeners", rows[:FACT_ROWS])
    ports = ports_of(found)
    report.fact("over6", [number for number, port in ports.items() if port.over6])
    for number in asked:
        _judge_asked(report, ports.get(number) or Port(number, ()))
    if not asked:
        _judge_all(report, list(ports.values()))


def asked_ports(text: str | None) -> list[int]:
    """The ports that a person wrote, apart by commas or blanks. Raises EvidenceError for anything else."""
    words = re.split(r"[\s,]+", (text or "").strip())
    if words == [""]:
        return []
    if not all(re.fullmatch(r"[0-9]{1,5}", word) and 0 < int(word) < 65536 for word in words):
        raise EvidenceError(f"ports must be numbers such as 80,443, not {text!r}", Reason.PARAM_INVALID)
    return [int(word) for word in words]


def _judge_asked(report: Report, port: Port) -> None:
    where, evidence = _where(port), _at(report, port)
    if port.over6 is None:
        says = f"port {port.number} listens on {where}, and this ss does not show whether that is IPv4 or both"
        report.unknown(Reason.UNPARSED, says, evidence, "ipv6_lost")
    elif not port.over6:
        says = f"port {port.number} is not reached over IPv6: " + (f"only {where}" if where else "nobody listens there")
        report.find("ipv6_lost", Verdict.CRIT, says, value=port.number, evidence=evidence)
    elif port.over4 is False:
        says = f"port {port.number} takes IPv6 only ({where}): IPv4 visitors are lost"
        report.find("ipv4_lost", Verdict.WARN, says, value=port.number, evidence=evidence)
    else:
        both = "" if port.over4 else "; whether it takes IPv4 too, this output does not say"
        report.find("ipv6_lost", Verdict.OK, f"port {port.number} listens on {where}{both}", value=port.number, evidence=evidence)


def _judge_all(report: Report, ports: list[Port]) -> None:
    """No port was asked for: every port that others reach over IPv4 is looked at."""
    untold = [port for port in ports if port.over6 is None]
    lost = [port for port in ports if port.over4 and port.over6 is False]
    reached = [port for port in ports if port.over6]
    for port in lost:
        says = f"port {port.number} is reached over IPv4 only: {_where(port)}"
        report.find("ipv6_lost", Verdict.WARN, says, value=port.number, evidence=_at(report, port))
    for port in (port for port in reached if port.over4 is False):
        says = f"port {port.number} takes IPv6 only ({_where(port)})"
        report.find("ipv4_lost", Verdict.INFO, says, value=port.number, evidence=_at(report, port))
    for port in untold:
        says = f"port {port.number}: this ss does not show whether {_where(port)} is IPv4 or both"
        report.unknown(Reason.UNPARSED, says, _at(report, port), "ipv6_lost")
    if reached and not lost:
        says = f"each of {len(reached)} ports that others reach is reached over IPv6"
        report.find("ipv6_lost", Verdict.OK, says, value=0)
    elif not lost and not untold:
        report.find("ipv6_lost", Verdict.INFO, "nobody listens for other hosts", value=0)


def _where(port: Port) -> str:
    places = [f"[{s.address}]" if ":" in s.address else s.address for s in port.sockets]
    return ", ".join(dict.fromkeys(places)) if len(places) <= _NAMED else f"{len(places)} addresses"


def _at(report: Report, port: Port) -> list[Evidence]:
    return lines(report, *(("listening", s.line, "") for s in port.sockets[:_NAMED]))


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.listeners",
        title="Listening over IPv6",
        question="On which ports does this host answer over IPv6?",
        collectors=(LISTENERS,),
        judge=judge_listeners,
        params=(Param("ports", "text", help="ports that must be reached over IPv6, for example 80,443; else all are looked at"),),
        facts=(
            FactSpec("listeners", "list", f"the first {FACT_ROWS} sockets: addr, port, kind (v4, v6only, dual, v6_unknown), pid"),
            FactSpec("over6", "list", "ports that other hosts reach over IPv6"),
        ),
        rules=(
            Rule(
                "ipv6_lost",
                "a port is not reached over IPv6",
                "ipv6(7)",
                "let the service listen on [::] too (nginx: listen [::]:80;), then restart it",
            ),
            Rule(
                "ipv4_lost",
                "a port takes IPv6 only",
                "ipv6(7); nginx sets ipv6only=on since 1.3.4",
                "keep the IPv4 listen line beside the one for [::]",
            ),
        ),
        sources=("ipv6(7)", "ss(8)"),
    ),
)
