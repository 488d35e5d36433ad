"""Which rules of a long chain can match a packet at all, found without walking the chain.

A rule that names one address, one port or one interface is looked up by it; the others are always candidates. Order is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from checks.analyzers.kube_proxy_services import bare
from checks.analyzers.packet import Packet
from checks.parsers.iptables_rules import Chain, Rule

SHORT = 24
"""Chains up to this length are walked: an index would cost more."""


class ChainIndex:
    """The rules of one chain by destination address, else destination port, else source address."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = rules
        self.by_dst: dict[str, list[int]] = defaultdict(list)
        self.by_port: dict[str, list[int]] = defaultdict(list)
        self.by_src: dict[str, list[int]] = defaultdict(list)
        self.others: list[int] = []
        for position, rule in enumerate(rules):
            self._place(position, rule)

    def _place(self, position: int, rule: Rule) -> None:
        exact = {match.option: match.value for match in rule.matches if not match.negated and match.option in ("d", "s", "dport")}
        for option, places in (("d", self.by_dst), ("dport", self.by_port), ("s", self.by_src)):
            value = exact.get(option, "")
            if option != "dport" and value:
                value = bare(value)
                if "/" in value:
                    continue
            if value and (option != "dport" or value.isdigit()):
                places[value].append(position)
                return
        self.others.append(position)

    def candidates(self, packet: Packet) -> Sequence[Rule]:
        """The rules that can match, in order."""
        found = [
            *self.by_dst.get(packet.dst, ()),
            *self.by_port.get(str(packet.dport), ()),
            *self.by_src.get(packet.src, ()),
            *self.others,
        ]
        return [self.rules[position] for position in sorted(found)]


class RuleIndex:
    """Indexes of the long chains of a rule set, each made when first asked for."""

    def __init__(self) -> None:
        self._chains: dict[int, ChainIndex] = {}

    def candidates(self, chain: Chain, packet: Packet) -> Sequence[Rule]:
        """The chain's rules that can match the packet, in order."""
        if len(chain.rules) <= SHORT:
            return chain.rules
        index = self._chains.get(id(chain))
        if index is None:
            index = self._chains[id(chain)] = ChainIndex(chain.rules)
        return index.candidates(packet)
