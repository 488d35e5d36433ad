"""What a target does to a packet, for the targets that iptables itself brings."""

from __future__ import annotations

from enum import Enum, auto

from checks.analyzers.kube_proxy_services import split_endpoint
from checks.analyzers.packet import Packet, set_mark
from checks.analyzers.packet_state import State
from checks.parsers.iptables_rules import Rule
from checks.parsers.iptables_values import mark as read_mark
from checks.parsers.iptables_values import port


class Effect(Enum):
    """How the walk goes on after a target."""

    NEXT = auto()  # the next rule
    TABLE_DONE = auto()  # accepted here: the next table
    RETURN = auto()  # back to the calling chain
    DROPPED = auto()
    REJECTED = auto()
    UNKNOWN = auto()


_HARMLESS = frozenset(
    (
        *(
            "",
            "LOG",
            "NFLOG",
            "ULOG",
            "TRACE",
            "AUDIT",
            "CHECKSUM",
            "TCPMSS",
            "TCPOPTSTRIP",
            "CLASSIFY",
            "DSCP",
            "TOS",
            "TTL",
            "HL",
        ),
        *("ECN", "SET", "TEE", "IDLETIMER", "LED", "SECMARK", "CONNSECMARK", "RATEEST", "HMARK"),
    )
)
HARMLESS = _HARMLESS
"""Targets that neither end the walk nor change what later rules look at."""

_FIXED = {
    "ACCEPT": Effect.TABLE_DONE,
    "DROP": Effect.DROPPED,
    "REJECT": Effect.REJECTED,
    "RETURN": Effect.RETURN,
}


def apply(rule: Rule, state: State) -> Effect:
    """Do what the rule's target does; a target that is not known is UNKNOWN."""
    target, packet = rule.target, state.packet
    if target in _HARMLESS:
        return Effect.NEXT
    if target in _FIXED:
        return _FIXED[target]
    if target == "MARK":
        mark = set_mark(packet.mark, rule.options)
        packet.mark = packet.mark if mark is None else mark
        return Effect.UNKNOWN if mark is None else Effect.NEXT
    if target == "CONNMARK":
        return _connmark(rule, packet)
    if target in ("CT", "NOTRACK"):
        packet.untracked = packet.untracked or target == "NOTRACK" or rule.has_option("notrack")
        return Effect.NEXT
    if target == "DNAT":
        return _dnat(rule, packet)
    if target == "REDIRECT":
        return _redirect(rule, packet)
    if target in ("MASQUERADE", "SNAT"):
        packet.snat = "MASQUERADE" if target == "MASQUERADE" else rule.option("to-source")
        return Effect.TABLE_DONE if packet.snat else Effect.UNKNOWN
    return Effect.UNKNOWN


def _connmark(rule: Rule, packet: Packet) -> Effect:
    from_mask = read_mark(rule.option("nfmask") or rule.option("mask") or "0xffffffff")
    to_mask = read_mark(rule.option("ctmask") or rule.option("mask") or "0xffffffff")
    if from_mask is None or to_mask is None:
        return Effect.UNKNOWN
    if rule.has_option("restore-mark"):
        packet.mark = (packet.mark & ~from_mask) ^ (packet.connmark & to_mask)
        return Effect.NEXT
    if rule.has_option("save-mark"):
        packet.connmark = (packet.connmark & ~to_mask) ^ (packet.mark & from_mask)
        return Effect.NEXT
    mark = set_mark(packet.connmark, rule.options)
    packet.connmark = packet.connmark if mark is None else mark
    return Effect.UNKNOWN if mark is None else Effect.NEXT


def _dnat(rule: Rule, packet: Packet) -> Effect:
    wanted = rule.option("to-destination")
    ip, at = split_endpoint(wanted)
    if not ip and not (wanted.startswith(":") and at):
        return Effect.UNKNOWN
    packet.dst, packet.dport, packet.dnat = ip or packet.dst, at or packet.dport, True
    return Effect.TABLE_DONE


def _redirect(rule: Rule, packet: Packet) -> Effect:
    wanted = rule.option("to-ports")
    at = port(wanted)
    if wanted and at is None:
        return Effect.UNKNOWN
    loopback = "::1" if ":" in packet.dst else "127.0.0.1"
    packet.dst, packet.dport, packet.dnat = loopback, at or packet.dport, True
    return Effect.TABLE_DONE
