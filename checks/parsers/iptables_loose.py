"""Rules without their tables: what ``iptables-save | grep`` or ``iptables -S`` leave, as people paste them into reports.

The table of each line is guessed from its chain and target, and the set is never complete: absence proves nothing here.

>>> found = read('''$ iptables-save | grep default/web
... -A KUBE-SERVICES -d 10.96.23.5/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-4TLD37FYTLIZWP5X
... -A KUBE-SERVICES -d 10.96.23.6/32 -p tcp -m comment --comment "default/db has no endpoints" -j REJECT
... ''')[0]
>>> {name: len(list(table.rules())) for name, table in found.tables.items()}, found.complete
({'nat': 1, 'filter': 1}, False)
"""

from __future__ import annotations

import re

from checks.parsers.iptables_rules import BASE_CHAINS, Chain, Gap, Rule, RuleSet, Table
from checks.parsers.iptables_save import family_of, read_rule

_RULE = re.compile(r"(?:\S*?:|[>|+]\s*|(?:\S+\s+)??ip6?tables\s+(?:-t\s+(\w+)\s+)?)?(-A \S+ .*)$")
_DECLARED = re.compile(r"-N (\S+)$")
_POLICY = re.compile(r"-P (\S+) (ACCEPT|DROP)(?: -c \d+ \d+)?$")
_COUNTED = re.compile(r"\[(\d{1,20}):(\d{1,20})\] (-A .*)$", re.ASCII)
_COUNTED_LATE = re.compile(r"(-A .*?) -c (\d{1,20}) (\d{1,20})( .*)?$", re.ASCII)
_NAT = re.compile(r"KUBE-(?:SVC|SVL|SEP|EXT|XLB|FW)-|KUBE-(?:MARK-(?:MASQ|DROP)|POSTROUTING)$|KUBE-PORTALS-|KUBE-NODEPORT-")
_FILTER = re.compile(r"KUBE-(?:FORWARD|FIREWALL|EXTERNAL-SERVICES|PROXY-FIREWALL)$|DOCKER-(?:USER|ISOLATION.*|FORWARD)$")


def guess_table(chain: str, target: str, *, new_only: bool = False) -> str:
    """The table a lone rule most likely stands in.

    >>> guess_table("KUBE-SERVICES", "KUBE-SVC-X"), guess_table("KUBE-SERVICES", "REJECT"), guess_table("FORWARD", "DOCKER")
    ('nat', 'filter', 'filter')
    """
    if _NAT.match(chain) or _NAT.match(target) or target in ("DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP"):
        return "nat"
    if _FILTER.match(chain) or _FILTER.match(target) or chain in ("FORWARD", "INPUT") or target in ("REJECT", "DROP"):
        return "filter"
    if chain in ("PREROUTING", "POSTROUTING"):
        return "nat"
    if chain in ("OUTPUT", "KUBE-SERVICES") or target in ("KUBE-NODEPORTS", "KUBE-SERVICES"):
        return "filter" if new_only or target == "ACCEPT" else "nat"
    return "filter"


def read(text: str, listed: str = "", *, whole: bool = False) -> list[RuleSet]:
    """A set for each table that ``iptables -S`` printed, or one of all lone rules; empty when there are none. Never raises.

    ``listed`` is the table that was asked for, where that is known. ``whole``: it was printed to its end.
    """
    lines = text.split("\n")
    last = lines.pop().strip()
    listings = [_listing(lines, start, end, listed) for start, end in _tables(lines)]
    found = [each for each in listings if each]
    if not found or len(found) < len(listings):
        found = [each for each in [_lone(lines, listed)] if each.rule_count]
    elif whole and not last:
        for table in found[-1].tables.values():
            table.committed = True
    for each in found:
        each.family, each.last_line = family_of(each), len(lines)
    if last and found:
        found[-1].gaps.append(Gap(len(lines) + 1, f"the last line has no end and was left out: {last[:60]}"))
    return found


def _tables(lines: list[str]) -> list[tuple[int, int]]:
    """From where to where each table goes: it begins with its policies."""
    starts, before = [], ""
    for number, line in enumerate(map(str.strip, lines)):
        if _POLICY.match(line) and not _POLICY.match(before):
            starts.append(number)
        before = line or before
    return list(zip([0, *starts[1:]], [*starts[1:], len(lines)], strict=True)) if starts else []


def _listing(lines: list[str], start: int, end: int, listed: str) -> RuleSet | None:
    """Those lines as one table; None when a line stands there that ``iptables -S`` does not print."""
    table = _listed_table(lines[start:end])
    if not table or table != (listed or table):
        return None
    found = RuleSet(line=start + 1)
    shown = [(number, line.strip()) for number, line in enumerate(lines[start:end], start + 1)]
    understood = [_read_line(found, table, number, line) for number, line in shown if line and line[0] != "#"]
    return found if all(understood) else None


def _lone(lines: list[str], listed: str) -> RuleSet:
    found = RuleSet(loose=True)
    table = _listed_table(lines) or listed
    for number, line in enumerate(lines, 1):
        _read_line(found, table, number, line.strip())
    return found


def _read_line(found: RuleSet, listed: str, number: int, line: str) -> bool:
    packets = count = None
    if match := _COUNTED.search(line):
        packets, count, line = int(match[1]), int(match[2]), match[3]
    elif match := _COUNTED_LATE.match(line):
        packets, count, line = int(match[2]), int(match[3]), match[1] + (match[4] or "")
    if match := _POLICY.match(line) or _DECLARED.match(line):
        if listed:
            policy = match[2] if match.re is _POLICY else None
            _chain(found, listed, match[1]).policy = policy
            _chain(found, listed, match[1]).line = number
        return True
    match = _RULE.match(line)
    rule = read_rule(number, match[2], match[1] or listed, packets, count) if match else None
    if rule is not None:
        _place(found, rule)
    return rule is not None


def _place(found: RuleSet, rule: Rule) -> None:
    if not rule.table:
        state = rule.value("ctstate") or rule.value("state")
        rule.table = guess_table(rule.chain, rule.target, new_only=bool(state))
        if rule.chain == "OUTPUT" and any(other.target == rule.target for other in found.rules_of(rule.table, "OUTPUT")):
            rule.table = "filter"
    _chain(found, rule.table, rule.chain).rules.append(rule)


def _chain(found: RuleSet, table: str, name: str) -> Chain:
    chains = found.tables.setdefault(table, Table(table, 0)).chains
    return chains.setdefault(name, Chain(name, table))


def _listed_table(lines: list[str]) -> str:
    """The one table that ``iptables -S`` listed, told by its policies; empty when there are none or several tables."""
    policies = [match[1] for match in map(_POLICY.match, map(str.strip, lines)) if match]
    for table in ("nat", "filter", "mangle", "raw"):
        if sorted(policies) == sorted(BASE_CHAINS[table]):
            return table
    return "nat" if sorted(policies) == ["OUTPUT", "POSTROUTING", "PREROUTING"] else ""
