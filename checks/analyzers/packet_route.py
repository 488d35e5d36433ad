"""The routing decisions between the hooks: to this node, through it, or nowhere.

A host's own packet is routed before any rule sees it (no route: ENETUNREACH, and no counter moves); one from outside only after
nat PREROUTING has had its say.
"""

from __future__ import annotations

from checks.analyzers.packet import Hop, Node, is_loopback
from checks.analyzers.packet_state import Branch, Stage, State

IN, OUT, REROUTE, LOOP = "in", "out", "reroute", "loop"

_POSTROUTING: tuple[Stage, ...] = (("mangle", "POSTROUTING"), ("nat", "POSTROUTING"))
_FORWARD: tuple[Stage, ...] = (("mangle", "FORWARD"), ("filter", "FORWARD"), ("security", "FORWARD"), *_POSTROUTING)
_INPUT: tuple[Stage, ...] = (("mangle", "INPUT"), ("filter", "INPUT"), ("security", "INPUT"))

FROM_OUTSIDE: tuple[Stage, ...] = (("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("nat", "PREROUTING"), ("route", IN))
FROM_HOST: tuple[Stage, ...] = (
    *(("route", OUT), ("raw", "OUTPUT"), ("mangle", "OUTPUT"), ("nat", "OUTPUT"), ("route", REROUTE)),
    *(("filter", "OUTPUT"), ("security", "OUTPUT"), *_POSTROUTING, ("route", LOOP)),
)

_NO_ADDRESSES = "the node's addresses are not in this capture: {} is taken as not its own"
_ENDS = {"blackhole": "DROP", "unreachable": "unreachable", "prohibit": "unreachable", "none": "unreachable"}


def decide(name: str, state: State, node: Node) -> Branch | None:
    """Make the decision; a Branch when the packet ends here."""
    if name == IN:
        return _in(state, node)
    if name == LOOP:
        return _loop(state, node)
    return _out(state, node, rerouted=name == REROUTE)


def _in(state: State, node: Node) -> Branch | None:
    packet = state.packet
    local = node.is_local(packet.dst)
    if local is None:
        local = packet.assumed.get(("dst-local", packet.dst), False)
        if packet.dnat or not local:
            state.note(_NO_ADDRESSES.format(packet.dst))
    if is_loopback(packet.dst) and node.route_localnet is not True and packet.origin != "host":
        verdict = "unknown" if node.route_localnet is None and ":" not in packet.dst else "timeout"
        return state.end(verdict, f"{packet.dst} from another interface needs route_localnet=1")
    if local:
        packet.oif = ""
        state.route = Hop("local", "lo")
        state.stages = (*_INPUT, ("nat", "INPUT"), *state.stages)
        return None
    state.stages = (*_FORWARD, *state.stages)
    return _leave(state, node.lookup(packet, iif=packet.iif or ""))


def _leave(state: State, hop: Hop | None) -> Branch | None:
    state.route = hop
    if hop is None:
        return None
    if hop.kind in _ENDS:
        where = f" ({hop.prefix})" if hop.prefix else ""
        return state.end(_ENDS[hop.kind], f"routing of {state.packet.dst} ends in: {hop.kind}{where}")
    state.packet.oif = "lo" if hop.kind == "local" else hop.dev
    return None


def _out(state: State, node: Node, *, rerouted: bool) -> Branch | None:
    packet = state.packet
    if rerouted and not packet.dnat:
        return None
    packet.iif = ""
    if node.is_local(packet.dst):
        packet.oif = "lo"
        state.route = Hop("local", "lo")
        return None
    if is_loopback(packet.src) and rerouted:
        if ":" in packet.src or node.route_localnet is False:
            return state.end("timeout", f"a packet from {packet.src} may not leave by another interface: route_localnet is 0")
        if node.route_localnet is None:
            return state.end("unknown", f"whether {packet.src} may leave depends on route_localnet, which is not in this capture")
    found = _leave(state, node.lookup(packet))
    if found and not rerouted and found.verdict == "unreachable":
        found.notes = (*found.notes, "the kernel refuses at connect, before any iptables rule")
    return found


def _loop(state: State, node: Node) -> Branch | None:
    """A packet to the node itself comes back in by lo; nat is done with it."""
    if state.route is None or state.route.kind != "local":
        return None
    state.packet.iif, state.packet.oif = "lo", ""
    state.stages = (("raw", "PREROUTING"), ("mangle", "PREROUTING"), *_INPUT, *state.stages)
    return None
