"""Rules about a service's endpoints: none, uneven, broken, doubled (K07 to K12)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import isfinite

from checks.analyzers.kube_proxy_chains import KubeProxy, endpoints
from checks.analyzers.kube_proxy_fault import Fault, Host, Limits, at, declared
from checks.analyzers.kube_proxy_names import service_chain
from checks.analyzers.kube_proxy_services import Balancing, Service
from checks.analyzers.kube_proxy_shares import furthest
from checks.parsers.iptables_rules import Chain, Rule
from checks.results import Verdict


def without_endpoints(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K07: a service chain is reached but leads nowhere. Up to 1.8 that is right beside a REJECT, so that must be in sight."""
    refusing = model.rules.chain("filter", "KUBE-SERVICES")
    if not model.rules.complete and (refusing is None or not model.rules.whole(refusing)):
        return
    for service in model.services:
        for kind in ("SVC", "SVL"):
            name = service.chains.get(kind, "")
            chain, jumps = model.rules.chain("nat", name), model.references.get(("nat", name), [])
            if chain is None or not jumps or service.no_endpoints or not model.rules.whole(chain):
                continue
            balancing = service.balancing[kind]
            dropped = any(rule.target == "KUBE-MARK-DROP" for rule in chain.rules)
            if balancing.picks or balancing.affinity or dropped or not balancing.readable:
                continue
            say = f"{service.label} leads to {name}, which has no endpoint: its packets go on without DNAT"
            entry = next((rule for rule in jumps if rule.chain == "KUBE-SERVICES"), jumps[0])
            yield Fault("K07", Verdict.CRIT, say, (at(model, entry, name), *declared(model, chain)))


