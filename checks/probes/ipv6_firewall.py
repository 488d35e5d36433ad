"""ipv6.firewall: does this host's firewall let in what IPv6 cannot live without?

Knowledge: RFC 4890. Without neighbour discovery (ICMPv6 133 to 136) nobody finds this host, without packet-too-big (2) large
answers vanish. Rules of a cloud's security groups are not on the host and not judged.
"""

from __future__ import annotations

import re

from checks.analyzers.ipv6_input import Fate, Incoming, fate_of
from checks.analyzers.nft_tables import XTABLES, dropping_chains
from checks.collectors.iptables import LEGACY6, NFT6, NFT_CHAINS, PLAIN6
from checks.collectors.ipv6 import NFT_RULES
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.iptables_rules import RuleSet
from checks.parsers.iptables_text import read_rules
from checks.parsers.nft_json import parse_nft
from checks.parsers.nft_text import read_input
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.ip_sections import lines
from checks.probes.ipv6_listeners import asked_ports
from checks.results import Evidence, Reason, Verdict

_SAVES = (NFT6.name, LEGACY6.name, PLAIN6.name)
_DISCOVERY = {134: "router advertisements", 135: "neighbour solicitations", 136: "neighbour advertisements"}
_ERRORS = {1: "unreachable", 3: "time exceeded", 4: "parameter problem"}
_TOO_BIG, _SOLICITATION, _REDIRECT = 2, 133, 137
_SIX = re.compile(r"ip6tables|::/0|ipv6-?icmp|icmpv6|icmp6-|\bfe80:")
"""Words that no rules for IPv4 hold; a listing does not say its family."""
_WORST = ("drop", "unknown", "conditions", "accept")
Found = list[tuple[str, RuleSet]]


def judge_firewall(report: Report) -> None:
    found = _rule_sets(report)
    ports = asked_ports(report.params.get("ports"))
    report.fact("policies", {_name(name, rules): (rules.chain("filter", "INPUT") or _NO_CHAIN).policy for name, rules in found})
    types = (*_ERRORS, _TOO_BIG, _SOLICITATION, *_DISCOVERY, _REDIRECT)
    fates = {kind: _worst(found, Incoming(icmp=kind)) for kind in types}
    report.fact("icmpv6", {str(kind): fate.end for kind, (_, fate) in sorted(fates.items())})
    _judge(report, "discovery", Verdict.CRIT, {_DISCOVERY[kind]: fates[kind] for kind in _DISCOVERY})
    _judge(report, "too_big", Verdict.CRIT, {"packet too big": fates[_TOO_BIG]})
    _judge(report, "errors", Verdict.WARN, {_ERRORS[kind]: fates[kind] for kind in _ERRORS})
    if ports:
        _judge(report, "port", Verdict.CRIT, {f"TCP port {port}": _worst(found, Incoming(port=port)) for port in ports})
    if not report.has(NFT_RULES.name):
        _judge_nft(report)


class _NoChain:
    policy: str | None = None


_NO_CHAIN = _NoChain()


def _name(section: str, rules: RuleSet) -> str:
    return f"nft {rules.tool}" if section == NFT_RULES.name else section


def _rule_sets(report: Report) -> Found:
    """The IPv6 rules of every backend that the host has. Raises EvidenceError when one of them is damaged or none was read."""
    found: Found = []
    for name in _SAVES:
        section = report.sections.get(name)
        if section is None or section.rc == 127:
            continue
        text = report.need(name).text
        sets = [rules for rules in read_rules(text, name) if rules.family == 6 or not rules.tables or _SIX.search(text)]
        if not sets:
            raise EvidenceError(f"{name} holds no rules of ip6tables", Reason.UNPARSED, name)
        for rules in sets:
            if not rules.complete and not rules.visible("filter", "INPUT"):
                line = rules.gaps[0].line if rules.gaps else 0
                raise EvidenceError(f"the rules of {name} are not whole", Reason.TRUNCATED, name, line)
            found.append((name, rules))
    own = _native(report, by_iptables=any(name == NFT6.name for name, _ in found))
    if not found and own is None and not report.has(NFT_CHAINS.name):
        raise EvidenceError("neither ip6tables nor nft shows its rules on this host", Reason.TOOL_MISSING)
    return found + (own or [])


