r"""One rule of nftables' own text, in the words of ip6tables, for a packet that comes in over IPv6.

A condition that has no such word here makes the rule opaque: it may match or not. A map of verdicts becomes one rule per entry.

>>> [(one.target, [m.option + "=" + m.value for m in one.matches], one.opaque) for one in rules_of(
...     'ct state vmap { established : accept, invalid : drop }', "input", 4)]
[('ACCEPT', ['ctstate=ESTABLISHED'], False), ('DROP', ['ctstate=INVALID'], False)]
>>> rules_of('meta mark 0x1 tcp dport { 80, 8000-8010 } counter accept comment "site"', "input", 5)[0].opaque
True
"""

from __future__ import annotations

import re
from collections.abc import Callable

from checks.parsers.iptables_rules import Match, Rule

_COMMENT = re.compile(r'\s*comment "[^"]*"|\s*# handle \d+\s*$')
_VERDICT = re.compile(r"(?:^|(?<=\s))(accept|drop|return|continue|reject(?: with .*)?|(?:jump|goto) \S+|queue\b.*)$")
_NOISE = re.compile(
    r'\bcounter(?: packets \d+ bytes \d+)?(?!\S)|\blog(?: prefix "[^"]*"| (?:level|group|snaplen|queue-threshold) \w+'
    r"| flags [\w ,]+?(?=\s(?:accept|drop|return|counter|jump|goto)\b|$))*"
)
_MAP = re.compile(r"^(.*?)\bvmap \{([^{}]*)\}(.*)$")
_CONDITION = re.compile(
    r"(?P<key>(?:meta )?(?:l4proto|nfproto|iif|iifname)|ip6 (?:nexthdr|hoplimit)|icmpv6 type|icmp type|ct state"
    r"|(?:tcp|th|udp) dport|udp sport|ip (?:saddr|daddr|protocol))\s+(?P<not>!= ?)?(?:== ?)?"
    r"(?P<value>\{[^{}]*\}|\"[^\"]*\"|[^\s{},]+(?:\s?,\s?[^\s{},]+)*)(?=\s|$)"
)
_TYPES = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4, "echo-request": 128,
    "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131, "mld-listener-done": 132,
    "mld-listener-reduction": 132, "nd-router-solicit": 133, "nd-router-advert": 134, "nd-neighbor-solicit": 135,
    "nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138, "ind-neighbor-solicit": 141,
    "ind-neighbor-advert": 142, "mld2-listener-report": 143,
}  # fmt: skip
_PORTS = {"ssh": "22", "domain": "53", "http": "80", "www": "80", "https": "443", "ftp": "21", "smtp": "25", "telnet": "23"}
_ICMP, _TCP, _UDP = (dict.fromkeys(names, names[0]) for names in (("ipv6-icmp", "icmpv6", "58"), ("tcp", "6"), ("udp", "17")))
_OTHERS = ("icmp", "igmp", "sctp", "esp", "ah", "gre", "ospf", "vrrp", "udplite", "dccp", "comp")
_PROTOCOLS = {**_ICMP, **_TCP, **_UDP, **{name: name for name in _OTHERS}}
_IMPLIED = {"icmpv6 type": "ipv6-icmp", "tcp dport": "tcp"}


def rules_of(text: str, chain: str, line: int) -> list[Rule]:
    """The rules that this one stands for; more than one when it holds a map of verdicts."""
    words = " ".join(_COMMENT.sub("", text).split())
    if mapped := _MAP.match(words):
        entries = [entry.partition(":") for entry in mapped[2].split(",") if ":" in entry]
        return [_rule(f"{mapped[1]}{key.strip()} {verdict.strip()}", text, chain, line) for key, _, verdict in entries]
    return [_rule(words, text, chain, line)]


def _rule(words: str, raw: str, chain: str, line: int) -> Rule:
    words = _NOISE.sub("", words).strip()
    found = _VERDICT.search(words)
    said = found[1].split() if found else [""]
    rest = words[: found.start()] if found else words
    matches: list[Match] = []
    opaque = False
    for condition in _CONDITION.finditer(rest):
        match = _match(condition)
        opaque = opaque or match is None
        implied = _IMPLIED.get(condition["key"])
        matches += [Match("p", implied, negated=False, module="")] if implied else []
        matches += [match] if match else []
    left = _CONDITION.sub("", rest).strip()
    target = {"accept": "ACCEPT", "drop": "DROP", "reject": "REJECT", "return": "RETURN", "queue": "QUEUE"}.get(said[0], "")
    if said[0] in ("jump", "goto"):
        target = said[1]
    return Rule(line, raw, "filter", chain, tuple(matches), target, (), said[0] == "goto", opaque or bool(left), None, None)


def _match(condition: re.Match[str]) -> Match | None:
    """The condition in the words of ip6tables; None for a value that is not known here."""
    key = condition["key"].removeprefix("meta ")
    option, convert = _KEYS[key]
    parts = [part.strip().strip('"') for part in condition["value"].strip("{} ").split(",") if part.strip()]
    values = [convert(part) for part in parts]
    if None in values or not values:
        return None
    never = option in ("udp", "ipv4")
    return Match(option, ",".join(filter(None, values)), negated=bool(condition["not"]) and not never, module="")


def _icmp_type(text: str) -> str | None:
    number = _TYPES.get(text, text)
    return str(number) if re.fullmatch(r"[0-9]{1,3}", str(number)) else None


def _port(text: str) -> str | None:
    text = _PORTS.get(text, text)
    return text.replace("-", ":") if re.fullmatch(r"[0-9]{1,5}(?:-[0-9]{1,5})?", text) else None


def _protocol(text: str) -> str | None:
    return _PROTOCOLS.get(text)


def _state(text: str) -> str | None:
    return text.upper() if text in ("new", "established", "related", "invalid", "untracked") else None


def _plain(text: str) -> str | None:
    return None if text.startswith(("@", "$")) else text


_KEYS: dict[str, tuple[str, Callable[[str], str | None]]] = {
    "l4proto": ("p", _protocol),
    "ip6 nexthdr": ("p", _protocol),
    "icmpv6 type": ("icmpv6-type", _icmp_type),
    "ct state": ("ctstate", _state),
    "tcp dport": ("dports", _port),
    "th dport": ("dports", _port),
    "udp dport": ("udp", _plain),
    "udp sport": ("udp", _plain),
    "iif": ("i", _plain),
    "iifname": ("i", _plain),
    "ip6 hoplimit": ("hl-eq", _plain),
    "nfproto": ("nfproto", _plain),
    "icmp type": ("ipv4", _plain),
    "ip saddr": ("ipv4", lambda _: "any"),
    "ip daddr": ("ipv4", lambda _: "any"),
    "ip protocol": ("ipv4", lambda _: "any"),
}
"""``udp`` and ``ipv4`` are conditions that no packet of ours meets, whatever is beside them."""