def uneven(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K08, K09: connections that reach no endpoint, or endpoints that get more than others."""
    for service in model.services:
        for balancing in service.balancing.values():
            chain = model.rules.chain("nat", balancing.chain)
            if chain is None or not balancing.picks or not balancing.readable or not model.rules.whole(chain):
                continue
            yield from _leaking(model, service, balancing, limits) or _skewed(model, service, balancing, limits)


def _lines_of(model: KubeProxy, balancing: Balancing) -> tuple[Rule, ...]:
    rules = [pick.rule for pick in balancing.picks]
    return tuple(rules if len(rules) <= 6 else rules[:3] + rules[-3:])


def _leaking(model: KubeProxy, service: Service, balancing: Balancing, limits: Limits) -> list[Fault]:
    leak = balancing.leak
    if leak <= limits["leak_crit"]:
        return []
    say = f"{leak:.1%} of the connections to {service.label} reach no endpoint: the last rule of {balancing.chain} is conditional"
    lines = tuple(at(model, rule, "--probability") for rule in _lines_of(model, balancing)[::-1])
    return [Fault("K08", Verdict.CRIT, say, lines, round(leak, 6), "leak_crit")]


def _skewed(model: KubeProxy, service: Service, balancing: Balancing, limits: Limits) -> list[Fault]:
    shares = balancing.shares
    off = furthest(balancing.chances)
    if off <= limits["probability_off_warn"] or len(shares) < 2:
        return []
    ratio = max(shares) / min(shares) if min(shares) > 0 else float("inf")
    told = ", ".join(f"{pick.ip}:{pick.port} {share:.1%}" for pick, share in list(zip(balancing.picks, shares, strict=True))[:4])
    say = f"the endpoints of {service.label} get unequal shares ({told}{', …' if len(shares) > 4 else ''})"
    lines = tuple(at(model, rule, "--probability") for rule in _lines_of(model, balancing))
    if ratio > limits["share_ratio_crit"]:
        return [Fault("K09", Verdict.CRIT, say, lines, round(ratio, 3) if isfinite(ratio) else None, "share_ratio_crit")]
    if ratio > limits["share_ratio_warn"]:
        return [Fault("K09", Verdict.WARN, say, lines, round(ratio, 3), "share_ratio_warn")]
    return [Fault("K09", Verdict.WARN, say, lines, round(off, 6), "probability_off_warn")]


def broken_endpoints(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K10, K11: an endpoint chain without one clear DNAT, or one that masquerades the wrong source."""
    protocols = {pick.chain: service.protocol for service, pick in endpoints(model)}
    nat = model.rules.tables.get("nat")
    for chain in nat.chains.values() if nat else ():
        jumps = model.references.get(("nat", chain.name), [])
        if not chain.name.startswith("KUBE-SEP-") or not jumps:
            continue
        dnats = model.endpoint_chain(chain.name)
        targets = {(ip, port) for _, ip, port in dnats}
        if not dnats and model.rules.whole(chain):
            say = f"{chain.name} has no DNAT rule: its share of the connections goes on to the service address"
            yield Fault("K10", Verdict.CRIT, say, (*declared(model, chain), at(model, jumps[0], chain.name)), 0)
        elif len(targets) > 1:
            say = f"{chain.name} has {len(targets)} different DNAT targets; only the first is ever used"
            lines = tuple(at(model, rule, "--to-destination") for rule, _, _ in dnats)
            yield Fault("K10", Verdict.CRIT, say, lines, len(targets))
        yield from _wrong_protocol(model, protocols.get(chain.name, ""), dnats)
        yield from _wrong_masquerade(model, chain.rules, targets)
        yield from _no_masquerade(model, chain, dnats)


def _wrong_protocol(model: KubeProxy, wanted: str, dnats: list[tuple[Rule, str, int]]) -> Iterator[Fault]:
    for rule, ip, port in dnats:
        found = rule.value("p")
        if wanted and found and found != wanted:
            say = f"{rule.chain} rewrites {found} to {ip}:{port}, but its service is {wanted}"
            yield Fault("K10", Verdict.CRIT, say, (at(model, rule, f"-p {found}"),))


def _wrong_masquerade(model: KubeProxy, rules: list[Rule], targets: set[tuple[str, int]]) -> Iterator[Fault]:
    addresses = {ip for ip, _ in targets if ip}
    for rule in rules:
        source = rule.value("s").removesuffix("/32").removesuffix("/128")
        if rule.target in ("KUBE-MARK-MASQ", "MARK") and source and addresses and source not in addresses:
            sends = ", ".join(sorted(addresses))
            say = f"{rule.chain} masquerades {source} but sends to {sends}: that pod cannot reach itself by its service"
            yield Fault("K11", Verdict.WARN, say, (at(model, rule, source),))


def _no_masquerade(model: KubeProxy, chain: Chain, dnats: list[tuple[Rule, str, int]]) -> Iterator[Fault]:
    """An endpoint without its hairpin rule, which every version from 1.2 on writes."""
    hairpins = [rule for rule in chain.rules if rule.target in ("KUBE-MARK-MASQ", "MARK")]
    if dnats and not hairpins and model.rules.whole(chain) and model.rules.chain("nat", "KUBE-MARK-MASQ"):
        say = f"{chain.name} does not masquerade {dnats[0][1]} itself: that pod cannot reach itself by its service"
        yield Fault("K11", Verdict.WARN, say, (at(model, dnats[0][0], "DNAT"),))


def lost_externals(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K07: a chain for traffic from outside that marks and then leads nowhere. One for local pods only may end so."""
    for service in model.services:
        chain = model.rules.chain("nat", service.chains.get("EXT", ""))
        if chain is None or not model.references.get(("nat", chain.name)) or not model.rules.whole(chain):
            continue
        marks = any(rule.unconditional and rule.target == "KUBE-MARK-MASQ" for rule in chain.rules)
        if marks and not any(service_chain(rule.target) for rule in chain.rules):
            say = f"{chain.name} of {service.label} marks traffic from outside and leads it to no endpoint"
            yield Fault("K07", Verdict.CRIT, say, (*declared(model, chain), at(model, chain.rules[0])))


def doubled_endpoints(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K12: one endpoint twice in a service."""
    for service in model.services:
        for balancing in service.balancing.values():
            seen: dict[tuple[str, int], list[Rule]] = defaultdict(list)
            for pick in balancing.picks:
                if pick.ip:
                    seen[pick.ip, pick.port].append(pick.rule)
            for (ip, port), rules in seen.items():
                if len(rules) > 1:
                    say = f"{service.label} has the endpoint {ip}:{port} {len(rules)} times, so it gets more than its share"
                    yield Fault("K12", Verdict.WARN, say, tuple(at(model, rule) for rule in rules[:4]), len(rules))


CHECKS = (without_endpoints, lost_externals, uneven, broken_endpoints, doubled_endpoints)
