"""Any text of iptables rules: a save, a listing, or lone rules. The one door to the four readers.

>>> [(found.tool, found.family) for found in read_rules("*nat\\n:OUTPUT ACCEPT [0:0]\\nCOMMIT\\n", "save")]
[('', 4)]
>>> read_rules("default via 192.0.2.1 dev eth0\\n", "save")
Traceback (most recent call last):
checks.errors.ParseError: save holds no iptables rules; it looks like the output of ip
"""

from __future__ import annotations

import re

from checks.errors import ParseError
from checks.parsers import iptables_loose, iptables_nvl, iptables_save
from checks.parsers.iptables_rules import RuleSet
from checks.parsers.iptables_together import Part, of_command, parts, together
from checks.results import Reason

_OTHERS = (
    (
        re.compile(r"^table (ip|ip6|inet|arp|bridge|netdev) \S+ \{", re.M),
        "nft list ruleset; iptables-nft tables cannot be read from it",
    ),
    (re.compile(r'^\s*\{\s*"nftables"'), "nft -j"),
    (re.compile(r"^(default|\S+/\d+|\S+) (via|dev) ", re.M), "ip"),
    (re.compile(r"^(Proto|Netid|State)\s", re.M), "ss or netstat"),
    (re.compile(r"^(IP Virtual Server|-> RemoteAddress)", re.M), "ipvsadm"),
    (re.compile(r"\b(ESTABLISHED|UNREPLIED|ASSURED)\b.* src=", re.M), "conntrack"),
    (re.compile(r"^(create|add) \S+ hash:", re.M), "ipset save"),
    (
        re.compile(r"^\s*(?:\d+[KMG]?\s+\d+[KMG]?\s+)?[\w-]+\s+(?:all|tcp|udp|\d+)\s+(?:--\s+)?\S+\s+\S+(?:\s|$)", re.M),
        "iptables -L, but its rows come without their chains",
    ),
)
_LAST_TABLE = re.compile(r"\A\s*(#[^\n]*\n)*\*?\w*\Z")


def _read(part: Part) -> list[RuleSet]:
    text, listed, whole = part.text, part.listed, part.whole
    sets = iptables_save.read(text) or iptables_nvl.read(text, listed, whole=whole)
    sets = sets or iptables_loose.read(text, listed, whole=whole)
    for found in sets:
        of_command(found, part)
    return sets


def read_rules(text: str, section: str = "") -> list[RuleSet]:
    """All rule sets in the text, each with ``section`` set. Raises ParseError when there is none, naming what it looks like."""
    sets = together([found for part in parts(text) for found in _read(part)])
    for found in sets:
        found.section = section
    if sets:
        return sets
    name = section or "this text"
    if _LAST_TABLE.match(text):
        raise ParseError(f"{name} ends before its first table", Reason.TRUNCATED, section)
    for pattern, tool in _OTHERS:
        if match := pattern.search(text):
            line = text.count("\n", 0, match.start()) + 1
            raise ParseError(f"{name} holds no iptables rules; it looks like the output of {tool}", section=section, line=line)
    raise ParseError(f"{name} holds no iptables rules", section=section)
