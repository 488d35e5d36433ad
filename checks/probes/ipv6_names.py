"""ipv6.names: does the site's name lead to an IPv6 address, and can its name servers be asked over IPv6?

Knowledge: RFC 3596 (AAAA), RFC 3901 (every zone should be served over IPv6 too). A client that has only IPv6 finds the site when
its name has an AAAA record, and by itself only when a name server of the zone has one too.
"""

from __future__ import annotations

from dataclasses import replace

from checks.collectors.ip import ADDR
from checks.collectors.ipv6_active import AAAA, NAME_SERVERS
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.dns_answers import Answer, parse_answers
from checks.parsers.ip_prefix import Address
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.ip_sections import Tables, lines
from checks.results import Evidence, Reason, Verdict

_NOT_PUBLIC = ("::/8", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8")
_ANSWERED = ("NOERROR", "NXDOMAIN")


def judge_names(report: Report) -> None:
    answer = read(report.need(AAAA.name), parse_answers)[0]
    if answer.status not in _ANSWERED:
        raise EvidenceError(f"the name server answers {answer.status} for {answer.name}", Reason.FAILED, AAAA.name, answer.line)
    addresses = answer.values("AAAA")
    evidence = _at(report, AAAA.name, answer, "AAAA")
    report.fact("name", answer.name)
    report.fact("aaaa", addresses)
    private = [text for text in addresses if Address.parse(text).within(*_NOT_PUBLIC)]
    if not addresses:
        gone = answer.status == "NXDOMAIN"
        says = f"{answer.name} does not exist (NXDOMAIN)" if gone else f"{answer.name} has no AAAA record"
        report.find("no_aaaa", Verdict.CRIT, says, value=0, evidence=evidence)
    elif private:
        says = f"{private[0]} of {answer.name} is no public address"
        report.find("private", Verdict.CRIT, says, value=private[0], evidence=evidence)
    else:
        report.find(
            "no_aaaa", Verdict.OK, f"{answer.name} is {', '.join(addresses[:3])}", value=len(addresses), evidence=evidence
        )
        _judge_place(report, answer, addresses, evidence)
    if NAME_SERVERS.name in report.sections:
        _judge_servers(report)


def _at(report: Report, section: str, answer: Answer, kind: str) -> list[Evidence]:
    places = [(section, line, value) for found, value, line in answer.records if found == kind]
    return lines(report, *(places[:5] or [(section, answer.line, "")]))


def _judge_place(report: Report, answer: Answer, addresses: list[str], evidence: list[Evidence]) -> None:
    """Whether one of the addresses is this host's own; not asked when this host's addresses were not collected."""
    known = Tables(report).addresses()
    if known is None or (answer.count is None and not report.sections[AAAA.name].text.endswith("== end\n")):
        return
    own = {address.ip for address in known.addresses if address.family == 6 and address.scope == "global"}
    report.fact("here", bool(own & set(addresses)))
    if not own & set(addresses):
        says = f"no AAAA of {answer.name} is an address of this host: visitors go elsewhere"
        report.find("elsewhere", Verdict.WARN, says, value=addresses[0], evidence=evidence)


def _judge_servers(report: Report) -> None:
    answers = read(report.need(NAME_SERVERS.name), parse_answers)
    zone = next((answer for answer in answers if answer.type == "NS"), None)
    servers = zone.values("NS") if zone else []
    if zone is None or zone.status not in _ANSWERED or not servers:
        report.unknown(Reason.UNPARSED, "the zone's name servers are not in the answer", rule="name_servers")
        return
    asked = {answer.name: answer.values("AAAA") for answer in answers if answer.type == "AAAA" and answer.status in _ANSWERED}
    over6 = [server for server in servers if asked.get(server)]
    report.fact("zone", zone.name, NAME_SERVERS.name, zone.line)
    report.fact("name_servers", {server: asked.get(server) for server in servers})
    evidence = _at(report, NAME_SERVERS.name, zone, "NS")
    if over6:
        says = f"{len(over6)} of {len(servers)} name servers of {zone.name} can be asked over IPv6"
        report.find("name_servers", Verdict.OK, says, value=len(over6), evidence=evidence)
    elif all(server in asked for server in servers):
        says = f"none of {len(servers)} name servers of {zone.name} has an IPv6 address: who has only IPv6 cannot ask them"
        report.find("name_servers", Verdict.WARN, says, value=0, evidence=evidence)
    else:
        says = f"not every name server of {zone.name} was asked for its IPv6 address"
        report.unknown(Reason.MISSING, says, evidence, "name_servers")


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.names",
        title="The site's name over IPv6",
        question="Does the site's name lead to an IPv6 address, and can its name servers be asked over IPv6?",
        collectors=(AAAA, NAME_SERVERS, replace(ADDR, optional=True)),
        judge=judge_names,
        params=(Param("site", "hostname", help="the name that visitors use"),),
        facts=(
            FactSpec("name", "str", "the name that was asked for"),
            FactSpec("aaaa", "list", "its IPv6 addresses"),
            FactSpec("here", "bool", "one of them is an address of this host"),
            FactSpec("zone", "str", "the zone whose name servers were asked for"),
            FactSpec("name_servers", "dict", "IPv6 addresses of each; null when it was not asked for them"),
        ),
        rules=(
            Rule("no_aaaa", "the name has no AAAA record", "RFC 3596", "add an AAAA record where the zone is kept"),
            Rule(
                "private",
                "an AAAA record is no public address",
                "RFC 4291, RFC 4193",
                "take the record out: visitors who try it wait before they fall back to IPv4",
            ),
            Rule(
                "elsewhere",
                "no AAAA record is an address of this host",
                "a load balancer in front of the host is the healthy reason",
                "correct the record, or judge the host that has the address",
            ),
            Rule(
                "name_servers",
                "no name server of the zone has an IPv6 address",
                "RFC 3901",
                "move the zone to name servers with AAAA records, or add them (and glue) to yours",
            ),
        ),
        sources=("RFC 3596", "RFC 3901", "dig(1)"),
    ),
)
