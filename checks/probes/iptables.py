"""The probe of kube-proxy's iptables rules as a whole: do they hold together, and does anything on the node defeat them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from checks.analyzers import kube_proxy_addresses as addresses
from checks.analyzers import kube_proxy_affinity as affinity
from checks.analyzers import kube_proxy_endpoints as endpoint_rules
from checks.analyzers import kube_proxy_forwarding as forwarding
from checks.analyzers import kube_proxy_hooks as hooks
from checks.analyzers import kube_proxy_host as host_rules
from checks.analyzers import kube_proxy_masquerade as masquerade
from checks.analyzers import kube_proxy_routes as routes
from checks.analyzers.kube_proxy_backends import hook_of, no_services, other_proxy, two_backends
from checks.analyzers.kube_proxy_chains import KubeProxy, endpoints
from checks.analyzers.kube_proxy_era import era
from checks.analyzers.kube_proxy_fault import Check, Fault, Host, Line
from checks.analyzers.kube_proxy_marks import local_detector, masquerade_mark, masquerades_all
from checks.collectors.ip import ADDR, LINK, NEIGH, ROUTE4, ROUTE6, RULE4, RULE6
from checks.collectors.iptables import (
    KNOBS,
    KUBE_PROXY,
    LISTENERS,
    NFT_CHAINS,
    NFT_FILTER,
    NFT_KP,
    NFT_TABLES,
    SAVES,
    VERSION,
    XT_NAMES,
)
from checks.collectors.ipvs import IP_VS, IPSETS
from checks.params import Param
from checks.probes.base import Probe, Report
from checks.probes.iptables_facts import MOST_SERVICES, SET_FACTS, set_fact
from checks.probes.iptables_host import host_of
from checks.probes.iptables_routes import join_routes
from checks.probes.iptables_rules import RULES, SOURCES, THRESHOLDS
from checks.probes.iptables_sections import CAPTURE, doubtful, models, tell_incomplete, unread
from checks.probes.iptables_tell import evidence, tell
from checks.results import Reason, Verdict

CHECKS: tuple[Check, ...] = (
    *hooks.CHECKS,
    *forwarding.CHECKS,
    *endpoint_rules.CHECKS,
    *affinity.CHECKS,
    *addresses.CHECKS,
    *routes.CHECKS,
    *masquerade.CHECKS,
    *host_rules.CHECKS,
)

_OTHER_MODE_CHECKS: tuple[Check, ...] = (
    host_rules.rules_of_another_mode,
    host_rules.ipvs_device,
    hooks.marked_drop_without_mark,
    hooks.repeated_rules,
    host_rules.other_drops,
)

ROUTE_SECTIONS = tuple(replace(collector, optional=True) for collector in (LINK, ADDR, ROUTE4, ROUTE6, RULE4, RULE6, NEIGH))


def main_model(found: Sequence[KubeProxy], family: int) -> KubeProxy | None:
    """The rule set of a family that kube-proxy uses: the one that is hooked, else the one that has its chains, else the first."""
    mine = [model for model in found if model.rules.family == family]
    order = sorted(mine, key=lambda model: (hook_of(model) is not None, model.present, len(model.by_suffix)), reverse=True)
    return order[0] if order else None


def set_facts(report: Report, found: Sequence[KubeProxy], host: Host) -> None:
    """Facts of the rule sets."""
    for family in (4, 6):
        model = main_model(found, family)
        if model:
            report.fact(f"v{family}", set_fact(model))
    model = main_model(found, 4) or main_model(found, 6)
    if model is None:
        return
    told = era(model)
    marked = masquerade_mark(model)
    report.fact("backend", model.rules.backend, model.rules.section, model.rules.line or 1)
    report.fact("complete", model.rules.complete)
    report.fact("rule_count", model.rules.rule_count)
    report.fact("chain_count", model.rules.chain_count)
    report.fact("mode", mode_of(found, host) or None)
    report.fact("era", {"min": told.min, "max": told.max, "reasons": list(told.reasons)})
    report.fact("masq_bit", marked[1] if marked else None, model.rules.section, marked[0].line if marked else 0)
    report.fact("masq_all", masquerades_all(model))
    report.fact("local_detector", local_detector(model))
    report.fact("service_count", len(model.by_suffix))
    report.fact("endpoint_count", len({(pick.ip, pick.port, service.suffix) for service, pick in endpoints(model)}))
    report.fact("no_endpoint_services", [each.label for each in model.services if each.no_endpoints][:MOST_SERVICES])


def mode_of(found: Sequence[KubeProxy], host: Host) -> str:
    """kube-proxy's mode: what its process says, else what the rules show."""
    if host.mode:
        return host.mode
    for model in found:
        if any("KUBE-CLUSTER-IP" in rule.value("match-set") for rule in model.rules.rules_of("nat", "KUBE-SERVICES")):
            return "ipvs"
        if (
            any(rule.target == "KUBE-PORTALS-CONTAINER" for rule in model.rules.rules_of("nat", "PREROUTING"))
            and not model.present
        ):
            return "userspace"
    return "iptables" if any(model.by_suffix for model in found) else ""


def _judge_save(report: Report) -> None:
    found = models(report)
    host = host_of(report)
    join_routes(report, host)
    set_facts(report, found, host)
    host.mode = mode_of(found, host)
    tell_incomplete(report, found)
    tell_unseen(report, found, host)
    if found:
        tell(report, [*two_backends(found), *_foreign(host)], soft=doubtful(report, found[0], found))
    for family in (4, 6):
        model = main_model(found, family)
        if model:
            _judge_family(report, found, model, host)
    report.fact("faults", sorted({each.rule for each in report.findings if each.verdict in (Verdict.WARN, Verdict.CRIT)}))


