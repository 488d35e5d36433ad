"""Facts of the iptables family as plain data. No probes of its own."""

from __future__ import annotations

from typing import Any

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_fault import Host
from checks.analyzers.kube_proxy_routes import reach
from checks.analyzers.kube_proxy_services import Service
from checks.analyzers.packet_state import Branch
from checks.parsers.iptables_values import whole
from checks.probes.base import FactSpec, Probe

MOST_SERVICES = 500
"""How many services a fact lists; ``service_count`` counts them all."""
TEXT_MAX = 1000
"""How much of a rule a step of a path repeats; a comment has 256 characters at most."""

SET_FACTS = (
    FactSpec("v4", "map", "IPv4 rules: backend, tool_version, complete, rule_count, chain_count, policies, tables"),
    FactSpec("v6", "map", "IPv6 rules, the same keys"),
    FactSpec("backend", "str", "backend of the rules that kube-proxy uses: nft, legacy or unsuffixed"),
    FactSpec("complete", "bool", "whether the rules arrived whole"),
    FactSpec("rule_count", "int", "rules in that set"),
    FactSpec("chain_count", "int", "chains in that set"),
    FactSpec("mode", "str?", "mode of kube-proxy: iptables, ipvs, nftables"),
    FactSpec("era", "map", "Kubernetes versions that write such rules: min, max, reasons"),
    FactSpec("masq_bit", "int?", "mark that asks for masquerading"),
    FactSpec("masq_all", "bool", "whether all service traffic is masqueraded"),
    FactSpec("local_detector", "str?", "how kube-proxy tells its pods' traffic"),
    FactSpec("service_count", "int", "service ports"),
    FactSpec("endpoint_count", "int", "endpoints of all service ports together"),
    FactSpec("no_endpoint_services", "list", "service ports that are refused for want of endpoints"),
    FactSpec("faults", "list", "ids of the rules that gave warn or crit"),
)


def set_fact(model: KubeProxy) -> dict[str, Any]:
    """One rule set in numbers."""
    rules = model.rules
    policies = {
        f"{table.name} {chain.name}": chain.policy
        for table in rules.tables.values()
        for chain in table.chains.values()
        if chain.policy
    }
    return {
        "backend": rules.backend,
        "tool_version": rules.version or None,
        "complete": rules.complete,
        "rule_count": rules.rule_count,
        "chain_count": rules.chain_count,
        "policies": policies,
        "tables": list(rules.tables),
    }


def service_fact(model: KubeProxy, host: Host, service: Service) -> dict[str, Any]:
    """One service port with its endpoints and their shares."""
    addresses: dict[str, list[str]] = {"cluster": [], "external": [], "lb": []}
    for front in (*service.fronts, *service.refusals):
        known = addresses.get(front.kind)
        if front.ip and known is not None and front.ip not in known:
            known.append(front.ip)
    nodeport = next((front.port for front in (*service.fronts, *service.refusals) if front.kind == "nodeport"), None)
    port = next((front.port for front in (*service.fronts, *service.refusals) if front.kind != "nodeport"), None)
    chains = {f"{kind.lower()}_chain": service.chains.get(kind) for kind in ("SVC", "SVL", "EXT", "XLB", "FW")}
    balancing = service.main
    return {
        "key": service.label,
        "proto": service.protocol or None,
        "cluster_ips": addresses["cluster"],
        "external_ips": addresses["external"],
        "lb_ips": addresses["lb"],
        "port": port,
        "node_port": nodeport,
        **chains,
        "endpoints": _endpoints(host, service),
        "affinity_seconds": _affinity(service),
        "no_endpoints": service.no_endpoints,
        "policy": {"internal": _internal(service), "external": _external(model, service)},
        "leak": round(balancing.leak, 6) if balancing and balancing.readable and balancing.picks else None,
    }


def _endpoints(host: Host, service: Service) -> list[dict[str, Any]]:
    balancing = service.main
    if balancing is None:
        return []
    local = _local_addresses(service)
    found = []
    for pick, share in zip(balancing.picks, balancing.shares, strict=True):
        found.append(
            {
                "ip": pick.ip,
                "port": pick.port,
                "sep_chain": pick.chain or None,
                "share": round(share, 6) if balancing.readable else None,
                "local": None if local is None else (pick.ip, pick.port) in local,
                "reachable": reach(host, pick.ip)[0] if pick.ip else "unknown",
            }
        )
    return found


def _local_addresses(service: Service) -> set[tuple[str, int]] | None:
    """Endpoints on this node, known only where a Local policy has its own chain."""
    kinds = [kind for kind in ("SVL", "XLB") if kind in service.balancing]
    return {(pick.ip, pick.port) for kind in kinds for pick in service.balancing[kind].picks} if kinds else None


def _affinity(service: Service) -> int | None:
    seconds = [rule.value("seconds") for each in service.balancing.values() for rule in each.affinity]
    return whole(seconds[0]) if seconds else None


def _internal(service: Service) -> str:
    targets = {front.rule.target for front in service.fronts if front.kind == "cluster"}
    if any(target.startswith("KUBE-SVL-") for target in targets):
        return "local"
    dropped = any(front.kind == "cluster" and front.rule.target == "DROP" for front in service.refusals)
    return "local" if dropped else "cluster" if any(target.startswith("KUBE-SVC-") for target in targets) else "unknown"


def _external(model: KubeProxy, service: Service) -> str:
    if "XLB" in service.chains:
        return "local"
    rules = model.rules.rules_of("nat", service.chains.get("EXT", ""))
    if rules:
        return "cluster" if any(rule.unconditional and rule.target.startswith("KUBE-SVC-") for rule in rules) else "local"
    outside = [front for front in service.fronts if front.kind in ("nodeport", "external", "lb")]
    return "cluster" if any(front.rule.target.startswith("KUBE-SVC-") for front in outside) else "unknown"


def branch_fact(branch: Branch, assumed: str = "") -> dict[str, Any]:
    """One way of a packet."""
    hop = branch.route
    return {
        "probability": round(branch.probability, 9),
        "dnat_ip": branch.packet.dst if branch.packet.dnat else None,
        "dnat_port": branch.packet.dport if branch.packet.dnat else None,
        "verdict": branch.verdict,
        "snat": branch.packet.snat or "none",
        "mark": branch.packet.mark,
        "path": [
            {"table": step.table, "chain": step.chain, "line_no": step.line, "text": step.text[:TEXT_MAX]} for step in branch.path
        ],
        "route": {"dev": hop.dev, "gateway": hop.gateway} if hop else None,
        "notes": [*([assumed] if assumed else []), *branch.notes],
    }


PROBES: tuple[Probe, ...] = ()
