"""Rows of the ip family's tables as facts: stable names, plain values. No probes of its own."""

from __future__ import annotations

from typing import Any

from checks.parsers.ip_addr import Address
from checks.parsers.ip_link import Link
from checks.parsers.ip_neigh import Neighbour
from checks.parsers.ip_route import Route
from checks.parsers.ip_rule import Rule
from checks.probes.base import Probe

FACT_ROWS = 500
"""How many rows a fact that lists a table keeps."""


def route_fact(route: Route) -> dict[str, Any]:
    """A route as a fact."""
    hops = [
        {"gateway": hop.gateway or None, "dev": hop.dev, "weight": hop.weight, "flags": sorted(hop.flags)}
        for hop in route.nexthops
    ]
    return {
        "family": route.family,
        "type": route.type,
        "prefix": str(route.prefix),
        "table": route.table,
        "metric": route.metric,
        "scope": route.scope,
        "proto": route.proto,
        "src": route.src or None,
        "nexthops": hops,
        "expires_s": route.expires_s,
        "onlink": any("onlink" in hop.flags for hop in route.nexthops),
    }


def rule_fact(rule: Rule) -> dict[str, Any]:
    """A policy rule as a fact."""
    return {
        "family": rule.family,
        "priority": rule.priority,
        "from": str(rule.src),
        "to": str(rule.dst),
        "iif": rule.iif or None,
        "oif": rule.oif or None,
        "fwmark": rule.mark,
        "mask": rule.mask,
        "invert": rule.invert,
        "table": rule.table,
        "action": rule.action,
        "suppress_prefixlen": rule.suppress_prefixlen,
        "unread": list(rule.unread),
    }


def link_fact(link: Link) -> dict[str, Any]:
    """A device as a fact."""
    return {
        "name": link.name,
        "flags": sorted(link.flags),
        "mtu": link.mtu,
        "operstate": link.operstate,
        "kind": link.kind,
        "master": link.master or None,
        "address": link.address,
        "state": link.state,
    }


def address_fact(address: Address) -> dict[str, Any]:
    """An address as a fact."""
    return {
        "family": address.family,
        "ip": address.ip,
        "plen": address.plen,
        "dev": address.dev,
        "scope": address.scope,
        "flags": sorted(address.flags),
        "valid_s": address.valid_s,
    }


def neighbour_fact(entry: Neighbour) -> dict[str, Any]:
    """A neighbour as a fact."""
    return {
        "family": entry.family,
        "ip": entry.ip,
        "dev": entry.dev,
        "lladdr": entry.lladdr or None,
        "state": entry.state,
        "router": entry.router,
        "proxy": entry.proxy,
    }


PROBES: tuple[Probe, ...] = ()
