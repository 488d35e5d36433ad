"""Rules about the addresses of services: refused, answered twice, led to the wrong chain, left over (K06, K15 to K18, K36)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_fault import Fault, Host, Limits, at, declared, some
from checks.analyzers.kube_proxy_names import belongs, service_chain
from checks.analyzers.kube_proxy_services import Front, Service
from checks.parsers.iptables_rules import Rule
from checks.results import Verdict

_SUFFIX = re.compile(r"[A-Z2-7]{16}$")


def leftovers(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K06: chains that nothing refers to."""
    nat = model.rules.tables.get("nat")
    if not model.rules.complete or nat is None:
        return
    unused = [
        chain
        for chain in nat.chains.values()
        if (service_chain(chain.name) or chain.name.startswith("KUBE-SEP-")) and not model.references.get(("nat", chain.name))
    ]
    if not unused:
        return
    large = not any(pick.rule.comment for service in model.by_suffix.values() for pick in service.picks)
    many = len(unused) > limits["leftover_chains_warn"] and not large
    say = f"{len(unused)} chains of kube-proxy are referred to by nothing ({some(chain.name for chain in unused)})"
    lines = tuple(line for chain in unused[:3] for line in declared(model, chain))
    yield Fault("K06", Verdict.WARN if many else Verdict.INFO, say, lines, len(unused), "leftover_chains_warn")


def _where(front: Front) -> str:
    return f"{front.ip or 'node port'}:{front.port}/{front.protocol}"


def refused_services(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K15: services refused because they have no endpoint. Normal on a node; a fault only for the one asked about."""
    refused = [service for service in model.services if service.no_endpoints and not service.picks]
    if refused:
        lines = tuple(at(model, front.rule, "REJECT") for service in refused[:5] for front in service.refusals[:1])
        say = f"{len(refused)} service ports have no ready endpoint and are refused: {some(service.label for service in refused)}"
        yield Fault("K15", Verdict.INFO, say, lines, len(refused))


def not_here(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K16: a Local policy and no pod on this node. By design; behind a load balancer its health checks keep traffic away."""
    found: dict[str, tuple[Service, Rule]] = {}
    for service in model.services:
        rules = [front.rule for front in service.refusals if front.rule.target == "DROP"]
        for kind in ("XLB", "SVL"):
            chain = model.rules.rules_of("nat", service.chains.get(kind, ""))
            rules += [rule for rule in chain if rule.target == "KUBE-MARK-DROP"]
        if rules:
            found.setdefault(service.label, (service, rules[0]))
    balanced = [label for label, (service, _) in found.items() if _behind_balancer(model, service)]
    for wanted, verdict in ((False, Verdict.WARN), (True, Verdict.INFO)):
        group = {label: entry for label, entry in found.items() if (label in balanced) is wanted}
        if group:
            why = "health checks of their load balancers keep traffic away" if wanted else "traffic sent here for them times out"
            say = f"{len(group)} service ports are for local pods only and have none on this node ({some(group)}): {why}"
            yield Fault("K16", verdict, say, tuple(at(model, rule) for _, rule in list(group.values())[:4]), len(group))


def _behind_balancer(model: KubeProxy, service: Service) -> bool:
    if any(front.kind == "lb" for front in (*service.fronts, *service.refusals)) or "FW" in service.chains:
        return True
    checked = model.rules.rules_of("filter", "KUBE-NODEPORTS")
    comments = [rule.comment for rule in checked if service.name]
    return any(comment.startswith(service.name) and "health check" in comment for comment in comments)


def half_applied(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K17: one address is both sent to endpoints and refused."""
    for service in model.services:
        if not service.picks:
            continue
        fronts = {(front.ip, front.protocol, front.port): front for front in service.fronts}
        for refusal in service.refusals:
            front = fronts.get((refusal.ip, refusal.protocol, refusal.port))
            if front and refusal.rule.target == "REJECT":
                say = f"{service.label} at {_where(front)} has {len(service.picks)} endpoints and is refused for having none"
                yield Fault("K17", Verdict.CRIT, say, (at(model, front.rule), at(model, refusal.rule, "REJECT")))


def two_services(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K18: one address leads to two services."""
    owners: dict[tuple[str, str, int, str], dict[str, Front]] = defaultdict(dict)
    for service in model.services:
        for front in service.fronts:
            plain = all(match.option in ("d", "p", "dport") for match in front.rule.conditions)
            if plain:
                owners[front.rule.chain, front.protocol, front.port, front.ip].setdefault(service.suffix, front)
    for fronts in owners.values():
        if len(fronts) > 1:
            first, *rest = sorted(fronts.values(), key=lambda front: front.rule.line)
            names = some(model.by_suffix[suffix].label for suffix in fronts)
            say = f"{_where(first)} belongs to {len(fronts)} services ({names}); only the first ever answers"
            yield Fault("K18", Verdict.CRIT, say, tuple(at(model, front.rule) for front in (first, *rest)[:4]), len(fronts))


def wrong_hash(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K36: a chain's suffix is not the one its service's name gives."""
    named = [service for service in model.services if service.name and _SUFFIX.match(service.suffix)]
    fronts = [(service, front) for service in named for front in service.fronts if front.protocol]
    known = [(service, front) for service, front in fronts if service.name in front.rule.comment]
    wrong = [(service, front) for service, front in known if not belongs(service.name, front.protocol, service.suffix)]
    if not wrong:
        return
    service, front = wrong[0]
    foreign = len(wrong) == len(known) and len(known) > 1
    say = f"{len(wrong)} chains are not named as kube-proxy names them ({service.name} leads to {front.rule.target})"
    lines = tuple(at(model, front.rule, front.rule.target) for _, front in wrong[:4])
    yield Fault("K36", Verdict.INFO if foreign else Verdict.WARN, say, lines, len(wrong))


CHECKS = (half_applied, two_services, not_here, wrong_hash, refused_services, leftovers)
