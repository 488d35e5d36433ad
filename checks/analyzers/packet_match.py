"""Whether a rule matches a packet: yes, no, with a probability, or not to be told.

The packet opens a connection, so its state is NEW; ``DNAT`` in a list of states holds once it was DNATed.
Extensions that look at time, rates, contents or other hosts' state are not to be told.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping

from checks.analyzers.kube_proxy_shares import chance
from checks.analyzers.packet import Node, Packet, inside, mark_matches
from checks.analyzers.packet_sets import holds
from checks.parsers.iptables_rules import Match, Rule
from checks.parsers.iptables_values import whole

PROTOCOLS = {"6": "tcp", "17": "udp", "132": "sctp", "1": "icmp", "58": "ipv6-icmp", "0": "all", "icmpv6": "ipv6-icmp"}
_EPHEMERAL = 1024
_SYN = {"SYN"}
_FLAGS = {"FIN", "SYN", "RST", "PSH", "ACK", "URG"}


def verdict_of(rule: Rule, packet: Packet, node: Node) -> float | None:
    """1.0 yes, 0.0 no, between them a probability, None not to be told."""
    answer: bool | None = not rule.opaque or None
    for match in rule.matches:
        read = _READERS.get(match.option)
        said = read(match, packet, node, rule) if read else None
        if said is not None and match.negated:
            said = not said
        if said is False:
            return 0.0
        if said is None:
            answer = None
    if answer is None:
        return None
    return chance(rule)


def _interface(name: str, match: Match, packet: Packet, node: Node) -> bool | None:
    """``name`` is i or o. An unknown interface is told by the bridges' networks, then by what this branch assumed."""
    own = packet.iif if name == "i" else packet.oif
    wanted = match.value
    if own is not None:
        return own.startswith(wanted[:-1]) and bool(own) if wanted.endswith("+") else own == wanted
    address = packet.src if name == "i" else packet.dst
    if wanted in node.bridges and inside(address, node.bridges[wanted]) is False:
        return False
    return packet.assumed.get((name, wanted))


def _ports(text: str, port: int | None) -> bool | None:
    """``80``, ``30000:32767`` or a list of both; an unknown source port is taken as not a well-known one."""
    answers = []
    for part in text.split(","):
        low, colon, high = part.partition(":")
        first = whole(low or "0")
        last = whole(high or "65535") if colon else first
        if first is None or last is None:
            return None
        if port is None:
            answers.append(False if last < _EPHEMERAL else None)
        else:
            answers.append(first <= port <= last)
    return True if True in answers else None if None in answers else False


def _either_port(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    return _ports(match.value, packet.dport) or _ports(match.value, packet.sport)


def _protocol(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    wanted = PROTOCOLS.get(match.value, match.value)
    return wanted in ("all", packet.protocol)


def _state(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    words = set(match.value.split(","))
    if packet.untracked:
        return "UNTRACKED" in words
    return "NEW" in words or ("DNAT" in words and packet.dnat) or ("SNAT" in words and bool(packet.snat))


def _type(address: str, words: str, node: Node, *, local: bool | None) -> bool | None:
    parsed = ipaddress.ip_address(address)
    answers: list[bool | None] = []
    for word in words.split(","):
        if word == "LOCAL":
            answers.append(local)
        elif word == "MULTICAST":
            answers.append(parsed.is_multicast)
        elif word == "UNICAST":
            answers.append(None if local is None else not local and not parsed.is_multicast)
        elif word == "BROADCAST":
            answers.append(address == "255.255.255.255")
        elif word == "UNSPEC":
            answers.append(parsed.is_unspecified)
        else:
            answers.append(None)
    return True if True in answers else None if None in answers else False


def _destination_type(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    if rule.match("limit-iface-in") or rule.match("limit-iface-out"):
        return None
    local = node.is_local(packet.dst)
    return _type(packet.dst, match.value, node, local=packet.assumed.get(("dst-local", packet.dst)) if local is None else local)


def _source_type(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    local = True if packet.origin == "host" else node.is_local(packet.src)
    return _type(packet.src, match.value, node, local=bool(local))


def _mark(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    return mark_matches(packet.connmark if match.module == "connmark" else packet.mark, match.value)


def _match_set(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    name, _, flags = match.value.partition(" ")
    return holds(node.sets, name, flags, packet)


def _tcp_flags(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    mask, _, wanted = match.value.partition(" ")
    if packet.protocol != "tcp":
        return False
    looked_at = _FLAGS if mask == "ALL" else set(mask.split(","))
    asked = set() if wanted == "NONE" else _FLAGS if wanted == "ALL" else set(wanted.split(","))
    return _SYN & looked_at == asked


def _physdev(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    return None if packet.origin == "pod" else False


def _original(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    return inside(packet.original_dst, match.value)


def _yes(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    return True


def _rpfilter(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    return rule.match("invert") is None


def _recent(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    return node.known_client


def _weighed(match: Match, packet: Packet, node: Node, rule: Rule) -> bool | None:
    return not match.negated  # its chance is weighed for the rule as a whole


Reader = Callable[[Match, Packet, Node, Rule], bool | None]

_READERS: Mapping[str, Reader] = {
    "s": lambda match, packet, node, rule: inside(packet.src, match.value),
    "d": lambda match, packet, node, rule: inside(packet.dst, match.value),
    "i": lambda match, packet, node, rule: _interface("i", match, packet, node),
    "o": lambda match, packet, node, rule: _interface("o", match, packet, node),
    "p": _protocol,
    "dport": lambda match, packet, node, rule: _ports(match.value, packet.dport),
    "dports": lambda match, packet, node, rule: _ports(match.value, packet.dport),
    "sport": lambda match, packet, node, rule: _ports(match.value, packet.sport),
    "sports": lambda match, packet, node, rule: _ports(match.value, packet.sport),
    "ports": _either_port,
    "ctstate": _state,
    "state": _state,
    "ctstatus": lambda match, packet, node, rule: packet.dnat and "DNAT" in match.value.split(","),
    "ctdir": lambda match, packet, node, rule: match.value == "ORIGINAL",
    "ctorigdst": _original,
    "ctorigdstport": lambda match, packet, node, rule: _ports(match.value, packet.original_dport),
    "mark": _mark,
    "match-set": _match_set,
    "dst-type": _destination_type,
    "src-type": _source_type,
    "syn": lambda match, packet, node, rule: packet.protocol == "tcp",
    "tcp-flags": _tcp_flags,
    "pkt-type": lambda match, packet, node, rule: match.value == "unicast",
    "physdev-is-in": _physdev,
    "physdev-is-bridged": _physdev,
    "physdev-in": _physdev,
    "rpfilter": _rpfilter,
    "rcheck": _recent,
    "update": _recent,
    "remove": _recent,
    "set": _yes,
    "probability": _weighed,
    "every": _weighed,
    "pol": lambda match, packet, node, rule: match.value == "none",
    **dict.fromkeys(
        (
            *(
                "comment",
                "nfacct-name",
                "mode",
                "packet",
                "name",
                "seconds",
                "hitcount",
                "mask",
                "reap",
                "rttl",
                "rsource",
                "rdest",
            ),
            *("dir", "invert", "loose", "validmark", "accept-local", "limit-iface-in", "limit-iface-out"),
        ),
        _yes,
    ),
}