def _native(report: Report, *, by_iptables: bool) -> Found | None:
    """The rules of nftables' own tables; None when they were not collected. Those that iptables-nft writes are read above."""
    section = report.sections.get(NFT_RULES.name)
    if section is None or section.rc == 127:
        return None
    sets = read(report.need(NFT_RULES.name), read_input)
    written = {f"ip6 {table}" for table in XTABLES} if by_iptables else set()
    return [(NFT_RULES.name, rules) for rules in sets if rules.family == 6 and rules.tool not in written]


def _worst(found: Found, packet: Incoming) -> tuple[str, Fate]:
    """The packet must pass the rules of every backend."""
    fates = [(name, fate_of(packet, rules)) for name, rules in found] or [("", Fate("accept"))]
    return min(fates, key=lambda entry: _WORST.index(entry[1].end))


def _judge(report: Report, rule: str, bad: Verdict, fates: dict[str, tuple[str, Fate]]) -> None:
    """One finding for messages that belong together."""
    ends = {what: fate.end for what, (_, fate) in fates.items()}
    for end, verdict in (("drop", bad), ("unknown", Verdict.UNKNOWN), ("conditions", Verdict.INFO)):
        which = [what for what in ends if ends[what] == end]
        if not which:
            continue
        evidence = _evidence(report, *fates[which[0]])
        names = ", ".join(which)
        if verdict == Verdict.UNKNOWN:
            says = f"whether {names} come in cannot be told from these rules"
            report.unknown(Reason.UNPARSED, says, evidence, rule)
            return
        says = f"the firewall drops {names}" if end == "drop" else f"{names} come in only under conditions"
        report.find(rule, verdict, says, value=which, evidence=evidence)
        return
    report.find(rule, Verdict.OK, f"{', '.join(ends)} come in", evidence=_evidence(report, *next(iter(fates.values()))))


def _evidence(report: Report, section: str, fate: Fate) -> list[Evidence]:
    places = [(section, rule.line, rule.target) for rule in fate.rules[:3]]
    return lines(report, *(places or [(section, fate.line, "")])) if section else []


def _judge_nft(report: Report) -> None:
    """A drop in a chain of nftables itself wins over any accept of ip6tables; here its rules were not collected."""
    section = report.sections.get(NFT_CHAINS.name)
    if section is None or section.rc == 127:
        return
    listing = read(report.need(NFT_CHAINS.name), parse_nft)
    for table, hook, line in dropping_chains(listing):
        if hook == "input" and table.split()[0] in ("ip6", "inet"):
            says = f"the nftables table {table} drops by itself what it does not accept; read it with nft list table {table}"
            report.unknown(Reason.UNPARSED, says, lines(report, (NFT_CHAINS.name, line, "")), "nftables")


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.firewall",
        title="Firewall for IPv6",
        question="Does this host's firewall let in what IPv6 cannot live without?",
        collectors=(NFT6, LEGACY6, PLAIN6, NFT_RULES, NFT_CHAINS),
        judge=judge_firewall,
        params=(Param("ports", "text", help="TCP ports that must be open, for example 80,443"),),
        facts=(
            FactSpec("policies", "dict", "policy of INPUT by backend; null where the table is not there"),
            FactSpec("icmpv6", "dict", "by ICMPv6 type: accept, drop, conditions or unknown"),
        ),
        rules=(
            Rule(
                "discovery",
                "router or neighbour messages (ICMPv6 134, 135, 136) are dropped",
                "RFC 4890: they must not be dropped",
                "accept ipv6-icmp types 133 to 136 in INPUT before anything drops; conntrack does not track them",
            ),
            Rule(
                "too_big",
                "packet too big (ICMPv6 2) is dropped",
                "RFC 4890: path MTU discovery needs it, routers do not fragment IPv6",
                "accept ipv6-icmp type 2, or RELATED,ESTABLISHED, in INPUT",
            ),
            Rule(
                "errors",
                "ICMPv6 errors (1, 3, 4) are dropped",
                "RFC 4890",
                "accept ipv6-icmp types 1, 3 and 4, or RELATED,ESTABLISHED, in INPUT",
            ),
            Rule(
                "port",
                "a TCP port is closed for IPv6",
                "ip6tables has rules of its own beside iptables",
                "open it in ip6tables, or in nftables where the drop is",
            ),
            Rule(
                "nftables",
                "an nftables chain may drop on input, and its rules were not collected",
                "nft(8): a drop in any base chain is final",
            ),
        ),
        sources=("RFC 4890", "ip6tables(8)", "nft(8)"),
    ),
)
