"""The probe of tracked flows that no longer fit the services: packets that still go where nobody answers.

Measured: a client that keeps its source port gets no answer after endpoints appear, while a new port works at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_services import Front, Service
from checks.collectors.conntrack import FLOWS
from checks.collectors.iptables import SAVES
from checks.params import Param
from checks.parsers.conntrack import Flow, parse_flows
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.probes.iptables import main_model
from checks.probes.iptables_sections import CAPTURE, models, tell_incomplete
from checks.results import Reason, Verdict

_MOST = 50
_SLOW_SINCE = 32


@dataclass(frozen=True, slots=True)
class Stale:
    """A flow that no longer fits its service, and the rule that says which service it was made for."""

    kind: str
    flow: Flow
    service: Service
    front: Front
    section: str


def _stale(model: KubeProxy, flows: list[Flow]) -> Iterator[Stale]:
    known: dict[tuple[str, int], tuple[Service, Front, set[tuple[str, int]], bool]] = {}
    for service in model.by_suffix.values():
        picks = [pick for balancing in service.balancing.values() for pick in balancing.picks]
        all_known = model.rules.complete and all(pick.ip for pick in picks)
        for front in (*service.fronts, *service.refusals):
            if front.ip and front.protocol == "udp":
                known[front.ip, front.port] = (service, front, {(pick.ip, pick.port) for pick in picks}, all_known)
    for flow in flows:
        found = known.get((flow.dst, flow.dport)) if flow.protocol == "udp" else None
        if found is None:
            continue
        service, front, ends, all_known = found
        if flow.reply_src == flow.dst:
            if ends and flow.unreplied:
                yield Stale("CT1", flow, service, front, model.rules.section)
        elif all_known and (flow.reply_src, flow.reply_sport) not in ends:
            yield Stale("CT2", flow, service, front, model.rules.section)


def _judge(report: Report) -> None:
    flows = read(report.need("conntrack_udp", allow_empty=True), parse_flows)
    found = models(report)
    tell_incomplete(report, found)
    report.fact("entries", len(flows.flows))
    report.fact("unreplied", sum(1 for flow in flows.flows if flow.unreplied))
    if not flows.whole:
        report.unknown(Reason.TRUNCATED, "the list of flows has no closing line: there may be more of them")
    stale = [entry for family in (4, 6) if (model := main_model(found, family)) for entry in _stale(model, flows.flows)]
    report.fact("stale", [_fact(each) for each in stale[:_MOST]])
    for kind in ("CT1", "CT2"):
        _tell(report, kind, [each for each in stale if each.kind == kind])
    _judge_size(report, len(flows.flows))
    _say_unseen(report, found, len(flows.flows))
    bad = (Verdict.WARN, Verdict.CRIT, Verdict.UNKNOWN, Verdict.SKIPPED)
    if flows.whole and found and not any(each.verdict in bad for each in report.findings):
        say = f"{len(flows.flows)} tracked UDP flows fit the services of this node"
        report.find("flows", Verdict.OK, say, value=len(flows.flows), unit="flows")


def _say_unseen(report: Report, found: list[KubeProxy], count: int) -> None:
    """Without flows, or without services, nothing can be compared."""
    if not count:
        report.unknown(Reason.EMPTY, "no flow is in this capture, so nothing can be compared")
    elif found and not any(model.by_suffix for model in found):
        if all(model.rules.ended or "nat" in model.rules.tables for model in found):
            report.skip("no service of kube-proxy's iptables mode is known on this node")
        else:
            report.unknown(Reason.TRUNCATED, "the capture of the rules holds no nat table, so no service is known")


def _judge_size(report: Report, count: int) -> None:
    minor = report.params.get("kube_proxy_minor")
    if count >= report.limits["entries_warn"]:
        slow = minor is not None and minor >= _SLOW_SINCE
        say = f"{count} flows: kube-proxy 1.{_SLOW_SINCE} and newer goes through all of them at each sync"
        report.find("CT3", Verdict.WARN if slow else Verdict.INFO, say, value=count, limit="entries_warn")


def _tell(report: Report, kind: str, group: list[Stale]) -> None:
    if not group:
        return
    flow, service = group[0].flow, group[0].service.label
    now = f"{flow.reply_src}:{flow.reply_sport}"
    says = {
        "CT1": f"{flow.told} is tracked without DNAT though {service} has endpoints",
        "CT2": f"{flow.told} still goes to {now}, which is no endpoint of {service} any more",
    }
    more = f"; {len(group)} such flows" if len(group) > 1 else ""
    lines = [report.evidence("conntrack_udp", each.flow.line) for each in group[:5]]
    lines.append(report.evidence(group[0].section, group[0].front.rule.line))
    report.find(kind, Verdict.CRIT, says[kind] + more, value=len(group), unit="flows", evidence=lines)


def _fact(stale: Stale) -> dict[str, Any]:
    flow = stale.flow
    return {
        "orig": f"{flow.src}:{flow.sport} > {flow.dst}:{flow.dport}",
        "reply": f"{flow.reply_src}:{flow.reply_sport}",
        "expires_s": flow.seconds,
        "service": stale.service.label,
        "kind": stale.kind,
    }


_DELETE = "this changes the host: delete exactly these flows with conntrack -D, or restart the client so that it takes a new port"

ENTRIES = Probe(
    id="conntrack.entries",
    title="Tracked flows and the services they were made for",
    question="Do tracked UDP flows still go where nobody answers?",
    collectors=(FLOWS, *SAVES),
    judge=_judge,
    facts=(
        FactSpec("entries", "int", "flows in the capture"),
        FactSpec("unreplied", "int", "flows without an answer so far"),
        FactSpec("stale", "list", "orig, reply, expires_s, service, kind of flows that no longer fit; 50 at most"),
    ),
    rules=(
        Rule(
            "CT1", "a UDP flow to a service with endpoints is tracked without DNAT", "measured; Kubernetes issue 126468", _DELETE
        ),
        Rule("CT2", "a UDP flow goes to an endpoint that its service no longer has", "Kubernetes issues 125467, 139628", _DELETE),
        Rule("CT3", "so many flows that kube-proxy's syncs are slow", "Kubernetes issues 129982, 135323", "upgrade kube-proxy"),
        Rule("flows", "the flows fit the services", "the rules above"),
        CAPTURE,
    ),
    sources=("Kubernetes issues 125467, 126468, 129982, 135323, 139628", "laboratory with conntrack-tools 1.4.7"),
    params=(Param("kube_proxy_minor", "int", min=1, max=99, help="minor version of kube-proxy, such as 32 for 1.32"),),
    thresholds=(Threshold("entries_warn", 1_000_000, "flows", "flows in the table", "Kubernetes issue 129982", "I"),),
)

PROBES = (ENTRIES,)
