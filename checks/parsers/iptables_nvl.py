"""The listing of ``iptables -nvL`` (``-nL``, ``--line-numbers``, ip6tables, 1.4 to 1.8), as people paste it into reports.

The listing names neither its table nor its end: the set is never complete, and the table is told by its built-in chains.

>>> found = read('''Chain POSTROUTING (policy ACCEPT 3 packets, 180 bytes)
...  pkts bytes target     prot opt in     out     source               destination
...    1K   60K KUBE-POSTROUTING  all  --  *      *       0.0.0.0/0            0.0.0.0/0            /* postrouting rules */
...
... Chain KUBE-POSTROUTING (1 references)
...  pkts bytes target     prot opt in     out     source               destination
...     0     0 MASQUERADE  all  --  *  *  !10.244.0.0/16  0.0.0.0/0  mark match 0x4000/0x4000 random-fully
...
... ''')[0]
>>> rule = found.rules_of("nat", "KUBE-POSTROUTING")[0]
>>> rule.line, rule.target, [(m.option, m.value, m.negated) for m in rule.matches], rule.options
(7, 'MASQUERADE', [('s', '10.244.0.0/16', True), ('mark', '0x4000/0x4000', False)], ('--random-fully',))
>>> found.chain("nat", "KUBE-POSTROUTING").references, found.rules_of("nat", "POSTROUTING")[0].packets, found.complete
(1, 1000, False)
"""

from __future__ import annotations

import re
from collections import Counter

from checks.parsers.iptables_listing import extras
from checks.parsers.iptables_loose import guess_table
from checks.parsers.iptables_rules import Chain, Gap, Match, Rule, RuleSet, Table
from checks.parsers.iptables_save import family_of

_CHAIN = re.compile(r"Chain (\S+) \((?:policy (\w+)(?: \S+ packets, \S+ bytes)?|(\d{1,9}) references)\)$", re.ASCII)
_PROTOCOL = r"!?(?:all|tcp|udp|sctp|icmp|icmpv6|ipv6-icmp|esp|ah|gre|udplite|dccp|\d{1,3})"
_COUNTED = re.compile(
    r"(?:\d+\s+)?(?P<pkts>\d{1,18}[KMGTP]?)\s+(?P<bytes>\d{1,18}[KMGTP]?)\s+(?:(?P<target>\S+)\s+)?"
    rf"(?P<prot>{_PROTOCOL})\s+(?:(?:--|-f|!f)\s+)?"
    r"(?P<in>\S+)\s+(?P<out>\S+)\s+(?P<src>\S+)\s+(?P<dst>\S+)(?:\s+(?P<rest>.*))?$",
    re.ASCII,
)
_PLAIN = re.compile(
    rf"(?:\d+\s+)?(?:(?P<target>\S+)\s+)?(?P<prot>{_PROTOCOL})\s+(?:(?:--|-f|!f)\s+)?(?P<src>\S+)\s+(?P<dst>\S+)(?:\s+(?P<rest>.*))?$"
)
_PROMPT = re.compile(r"^(?:\[?[\w.-]+@[\w.-]+.*|[$#] ?)[$#>]|[$#] (?:sudo )?ip6?tables\b|^# Warning")
_NUMBERS = {"0": "all", "1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp", "132": "sctp"}
_EVERYWHERE = ("0.0.0.0/0", "::/0", "anywhere", "*", "any")
_UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}


def read(text: str, table: str = "", *, whole: bool = False) -> list[RuleSet]:
    """All listings in the text; empty when no chain begins in it. Never raises.

    ``table`` is the one that was asked for, where the command is known. ``whole``: the table was listed to its end.
    """
    lines = text.split("\n")
    lines.pop()
    blocks: list[list[tuple[Chain, bool]]] = []
    rows: dict[int, list[tuple[int, str]]] = {}
    counted = False
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if match := _CHAIN.match(line):
            chain = Chain(match[1], "", number, match[2], references=int(match[3]) if match[3] else None)
            if _begins_table(chain, blocks):
                blocks.append([])
            blocks[-1].append((chain, False))
            rows[id(chain)] = []
        elif re.match(r"(num\s+)?(pkts\s+bytes\s+)?target\s+prot", line) and blocks:
            counted = "pkts" in line
            blocks[-1][-1] = (blocks[-1][-1][0], counted)
        elif line and blocks and not _PROMPT.search(line):
            rows[id(blocks[-1][-1][0])].append((number, line))
    sets = _sets(blocks, rows, len(lines), table)
    for found in sets if whole else ():
        for each in found.tables.values():
            each.committed = _all_shown(each)
    return sets


