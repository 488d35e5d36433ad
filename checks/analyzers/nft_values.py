"""What expressions of nft's JSON come to for a packet: addresses, ports, marks, sets. None: not to be told here."""

from __future__ import annotations

from typing import Any

from checks.analyzers.nft_kube_proxy import NftProxy, elements
from checks.analyzers.packet import Node, Packet, inside

UNKNOWN = object()
"""A value that the capture or the packet does not tell."""


def value(expression: Any, packet: Packet, node: Node) -> Any:
    """The value of an expression; UNKNOWN when it is not known here."""
    if not isinstance(expression, dict) or len(expression) != 1:
        return expression
    ((kind, body),) = expression.items()
    if kind == "concat" and isinstance(body, list):
        parts = [value(part, packet, node) for part in body]
        return UNKNOWN if any(part is UNKNOWN for part in parts) else tuple(parts)
    if kind in ("&", "|", "^") and isinstance(body, list) and len(body) == 2:
        left, right = value(body[0], packet, node), value(body[1], packet, node)
        if not isinstance(left, int) or not isinstance(right, int):
            return UNKNOWN
        return {"&": left & right, "|": left | right, "^": left ^ right}[kind]
    if not isinstance(body, dict):
        return UNKNOWN
    if kind == "fib":
        return _fib(body, packet, node)
    return _field(kind, str(body.get("field") or body.get("key")), packet)


def _field(kind: str, name: str, packet: Packet) -> Any:
    fields = {
        ("payload", "saddr"): packet.src,
        ("payload", "daddr"): packet.dst,
        ("payload", "dport"): packet.dport,
        ("payload", "sport"): UNKNOWN if packet.sport is None else packet.sport,
        ("meta", "l4proto"): packet.protocol,
        ("meta", "mark"): packet.mark,
        ("meta", "iifname"): UNKNOWN if packet.iif is None else packet.iif,
        ("meta", "oifname"): UNKNOWN if packet.oif is None else packet.oif,
        ("meta", "nfproto"): "ipv6" if ":" in packet.dst else "ipv4",
        ("ct", "state"): "untracked" if packet.untracked else "new",
        ("ct", "status"): "dnat" if packet.dnat else "",
        ("ct", "mark"): packet.connmark,
    }
    return fields.get((kind, name), UNKNOWN)


def _fib(body: dict[str, Any], packet: Packet, node: Node) -> Any:
    if body.get("result") != "type":
        return UNKNOWN
    flags = body.get("flags")
    if "daddr" in (flags if isinstance(flags, list) else [flags]):
        local = node.is_local(packet.dst)
    else:
        local = True if packet.origin == "host" else node.is_local(packet.src)
    return UNKNOWN if local is None else "local" if local else "unicast"


def contains(right: Any, left: Any, proxy: NftProxy) -> bool | None:
    """Whether the right side holds the left one: equal, in a prefix, a range, a list or a named set."""
    if left is UNKNOWN:
        return None
    if isinstance(right, str) and right.startswith("@"):
        held = proxy.sets.get(right[1:])
        if held is None:
            return None
        if "timeout" in str(held.data.get("flags")):
            return False  # a list of known clients: a new one is not in it
        wanted = left if isinstance(left, tuple) else (left,)
        answers = [key == wanted or _single(key, left) for key, _, _ in elements(held.data.get("elem"))]
        return True in answers
    if isinstance(right, list):
        return any(contains(each, left, proxy) for each in right)
    if isinstance(right, dict):
        if "set" in right:
            return contains(right["set"], left, proxy)
        return _in_span(right, left)
    return bool(right == left)


def _single(key: tuple[Any, ...], left: Any) -> bool:
    return len(key) == 1 and isinstance(key[0], dict) and _in_span(key[0], left) is True


def _in_span(span: dict[str, Any], left: Any) -> bool | None:
    prefix = span.get("prefix")
    if isinstance(prefix, dict) and isinstance(left, str):
        return inside(left, f"{prefix.get('addr')}/{prefix.get('len')}")
    ends = span.get("range")
    if isinstance(ends, list) and len(ends) == 2 and all(isinstance(each, int) for each in (*ends, left)):
        return bool(ends[0] <= left <= ends[1])
    return None


def matches(body: dict[str, Any], packet: Packet, node: Node, proxy: NftProxy) -> bool | None:
    """Whether a match statement holds; None when it cannot be told."""
    held = contains(body.get("right"), value(body.get("left"), packet, node), proxy)
    return held if held is None else held != (body.get("op") == "!=")
