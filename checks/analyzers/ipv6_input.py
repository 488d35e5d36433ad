"""What happens to an IPv6 packet that comes in: the INPUT chain of ip6tables, or one of nftables, followed rule by rule.

Neighbour discovery is never tracked by the kernel (its state is UNTRACKED), and ICMPv6 errors are RELATED to a connection of this
host. A condition that cannot be judged here (an interface, a source, a rate) makes its rule a maybe, never a yes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from checks.parsers.iptables_rules import Match, Rule, RuleSet

_ICMP = frozenset({"ipv6-icmp", "icmpv6", "58"})
_TYPES = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "ttl-exceeded": 3, "parameter-problem": 4,
    "router-solicitation": 133, "router-advertisement": 134, "neighbour-solicitation": 135, "neighbor-solicitation": 135,
    "neighbour-advertisement": 136, "neighbor-advertisement": 136, "redirect": 137,
}  # fmt: skip
_STEPS = 100_000
_DEPTH = 64


@dataclass(frozen=True)
class Incoming:
    """A packet from another host: an ICMPv6 message of one type, or a TCP connection to a port."""

    icmp: int = 0
    port: int = 0

    @property
    def state(self) -> str:
        """What conntrack makes of it."""
        return "NEW" if self.port else "UNTRACKED" if self.icmp >= 133 else "RELATED"


@dataclass
class Fate:
    """How it ends: accept, drop, conditions (accepted under some), or unknown. ``rules`` decided."""

    end: str
    rules: list[Rule] = field(default_factory=list)
    line: int = 0


def fate_of(packet: Incoming, rules: RuleSet) -> Fate:
    """Follow the packet through INPUT of the table filter."""
    chain = rules.chain("filter", "INPUT")
    if chain is None:
        return Fate("accept" if rules.ended and "filter" not in rules.tables else "unknown")
    if not rules.visible("filter", "INPUT"):
        return Fate("unknown", line=chain.line)
    walk = _Walk(packet, rules)
    by_rule = walk.follow("INPUT", 0)
    end = by_rule or {"ACCEPT": "accept", "DROP": "drop"}.get(chain.policy or "", "unknown")
    if walk.unclear:
        return Fate("unknown", walk.maybe, chain.line)
    if end == "drop" and walk.maybe:
        return Fate("conditions", walk.maybe, chain.line)
    return Fate(end, walk.decided[-2:] if by_rule else [], chain.line)


class _Walk:
    def __init__(self, packet: Incoming, rules: RuleSet) -> None:
        self.packet, self.rules = packet, rules
        self.maybe: list[Rule] = []
        self.decided: list[Rule] = []
        self.unclear = False
        self.steps = 0

    def follow(self, name: str, depth: int) -> str:
        """accept, drop, or an empty string when the chain ends without a word."""
        for rule in self.rules.rules_of("filter", name):
            self.steps += 1
            if self.steps > _STEPS or depth > _DEPTH:
                self.unclear = True
                return ""
            matches = _matches(rule, self.packet)
            if matches is False:
                continue
            if rule.target == "RETURN" or (rule.goto and matches):
                self.unclear = self.unclear or not matches
                return self.follow(rule.target, depth + 1) if rule.goto else ""
            end = self._end_of(rule, depth)
            if end and matches:
                self.decided.append(rule)
                return end
            if end == "accept":
                self.maybe.append(rule)
        return ""

    def _end_of(self, rule: Rule, depth: int) -> str:
        if rule.target == "ACCEPT":
            return "accept"
        if rule.target in ("DROP", "REJECT"):
            return "drop"
        if rule.target in ("NFQUEUE", "QUEUE"):
            self.unclear = True
        return self.follow(rule.target, depth + 1) if self.rules.chain("filter", rule.target) else ""


def _matches(rule: Rule, packet: Incoming) -> bool | None:
    """Whether the rule is for this packet; None when that depends on something nobody said."""
    answer: bool | None = None if rule.opaque else True
    for match in rule.conditions:
        said = _says(match, packet)
        if said is not None and match.negated:
            said = not said
        if said is False:
            return False
        answer = None if said is None else answer
    return answer


def _says(match: Match, packet: Incoming) -> bool | None:
    option, value = match.option, match.value
    if option == "p":
        wanted = _ICMP if packet.icmp else {"tcp", "6"}
        return any(word in wanted for word in value.split(",")) or value in ("all", "0", "ipv6")
    if option == "icmpv6-type" and "," in value:
        return str(packet.icmp) in value.split(",")
    if option == "icmpv6-type":
        first, code, _ = value.partition("/")
        same = packet.icmp == (int(first) if re.fullmatch("[0-9]{1,3}", first) else _TYPES.get(first, -1)) or value == "any"
        return None if same and code and packet.icmp < 133 else same
    if option in ("ctstate", "state"):
        return packet.state in value.split(",")
    if option in ("dport", "dports"):
        return any(_in_range(part, packet.port) for part in value.split(",")) if packet.port else False
    if option == "i" and value == "lo":
        return False
    if option in ("ipv4", "udp"):
        return False
    if option == "nfproto":
        return value == "ipv6"
    if option == "hl-eq":
        return value == "255" if packet.icmp >= 133 else None
    if option == "tcp-flags":
        return value.split()[-1:] == ["SYN"] if packet.port else False
    return None


def _in_range(text: str, port: int) -> bool:
    low, colon, high = text.partition(":")
    if not re.fullmatch(r"[0-9]{0,5}", low) or not re.fullmatch(r"[0-9]{0,5}", high):
        return False
    return int(low or 0) <= port <= (int(high or 65535) if colon else int(low or 0))
