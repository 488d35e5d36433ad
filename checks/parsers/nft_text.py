r"""``nft list ruleset`` as text: for each base chain of the hook input, the rules that a packet meets, in the words of iptables.

Native tables only. A condition that has no such word makes its rule opaque: it may match or not, and nobody is told that it does.

>>> found = read_input('''table inet filter {
... \tchain input {
... \t\ttype filter hook input priority filter; policy drop;
... \t\tct state { established, related } accept
... \t\ticmpv6 type { nd-neighbor-solicit, packet-too-big } counter packets 3 bytes 216 accept comment "needed"
... \t\tip saddr 192.0.2.0/24 tcp dport 22 jump trusted
... \t}
... }
... ''')
>>> rules = found[0].rules_of("filter", "INPUT")
>>> [(rule.line, rule.target, [(m.option, m.value) for m in rule.matches]) for rule in rules]
[(4, 'ACCEPT', [('ctstate', 'ESTABLISHED,RELATED')]), (5, 'ACCEPT', [('icmpv6-type', '135,2')]), (6, 'trusted', [('nfproto', 'ipv4'), ('dports', '22')])]
>>> found[0].tool, found[0].tables["filter"].chains["INPUT"].policy
('inet filter', 'DROP')
"""  # noqa: E501

from __future__ import annotations

import re
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.iptables_rules import Chain, Match, Rule, RuleSet, Table
from checks.parsers.reading import whole_lines
from checks.results import Reason

HEAD, END = "# Rules of nftables", "# End of rules"
_TABLE = re.compile(r"table (?:(inet|ip6|ip|arp|bridge|netdev) )?(\S+) \{")
_CHAIN = re.compile(r"chain (\S+) \{")
_HOOK = re.compile(r"type (\w+) hook (\w+) .*?priority [^;]+;(?: policy (\w+);)?")
_SKIPPED = re.compile(r"(?:flush ruleset|(?:comment|policy|flags|devices?) ?.*|define .*);?$")
_COMMENT = re.compile(r'\s*comment "[^"]*"|\s*# handle \d+$')
_VERDICT = re.compile(r"(?:^|\s)(accept|drop|return|continue|reject(?: with .*)?|(?:jump|goto) \S+|queue\b.*)$")
_NOISE = re.compile(
    r'\bcounter(?: packets \d+ bytes \d+)?|\blog(?: prefix "[^"]*"| (?:level|group|snaplen|queue-threshold) \w+| flags [\w ,]+)*'
)
_VALUE = r"(?P<not>!= ?)?(?:== )?(?P<value>\{[^{}]*\}|\"[^\"]*\"|[^\s{}]+(?:, ?[^\s{}]+)*)"
_CONDITIONS = {
    "p": re.compile(rf"(?:meta )?l4proto {_VALUE}|ip6 nexthdr {_VALUE}".replace("|ip6", "|ip6", 1).split("|ip6")[0]),
    "nexthdr": re.compile(rf"ip6 nexthdr {_VALUE}"),
    "icmpv6-type": re.compile(rf"icmpv6 type {_VALUE}"),
    "ctstate": re.compile(rf"ct state {_VALUE}"),
    "dports": re.compile(rf"(?:tcp|th) dport {_VALUE}"),
    "udp": re.compile(rf"udp [ds]port {_VALUE}"),
    "i": re.compile(rf"(?:meta )?iif(?:name)? {_VALUE}"),
    "hl-eq": re.compile(rf"ip6 hoplimit {_VALUE}"),
    "nfproto": re.compile(rf"(?:meta )?nfproto {_VALUE}"),
    "ip": re.compile(rf"ip (?:[sd]addr|protocol) {_VALUE}|icmp type"),
}