def _all_shown(table: Table) -> bool:
    """True when as many jumps lead to each chain as its heading says, the built-in chains are there, and no row hides its all.

    Without ``-v`` a row for lo looks like one for every packet.
    """
    if any(rule.opaque and not rule.conditions for rule in table.rules()):
        return False
    jumps = Counter(rule.target for rule in table.rules())
    counted = all(chain.references in (None, jumps[name]) for name, chain in table.chains.items())
    return counted and any(chain.policy for chain in table.chains.values())


def _begins_table(chain: Chain, blocks: list[list[tuple[Chain, bool]]]) -> bool:
    if not blocks:
        return True
    known = [other for other, _ in blocks[-1]]
    if any(other.name == chain.name for other in known):
        return True
    return chain.policy is not None and known[-1].policy is None


def _sets(
    blocks: list[list[tuple[Chain, bool]]], rows: dict[int, list[tuple[int, str]]], size: int, listed: str
) -> list[RuleSet]:
    sets: list[RuleSet] = []
    for block in blocks:
        shown = [row for chain, _ in block for row in rows[id(chain)]]
        table = listed or _table_name([chain for chain, _ in block], shown)
        if not sets or table in sets[-1].tables:
            sets.append(RuleSet(tool="iptables -L", line=block[0][0].line, last_line=size, listing=True))
        found = sets[-1]
        found.tables[table] = Table(table, block[0][0].line)
        for chain, counted in block:
            chain.table = table
            found.tables[table].chains[chain.name] = chain
            for number, line in rows[id(chain)]:
                rule = _row(number, line, chain, counted=counted)
                if rule is None:
                    found.gaps.append(Gap(number, f"this line is not a rule: {line[:80]}"))
                else:
                    chain.rules.append(rule)
    for found in sets:
        found.family = family_of(found)
    return sets


def _table_name(chains: list[Chain], rows: list[tuple[int, str]]) -> str:
    built_in = {chain.name for chain in chains if chain.policy is not None}
    if built_in:
        if "FORWARD" in built_in:
            return "mangle" if "PREROUTING" in built_in else "filter"
        return "nat" if "POSTROUTING" in built_in or "KUBE-SERVICES" in "".join(line for _, line in rows) else "raw"
    words = {word for _, line in rows for word in line.split()[:4]}
    guesses = {guess_table(chain.name, "") for chain in chains} | {guess_table("", word) for word in words}
    return "nat" if "nat" in guesses and not words & {"REJECT", "DROP"} else "filter"


def _row(number: int, line: str, chain: Chain, *, counted: bool) -> Rule | None:
    found = (_COUNTED if counted else _PLAIN).match(line)
    if found is None:
        return None
    group = found.groupdict()
    matches: list[Match] = []
    for option, name in (("s", "src"), ("d", "dst"), ("i", "in"), ("o", "out"), ("p", "prot")):
        value = group.get(name) or "*"
        plain = _NUMBERS.get(value.lstrip("!"), value.lstrip("!")) if option == "p" else value.lstrip("!")
        if plain not in _EVERYWHERE and not (option == "p" and plain == "all"):
            matches.append(Match(option, plain, value.startswith("!"), ""))
    rest = extras(group["rest"] or "")
    opaque = rest.opaque or any(
        match.option in ("s", "d") and not re.match(r"[0-9a-f.:]+(/\S+)?$", match.value) for match in matches
    )
    opaque = opaque or _hides_interfaces(chain.name, group["target"] or "", counted=counted)
    packets, count = (_number(group["pkts"]), _number(group["bytes"])) if counted else (None, None)
    options = tuple(rest.options)
    everything = (*matches, *rest.matches)
    return Rule(
        number, line, chain.table, chain.name, everything, group["target"] or "", options, rest.goto, opaque, packets, count
    )


def _hides_interfaces(chain: str, target: str, *, counted: bool) -> bool:
    """Without ``-v`` a rule that seems to match all may be one for lo; kube-proxy's own rules name no interface."""
    return not counted and not chain.startswith("KUBE-") and not target.startswith("KUBE-")


def _number(text: str) -> int:
    return int(text[:-1]) * _UNITS[text[-1]] if text[-1] in _UNITS else int(text)