def _judge_family(report: Report, found: Sequence[KubeProxy], model: KubeProxy, host: Host) -> None:
    section = report.sections[model.rules.section]
    host.save_ms = section.duration_ms
    checks = CHECKS if host.mode not in _ELSEWHERE_SERVED else _OTHER_MODE_CHECKS
    faults = [fault for check in checks for fault in check(model, host, report.limits)]
    tell(report, faults, soft=doubtful(report, model, found))
    if host.mode in _ELSEWHERE_SERVED:
        if not any(each.verdict in (Verdict.WARN, Verdict.CRIT) for each in report.findings):
            report.skip(
                f"kube-proxy runs in {host.mode} mode; these rules do not serve its services{_ELSEWHERE_SERVED[host.mode]}"
            )
    elif not model.present:
        if model.rules.family == 4 or not (main_model(found, 4) or unread(report, found)):
            _judge_absence(report, found, model, host)
    elif model.rules.complete and (model.rules.ended or {"nat", "filter"} <= model.rules.tables.keys()):
        _say_healthy(report, model)


def _judge_absence(report: Report, found: Sequence[KubeProxy], model: KubeProxy, host: Host) -> None:
    """There is no KUBE-SERVICES in the family's main set, so in none."""
    if not model.rules.complete or not (model.rules.ended or "nat" in model.rules.tables):
        if not any(each.verdict is Verdict.UNKNOWN for each in report.findings):
            report.unknown(
                Reason.TRUNCATED, f"{model.rules.section} holds no nat table: whether kube-proxy wrote rules cannot be told"
            )
        return
    fault = no_services(model, host) if "kp" not in report.sections or host.proxy_running else None
    program = other_proxy(model)
    if fault:
        tell(report, [fault], soft=doubtful(report, model, found))
    elif "kp" in report.sections and host.proxy_running is None:
        report.unknown(Reason.MISSING, "there is no KUBE-SERVICES, and whether kube-proxy runs cannot be told")
    elif program:
        report.skip(f"there is no KUBE-SERVICES: {program} serves services on this node")
    elif "kp" not in report.sections:
        say = "no chain of kube-proxy is in these rules; whether that is a fault depends on whether kube-proxy runs here"
        report.unknown(Reason.MISSING, f"{say}: collect kp too, or ps -eo pid,args | grep kube-proxy")
    else:
        report.skip("no chain of kube-proxy is on this node: it does not serve services by iptables")


def _say_healthy(report: Report, model: KubeProxy) -> None:
    if any(each.verdict in (Verdict.WARN, Verdict.CRIT) for each in report.findings):
        return
    ports, picks = len(model.by_suffix), sum(1 for _ in endpoints(model))
    told = era(model)
    say = f"the IPv{model.rules.family} rules hold together: {ports} service ports, {picks} endpoint rules, {told}"
    hook = hook_of(model)
    lines = evidence(report, [Line(model.rules.section, hook.line, "KUBE-SERVICES")] if hook else [])
    report.find("chains", Verdict.OK, say, value=picks, evidence=lines)


def _foreign(host: Host) -> list[Fault]:
    if not host.foreign:
        return []
    names = ", ".join(dict.fromkeys(chain for chain, _ in host.foreign))
    say = f"{len(host.foreign)} native nftables rules stand in table filter ({names}); iptables-save misprints them"
    return [Fault("foreign_native_rule", Verdict.WARN, say, tuple(line for _, line in host.foreign[:3]), len(host.foreign))]


def tell_unseen(report: Report, found: Sequence[KubeProxy], host: Host) -> None:
    """Legacy rules that exist but were not collected: then nothing can be said of two backends."""
    if any(model.rules.backend != "nft" for model in found):
        return
    if host.legacy_nat:
        say = "the kernel also holds legacy nat rules, and no iptables-legacy-save is here to show them"
        report.unknown(Reason.TOOL_MISSING, say, evidence(report, [host.legacy_nat]), "K01")
        return
    notices = [(model, notice) for model in found for notice in model.rules.notices if "legacy tables present" in notice.say]
    for model, notice in notices[:1]:
        say = "legacy tables exist too and are not in this capture; kube-proxy's chains in both backends would both run"
        report.find("K01", Verdict.INFO, say, evidence=[report.evidence(model.rules.section, notice.line)])


_ELSEWHERE_SERVED = {"ipvs": ": ask ipvs.state", "nftables": ": ask nft.kubeproxy", "userspace": ", the process itself does"}
_ELSEWHERE = ("K47", "path", "services")

SAVE = Probe(
    id="iptables.save",
    title="kube-proxy's iptables rules",
    question="Do the rules that kube-proxy wrote hold together, and does anything on this node defeat them?",
    collectors=(
        *SAVES,
        VERSION,
        replace(IP_VS, optional=True),
        replace(NFT_KP, optional=True),
        NFT_TABLES,
        NFT_CHAINS,
        NFT_FILTER,
        XT_NAMES,
        KUBE_PROXY,
        KNOBS,
        LISTENERS,
        IPSETS,
        *ROUTE_SECTIONS,
    ),
    judge=_judge_save,
    facts=SET_FACTS,
    rules=(*(rule for rule in RULES if rule.id not in _ELSEWHERE), CAPTURE),
    sources=SOURCES,
    params=(Param("cross_check", "bool", default=False, help="also read the filter table through nft, to confirm K26"),),
    thresholds=THRESHOLDS,
)

PROBES = (SAVE,)
