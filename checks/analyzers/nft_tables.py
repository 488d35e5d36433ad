"""What nftables' own tables mean for a host that thinks in iptables: chains that may drop, and rules iptables cannot print.

Measured: a drop in any base chain wins over an accept in iptables; a native rule in an iptables-nft table is printed by
iptables-nft-save without its conditions and without a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from checks.parsers.nft_json import Listing

XTABLES = ("filter", "nat", "mangle", "raw", "security")
"""Tables of family ip and ip6 that iptables-nft writes."""

_KNOWN = frozenset(
    (
        *("match", "xt", "counter", "accept", "drop", "return", "jump", "goto", "reject", "log", "mangle", "limit", "queue"),
        *("dnat", "snat", "masquerade", "redirect"),
    )
)


def dropping_chains(listing: Listing) -> Iterator[tuple[str, str, int]]:
    """Table, hook and line of base chains outside iptables that may drop: by policy, or firewalld's."""
    for each in listing.of("chain"):
        family, table, hook = (str(each.data.get(key, "")) for key in ("family", "table", "hook"))
        if hook not in ("forward", "input") or table == "kube-proxy" or (table in XTABLES and family in ("ip", "ip6")):
            continue
        if each.data.get("policy") == "drop" or table == "firewalld":
            yield f"{family} {table}", hook, each.line


def _expressions(data: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for expression in data.get("expr", []):
        if isinstance(expression, dict):
            yield from expression.items()


def _composed(side: Any) -> bool:
    """True for a set, a concatenation or a named set: iptables has none of them."""
    return (isinstance(side, dict) and bool({"set", "concat", "map"} & side.keys())) or (
        isinstance(side, str) and side.startswith("@")
    )


def foreign_rules(listing: Listing) -> Iterator[tuple[str, int]]:
    """Chain and line of rules that iptables cannot have written."""
    for each in listing.of("rule"):
        for kind, body in _expressions(each.data):
            sides = (body.get("left"), body.get("right")) if kind == "match" and isinstance(body, dict) else ()
            if kind not in _KNOWN or any(map(_composed, sides)):
                yield str(each.data.get("chain", "")), each.line
                break


def firewall_tests_mark(listing: Listing) -> bool | None:
    """Whether a DROP of KUBE-FIREWALL looks at the mark; None when the chain holds no DROP."""
    drops = [dict(_expressions(each.data)) for each in listing.of("rule") if each.data.get("chain") == "KUBE-FIREWALL"]
    drops = [expressions for expressions in drops if "drop" in expressions]
    if not drops:
        return None
    return any(
        _is_mark(kind, body)
        for each in listing.of("rule")
        if each.data.get("chain") == "KUBE-FIREWALL"
        for kind, body in _expressions(each.data)
    )


def _is_mark(kind: str, body: Any) -> bool:
    if not isinstance(body, dict):
        return False
    return (kind == "xt" and body.get("name") == "mark") or (kind == "match" and "'mark'" in str(body.get("left")))
