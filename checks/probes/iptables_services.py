"""The probe of one service, or of all: addresses, endpoints with their shares, affinity, policy, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable

from checks.analyzers import kube_proxy_addresses as addresses
from checks.analyzers import kube_proxy_affinity as affinity
from checks.analyzers import kube_proxy_endpoints as endpoint_rules
from checks.analyzers import kube_proxy_routes as routes
from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_fault import Check, Fault, at, some
from checks.analyzers.kube_proxy_names import name_eras
from checks.analyzers.kube_proxy_services import Service
from checks.collectors.iptables import KNOBS, SAVES
from checks.params import Param
from checks.probes.base import FactSpec, Probe, Report
from checks.probes.iptables import ROUTE_SECTIONS, main_model
from checks.probes.iptables_facts import MOST_SERVICES, service_fact
from checks.probes.iptables_host import host_of
from checks.probes.iptables_routes import join_routes
from checks.probes.iptables_rules import RULES, SOURCES, THRESHOLDS
from checks.probes.iptables_sections import CAPTURE, doubtful, models, tell_incomplete
from checks.probes.iptables_tell import tell
from checks.results import Reason, Verdict

_CHECKS: tuple[Check, ...] = (*endpoint_rules.CHECKS, *addresses.CHECKS, *affinity.CHECKS, *routes.CHECKS)
_IDS = {"K07", "K08", "K09", "K10", "K11", "K12", "K13", "K14", "K15", "K16", "K17", "K18", "K36", "K44", "affinity", "services"}


def matches(service: Service, wanted: str) -> bool:
    """True when the service is the one asked for: ``ns/name`` stands for all its ports, ``ns/name:port`` for one.

    >>> matches(Service("X", "prod/web:http"), "prod/web"), matches(Service("X", "prod/web:http"), "prod/web:metrics")
    (True, False)
    """
    name, colon, _ = wanted.partition(":")
    return service.name in name_eras(wanted) or (not colon and service.name.partition(":")[0] == name)


def _about(model: KubeProxy, services: list[Service], fault: Fault) -> bool:
    """True when one of the fault's lines belongs to one of the services."""
    chains = {chain for service in services for chain in service.chains.values()}
    chains |= {pick.chain for service in services for each in service.balancing.values() for pick in each.picks}
    lines = {line.number for line in fault.lines if line.section == model.rules.section}
    fronts = {front.rule.line for service in services for front in (*service.fronts, *service.refusals)}
    if lines & fronts:
        return True
    nat = model.rules.tables.get("nat")
    own = [nat.chains[name] for name in chains if nat and name in nat.chains]
    return any(chain.line in lines or any(rule.line in lines for rule in chain.rules) for chain in own)


def _judge(report: Report) -> None:
    found = models(report)
    host = host_of(report)
    join_routes(report, host)
    tell_incomplete(report, found)
    wanted = report.params.get("service")
    shown: list[tuple[KubeProxy, Service]] = []
    for family in (4, 6):
        model = main_model(found, family)
        if model is None or not model.by_suffix:
            continue
        services = [each for each in model.services if wanted is None or matches(each, wanted)]
        shown += [(model, service) for service in services]
        faults = [fault for check in _CHECKS for fault in check(model, host, report.limits) if fault.rule in _IDS]
        mine = [fault for fault in faults if wanted is None or _about(model, services, fault)]
        tell(report, [*_asked(model, services, wanted, mine)], soft=doubtful(report, model, found))
    report.fact("services", [service_fact(model, host, service) for model, service in shown[:MOST_SERVICES]])
    report.fact("service_count", len(shown))
    _summarise(report, found, [service for _, service in shown], wanted)


def _asked(model: KubeProxy, services: list[Service], wanted: str | None, faults: Iterable[Fault]) -> Iterable[Fault]:
    """For a service that was asked for, having no endpoints is the answer; among all services it is only a fact."""
    for fault in faults:
        if wanted is not None and fault.rule == "K15":
            refused = [service for service in services if service.no_endpoints and not service.picks]
            for service in refused:
                lines = tuple(at(model, front.rule, front.rule.target) for front in service.refusals)
                say = f"{service.label} has no ready endpoint: connections to it are refused at once"
                yield Fault("K15", Verdict.CRIT, say, lines)
        else:
            yield fault


def _summarise(report: Report, found: list[KubeProxy], services: list[Service], wanted: str | None) -> None:
    whole = bool(found) and all(model.rules.complete for model in found)
    if not services:
        if not whole:
            report.unknown(Reason.MISSING, "no service is in this capture, which is not whole")
        elif wanted:
            report.unknown(
                Reason.MISSING, f"{wanted} is not among the rules: it does not exist, is headless, or kube-proxy is behind"
            )
        else:
            report.skip("no service of kube-proxy's iptables mode is on this node")
        return
    if not whole or any(each.verdict in (Verdict.WARN, Verdict.CRIT) for each in report.findings):
        return
    picks = sum(len(service.picks) for service in services)
    say = f"{some(service.label for service in services)}: {len(services)} service ports with {picks} endpoints"
    report.find("services", Verdict.OK, say, value=picks)


SERVICES = Probe(
    id="iptables.services",
    title="Services as kube-proxy's rules serve them",
    question="Which endpoints does each service lead to on this node, and with what share?",
    collectors=(*SAVES, KNOBS, *ROUTE_SECTIONS),
    judge=_judge,
    facts=(
        FactSpec(
            "services",
            "list",
            f"key, proto, addresses, port, chains, endpoints with share and reach, policy; {MOST_SERVICES} at most",
        ),
        FactSpec("service_count", "int", "service ports that were asked for"),
    ),
    rules=(*(rule for rule in RULES if rule.id in _IDS), CAPTURE),
    sources=SOURCES,
    params=(Param("service", "service", help="only this service: namespace/name or namespace/name:port"),),
    thresholds=THRESHOLDS,
)

PROBES = (SERVICES,)
