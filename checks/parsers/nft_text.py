r"""``nft list ruleset`` as text: each base chain of the hook input with all chains it may lead to, one rule set each.

>>> found = read_input('''table inet filter {
... \tchain input {
... \t\ttype filter hook input priority filter; policy drop;
... \t\tct state { established, related } accept
... \t\ticmpv6 type { nd-neighbor-solicit, packet-too-big } counter packets 3 bytes 216 accept comment "needed"
... \t\tip saddr 192.0.2.0/24 tcp dport 22 jump trusted
... \t}
... \tchain trusted {
... \t}
... }
... ''')
>>> rules = found[0].rules_of("filter", "INPUT")
>>> [(rule.line, rule.target, [m.option for m in rule.matches]) for rule in rules]
[(4, 'ACCEPT', ['ctstate']), (5, 'ACCEPT', ['p', 'icmpv6-type']), (6, 'trusted', ['ipv4', 'p', 'dports'])]
>>> found[0].tool, found[0].tables["filter"].chains["INPUT"].policy
('inet filter', 'DROP')
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.iptables_rules import Chain, Rule, RuleSet, Table
from checks.parsers.nft_rule import rules_of
from checks.parsers.reading import whole_lines
from checks.results import Reason

HEAD, END = "# Rules of nftables", "# End of rules"
_TABLE = re.compile(r"table (?:(inet|ip6|ip|arp|bridge|netdev) )?(\S+) \{")
_CHAIN = re.compile(r"chain (\S+) \{")
_HOOK = re.compile(r"type (\w+) hook (\w+) [^;]*priority [^;]+;(?: policy (\w+);)?")
_ASIDE = re.compile(r"(?:#|flush ruleset|policy \w+;|comment |flags |devices? )")


@dataclass
class _Chain:
    table: str
    name: str
    line: int
    hook: str = ""
    policy: str = "ACCEPT"
    rules: list[Rule] = field(default_factory=list)


def read_input(text: str) -> list[RuleSet]:
    """The rules for what comes in, one set for each base chain. Raises ParseError when the text is no ruleset, or was cut."""
    lines = whole_lines(text)
    if lines[:1] == [HEAD] and lines[-1] != END:
        raise ParseError("the rules of nftables were cut: their closing line is missing", Reason.TRUNCATED, line=len(lines))
    chains = _chains(lines)
    return [_rule_set(base, chains) for base in chains if base.hook == "input"]


def _chains(lines: list[str]) -> list[_Chain]:
    found: list[_Chain] = []
    table, chain, depth, first, waiting = "", None, 0, 0, ""
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if depth:  # inside a set, a map, a counter
            depth += _open(line)
        elif chain is not None and (waiting or not (line == "}" or _HOOK.match(line) or _ASIDE.match(line) or not line)):
            first = first if waiting else number
            waiting = f"{waiting} {line}".strip()
            if _open(waiting) <= 0:
                chain.rules += rules_of(waiting, chain.name, first)
                waiting = ""
        elif chain is not None and line == "}":
            chain = None
        elif chain is not None:
            _describe(chain, line)
        elif not table and (match := _TABLE.match(line)):
            table = f"{match[1] or 'ip'} {match[2]}"
        elif table and (match := _CHAIN.match(line)):
            chain = _Chain(table, match[1], number)
            found.append(chain)
        elif table and line == "}":
            table = ""
        elif table and line.endswith("{"):
            depth = 1
        elif line and not _ASIDE.match(line):
            raise ParseError(f"{line[:60]!r} is no part of a ruleset as nft lists it", Reason.UNPARSED, line=number)
    if table or chain or depth or waiting:
        raise ParseError("the rules of nftables were cut: a brace is not closed", Reason.TRUNCATED, line=len(lines))
    return found


def _open(text: str) -> int:
    bare = re.sub(r'"[^"]*"', "", text)
    return bare.count("{") - bare.count("}")


def _describe(chain: _Chain, line: str) -> None:
    if match := _HOOK.match(line):
        chain.hook = match[2] if match[1] == "filter" else ""
        chain.policy = (match[3] or "accept").upper()
    elif match := re.match(r"policy (\w+);", line):
        chain.policy = match[1].upper()


def _rule_set(base: _Chain, chains: list[_Chain]) -> RuleSet:
    """The base chain as INPUT of a table filter, beside the other chains of its table."""
    table = Table("filter", base.line, committed=True)
    for chain in chains:
        if chain.table == base.table and chain is not base:
            table.chains[chain.name] = Chain(chain.name, "filter", chain.line, rules=chain.rules)
    table.chains["INPUT"] = Chain("INPUT", "filter", base.line, base.policy, base.rules)
    family = 6 if base.table.split()[0] in ("ip6", "inet") else 4
    return RuleSet(tool=base.table, family=family, backend="nft", line=base.line, tables={"filter": table}, ended=True)
