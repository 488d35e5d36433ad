"""ipv6.reach: does the Internet answer over IPv6, and do large packets come through as small ones do?

Knowledge: RFC 8200 (every link takes 1280 bytes), RFC 4890 (packet too big must pass), curl(1). With ipv6.names the only probe of
its family that sends something: six echo requests and a request for the head of one page.
"""

from __future__ import annotations

import re

from checks.collectors.ipv6_active import PING, PING_LARGE, WEB
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.ping import Echo, parse_ping
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.probes.ip_sections import lines
from checks.probes.ipv6_route import SOMEWHERE
from checks.results import Evidence, Reason, Verdict

_RC = tuple(range(126))
_CURL = re.compile(r"curl: \((\d+)\) (.*)")
_HTTP = re.compile(r"HTTP/[\d.]+ (\d{3})\b")


def judge_reach(report: Report) -> None:
    web = _judge_web(report) if report.params.get("site") or _has_page(report) else None
    small = read(report.need(PING.name, rc_ok=_RC), parse_ping)
    _facts(report, small)
    _judge_small(report, small, answered=web is True)
    if small.received and PING_LARGE.name in report.sections:
        _judge_large(report, read(report.need(PING_LARGE.name, rc_ok=_RC), parse_ping))


def _has_page(report: Report) -> bool:
    section = report.sections.get(WEB.name)
    return section is not None and any(_CURL.match(line) or _HTTP.match(line) for line in section.lines)


def _facts(report: Report, small: Echo) -> None:
    report.fact("address", small.address or None)
    report.fact("sent", small.sent)
    report.fact("received", small.received, PING.name, small.line)
    report.fact("rtt_avg_ms", small.rtt_avg_ms)


def _at(report: Report, section: str, echo: Echo) -> list[Evidence]:
    return lines(report, (section, echo.line, ""), *((section, number, "") for number in echo.instead[:3]))


def _judge_small(report: Report, small: Echo, *, answered: bool) -> None:
    evidence = _at(report, PING.name, small)
    lost = small.sent - small.received
    if small.refused and not small.sent:
        says = f"nothing was sent to {small.address or 'the address'}: {small.refused}"
        report.find("unreachable", Verdict.CRIT, says, value=0, evidence=evidence)
    elif not small.received:
        says = f"none of {small.sent} echo requests to {small.address} was answered"
        says += ", though the site answers: echo is filtered on the way" if answered else ""
        report.find("unreachable", Verdict.INFO if answered else Verdict.CRIT, says, value=0, evidence=evidence)
    else:
        verdict, limit = report.level(lost / small.sent, warn="loss_warn")
        says = f"{small.received} of {small.sent} echo requests to {small.address} were answered"
        rule = "loss" if verdict == Verdict.WARN else "unreachable"
        report.find(rule, verdict, says, value=round(lost / small.sent, 3), limit=limit, evidence=evidence)


def _judge_large(report: Report, large: Echo) -> None:
    report.fact("path_mtu", large.mtu, PING_LARGE.name, large.instead[0] if large.mtu and large.instead else 0)
    evidence = _at(report, PING_LARGE.name, large)
    if large.received:
        report.find("black_hole", Verdict.OK, f"packets of {large.size + 48} bytes come through", value=0, evidence=evidence)
    elif large.mtu:
        says = f"packets of {large.size + 48} bytes are too big, and a router says so: the path takes {large.mtu}"
        report.find("black_hole", Verdict.INFO, says, value=large.mtu, evidence=evidence)
    else:
        says = f"small packets are answered, those of {large.size + 48} bytes vanish: nobody says packet too big"
        report.find("black_hole", Verdict.CRIT, says, value=large.size + 48, evidence=evidence)


def _judge_web(report: Report) -> bool:
    """Whether the page's head came."""
    section = report.need(WEB.name)
    for number, line in enumerate(section.lines[:-1], 1):
        if match := _CURL.match(line):
            says = f"the site does not answer over IPv6: {match[2][:120]}"
            report.find("site", Verdict.CRIT, says, value=int(match[1]), evidence=lines(report, (WEB.name, number, "")))
            return False
        if match := _HTTP.match(line):
            report.fact("http_status", int(match[1]), WEB.name, number)
            says = f"the site answers over IPv6 with status {match[1]}"
            report.find("site", Verdict.OK, says, value=int(match[1]), evidence=lines(report, (WEB.name, number, match[1])))
            return True
    raise EvidenceError("curl says neither a status nor an error", Reason.TRUNCATED, WEB.name)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.reach",
        title="Reaching the Internet over IPv6",
        question="Does the Internet answer over IPv6, to large packets too?",
        collectors=(PING, PING_LARGE, WEB),
        judge=judge_reach,
        params=(
            Param("dst", "ip", default=SOMEWHERE, help="an IPv6 address that answers echo requests; six are sent to it"),
            Param("site", "hostname", help="a web site to ask over IPv6; none is asked when it is left out"),
        ),
        thresholds=(Threshold("loss_warn", 0.3, "ratio", "share of echo requests that get no answer", "one of three is lost"),),
        facts=(
            FactSpec("address", "str", "the address that was asked"),
            FactSpec("sent", "int", "small echo requests"),
            FactSpec("received", "int", "their answers"),
            FactSpec("rtt_avg_ms", "float", "mean round trip"),
            FactSpec("path_mtu", "int", "what a router said that the path takes; null when none said so"),
            FactSpec("http_status", "int", "status of the site's answer"),
        ),
        rules=(
            Rule(
                "unreachable",
                "no echo request is answered, or none can be sent",
                "RFC 4443; ping(8)",
                "go through ipv6.route, ipv6.ra, ipv6.neigh and ipv6.firewall; ask the provider when they are healthy",
            ),
            Rule("loss", "some echo requests are not answered", "RFC 4443", "send more of them before judging; see net.nic"),
            Rule(
                "black_hole",
                "small packets are answered and large ones vanish",
                "RFC 8201: packet too big is dropped on the way",
                "let ICMPv6 type 2 pass every firewall on the way (ipv6.firewall), or lower the MTU of the tunnel (ipv6.tunnel)",
            ),
            Rule(
                "site",
                "the site does not answer over IPv6",
                "curl(1): exit codes",
                "6: ipv6.names; 7: ipv6.listeners and ipv6.firewall of the site; 28: the way there",
            ),
        ),
        sources=("RFC 8200", "RFC 8201", "RFC 4443", "ping(8)", "curl(1)"),
    ),
)
