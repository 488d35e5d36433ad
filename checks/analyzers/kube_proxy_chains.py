"""kube-proxy's chains as services: which address leads to which endpoints, with what share, and what refuses.

The chain model of Kubernetes 1.1 to 1.3x in iptables mode, read from kube-proxy's sources of 1.1, 1.2, 1.14 and 1.16 to 1.30.
KUBE-SERVICES and KUBE-NODEPORTS lead to SVC (all endpoints), SVL (local ones), EXT, FW and, up to 1.23, XLB; these to SEP (DNAT).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from checks.analyzers.kube_proxy_names import name_in, service_chain, service_hash
from checks.analyzers.kube_proxy_services import Balancing, Front, Pick, Service, bare, split_endpoint
from checks.analyzers.kube_proxy_shares import chance
from checks.parsers.iptables_rules import Rule, RuleSet
from checks.parsers.iptables_values import is_address, port

_PLAIN = ("statistic", "tcp", "udp", "sctp")
_FRONTS = (("cluster IP", "cluster"), ("external IP", "external"), ("loadbalancer", "lb"))
_FRONT_OF_CHAIN = {"SVC": "cluster", "SVL": "cluster", "FW": "lb", "cluster": "cluster", "external": "external"}


class KubeProxy:
    """The model of one rule set. Built once; linear in the number of rules."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self.references: dict[tuple[str, str], list[Rule]] = defaultdict(list)
        for rule in rules.rules():
            if rule.target:
                self.references[rule.table, rule.target].append(rule)
        self.by_suffix: dict[str, Service] = {}
        self._add_chains()
        self._add_fronts("KUBE-SERVICES")
        self._add_fronts("KUBE-NODEPORTS")
        self._add_refusals()

    @property
    def services(self) -> list[Service]:
        """All service ports, by name."""
        return sorted(self.by_suffix.values(), key=lambda service: (service.name or "~", service.protocol, service.suffix))

    @property
    def present(self) -> bool:
        """True when kube-proxy's nat entry chain is there."""
        return self.rules.chain("nat", "KUBE-SERVICES") is not None

    def service(self, suffix: str) -> Service:
        """The service of that suffix, made when new."""
        return self.by_suffix.setdefault(suffix, Service(suffix))

    def endpoint_chain(self, name: str) -> list[tuple[Rule, str, int]]:
        """The DNAT rules of a SEP chain with their targets."""
        return [
            (rule, *split_endpoint(rule.option("to-destination")))
            for rule in self.rules.rules_of("nat", name)
            if rule.target == "DNAT" and rule.option("to-destination")
        ]

    def _add_chains(self) -> None:
        nat = self.rules.tables.get("nat")
        for chain in nat.chains.values() if nat else ():
            found = service_chain(chain.name)
            if found is None:
                continue
            kind, suffix = found
            service = self.service(suffix)
            service.chains[kind] = chain.name
            if kind in ("SVC", "SVL", "XLB"):
                service.balancing[kind] = self._balancing(chain.name, chain.rules)
            if not service.name:
                service.name = next((name for name in (name_in(rule.comment) for rule in chain.rules) if name), "")

    def _balancing(self, name: str, rules: list[Rule]) -> Balancing:
        found = Balancing(name)
        for rule in rules:
            target = rule.target
            if not target.startswith("KUBE-SEP-") and target != "DNAT":
                continue
            if rule.match("rcheck") or rule.match("update"):
                found.affinity.append(rule)
                continue
            probability = chance(rule)
            odd = any(
                match.module not in ("statistic", "tcp", "udp", "sctp") and match.option != "p" for match in rule.conditions
            )
            if probability is None or odd or rule.opaque:
                found.readable = False
                continue
            dnat = [(rule, *split_endpoint(rule.option("to-destination")))] if target == "DNAT" else self.endpoint_chain(target)
            ip, at = dnat[0][1:] if dnat else ("", 0)
            found.picks.append(Pick(rule, "" if target == "DNAT" else target, probability, ip, at))
        return found

    def _add_fronts(self, name: str) -> None:
        for rule in self.rules.rules_of("nat", name):
            found = service_chain(rule.target)
            if found is None:
                continue
            kind, suffix = found
            service = self.service(suffix)
            service.chains.setdefault(kind, rule.target)
            service.name = name_in(rule.comment) or service.name
            service.protocol = rule.value("p") or service.protocol
            front = _front(rule, kind, nodeport=name == "KUBE-NODEPORTS")
            if front:
                service.fronts.append(front)

    def _add_refusals(self) -> None:
        for name, kind in (("KUBE-SERVICES", "cluster"), ("KUBE-EXTERNAL-SERVICES", "external")):
            for rule in self.rules.rules_of("filter", name):
                said = name_in(rule.comment)
                front = _front(rule, kind, nodeport="dst-type" in (match.option for match in rule.matches))
                if rule.target not in ("REJECT", "DROP") or not said or front is None:
                    continue
                service = self.service(service_hash(said, front.protocol))
                service.name = service.name or said
                service.protocol = service.protocol or front.protocol
                service.refusals.append(front)


def _front(rule: Rule, kind: str, *, nodeport: bool) -> Front | None:
    asked = port(rule.value("dport"))
    if asked is None:
        return None
    where = "nodeport"
    if not nodeport:
        where = next((where for words, where in _FRONTS if words in rule.comment), _FRONT_OF_CHAIN.get(kind, "unknown"))
    destination = rule.match("d")
    ip = bare(destination.value) if destination and not destination.negated else ""
    if ip and not is_address(ip):
        return None
    return Front(where, ip, rule.value("p"), asked, rule)


def endpoints(model: KubeProxy) -> Iterator[tuple[Service, Pick]]:
    """Every endpoint of every service, SVC, SVL and XLB alike."""
    for service in model.by_suffix.values():
        for balancing in service.balancing.values():
            for pick in balancing.picks:
                yield service, pick
