"""calico.podpath and calico.ipip: does a pod reach its node, and do nodes reach each other's pods through the tunnel?

Knowledge: two-node laboratory in which every precondition was taken away once, projectcalico/calico#8481 and #7462.
"""

from __future__ import annotations

from checks.analyzers import calico_ipip as ipip
from checks.analyzers.calico_podpath import Pod, Step, host_device, host_steps, lives_elsewhere, pod_steps
from checks.analyzers.ip_fault import Fault
from checks.analyzers.route_faults import defaults, place
from checks.analyzers.route_lookup import Fib
from checks.analyzers.route_question import explain, is_calico_block, places
from checks.analyzers.route_tables import Flow
from checks.analyzers.rp_filter import Incoming, own_devices
from checks.collectors.ip import ADDR, CONF, LINK, POD, ROUTE4, RULE4
from checks.params import Param
from checks.parsers.ip_conf import Conf
from checks.parsers.ip_neigh import parse_neighbours
from checks.parsers.ip_prefix import Address
from checks.parsers.ip_route import parse_routes
from checks.probes.base import FactSpec, Probe, Report
from checks.probes.ip_rules import rules
from checks.probes.ip_sections import Tables, find_all, lines
from checks.results import Reason, Verdict

_SYMPTOM = "pod_neighbour"


def judge_podpath(report: Report) -> None:
    pod_ip = Address.parse(report.params["pod_ip"])
    if pod_ip.family == 6:
        report.skip("IPv6 pods use the device's link-local address as gateway, not proxy ARP")
        return
    tables = Tables(report)
    links, conf, fib, pod = tables.links(), tables.conf(), tables.fib(4), _pod(report, tables)
    if links is None or conf is None or fib is None:
        tables.tell_absent()
        return
    answer = fib.lookup(Flow(pod_ip))
    dev = host_device(pod_ip, fib.routes, report.params.get("iface") or "")
    if not dev and lives_elsewhere(answer):
        report.skip(f"{pod_ip} is a pod of another node: its packets take {answer.route}{explain(answer)}")
        return
    host = host_steps(pod_ip, dev, Incoming(fib, conf, own_devices(fib)), links)
    steps = [*pod_steps(pod, links.find(dev)), *host]
    report.fact("device", dev or None)
    report.fact("steps", [{"name": s.name, "expected": s.expected, "actual": s.actual, "ok": s.ok} for s in steps])
    _judge_steps(report, str(pod_ip), steps, is_calico_block(answer.route))


def _pod(report: Report, tables: Tables) -> Pod | None:
    """The pod's side; None when nobody gave one of its processes."""
    section = report.sections.get("pod")
    if section is None or (section.rc == 0 and section.text.strip() == "== end"):
        return None
    return Pod(tables.need("pod", parse_routes), tables.need("pod", parse_neighbours))


def _judge_steps(report: Report, pod_ip: str, steps: list[Step], in_block: bool) -> None:
    failed = [step for step in steps if step.ok is False]
    causes = [step for step in failed if step.name != _SYMPTOM and step.verdict == Verdict.CRIT]
    report.fact("first_failing", (causes or failed)[0].name if failed else None)
    # The pod's neighbour entry only shows what the node fails to do, so that it comes after the causes.
    for step in sorted(failed, key=lambda step: step.name == _SYMPTOM and bool(causes)):
        says = f"{pod_ip} wants {step.expected}; found: {step.actual}"
        if step.name == "pod_route" and in_block:
            says = f"{pod_ip} has no /32 to its device: packets to it die in calico's {step.actual}"
        needs = {"device": "link", "gateway_route": "route4", "pod_route": "route4", "source_check": "route4"}.get(step.name, "")
        find_all(report, [Fault(step.rule, step.verdict, says, step.lines, step.actual, needs=needs)])
    untold = [step for step in steps if step.ok is None and step.rule not in ("podgw", "R05")]
    if not causes and (untold or any(step.name == "pod_route" and step.ok is None for step in steps)):
        names = ", ".join(step.name for step in steps if step.ok is None and step.rule != "podgw")
        report.unknown(Reason.UNPARSED, f"{pod_ip}: {names} cannot be told")
    elif not failed:
        known = sum(step.ok is not None for step in steps)
        route = next(step for step in steps if step.name == "pod_route")
        says = f"{pod_ip}: {known} of {known} steps that were looked at are right; it has {route.actual}"
        report.find("R05", Verdict.OK, says, evidence=lines(report, *route.lines))


def judge_ipip(report: Report) -> None:
    tables = Tables(report)
    links, addresses, conf, fib = tables.links(), tables.addresses(), tables.conf(), tables.fib(4)
    if links is None or fib is None:
        tables.tell_absent()
        return
    mode, peer = report.params.get("mode") or "auto", report.params.get("peer_pod")
    found = ipip.blocks(fib.routes)
    tunnelled = [route for route in found if ipip.TUNNEL in route.devices]
    report.fact("blocks", [str(route) for route in found[:200]])
    report.fact("tunnelled", len(tunnelled))
    if mode == "never" or (mode == "auto" and not tunnelled and not peer):
        report.skip(f"nothing here uses IPIP: none of {len(found)} block routes leaves by {ipip.TUNNEL}")
        return
    outward = next((dev for route in defaults(fib.routes) for dev in route.devices), "")
    faults = [*ipip.tunnel_faults(links, addresses, links.find(outward)), *ipip.route_faults(fib.routes, mode)]
    find_all(report, faults)
    if not faults:
        says = f"{ipip.TUNNEL} is up, and {len(tunnelled)} of {len(found)} block routes leave by it"
        report.find("R10", Verdict.OK, says, evidence=lines(report, *(place(route) for route in tunnelled[:1])))
    if peer:
        _judge_peer(report, Address.parse(peer), fib, conf)
    if conf and conf.own(ipip.TUNNEL, "forwarding") == 0:
        evidence = lines(report, ("conf", conf.line(ipip.TUNNEL), "forwarding=0"))
        report.find("R14", Verdict.CRIT, f"forwarding is 0 on {ipip.TUNNEL}", value=0, evidence=evidence)
    tables.tell_absent()


def _judge_peer(report: Report, peer: Address, fib: Fib, conf: Conf | None) -> None:
    answer = fib.lookup(Flow(peer))
    report.fact("peer_route", str(answer.route) if answer.route else None)
    evidence = lines(report, *places(answer))
    where = f"{answer.route or answer.error}{explain(answer)}"
    if answer.result == "unknown":
        report.unknown(Reason.UNPARSED, f"the way to {peer} cannot be told: {answer.why}", evidence)
    elif answer.result != "unicast" or (answer.route and answer.route.is_default):
        says = f"{peer} has no block route here: it takes {where}"
        find_all(report, [Fault("R07", Verdict.CRIT, says, places(answer), str(peer), needs="route4")])
    elif ipip.TUNNEL not in answer.devices:
        report.find("R07", Verdict.INFO, f"{peer} goes without the tunnel: {where}", value=str(peer), evidence=evidence)
        _judge_source(report, peer, fib, conf, "if its node sends through the tunnel, ")
    else:
        report.find("R07", Verdict.OK, f"{peer} goes through the tunnel: {where}", value=str(peer), evidence=evidence)
        _judge_source(report, peer, fib, conf, "")


def _judge_source(report: Report, peer: Address, fib: Fib, conf: Conf | None, when: str) -> None:
    if conf is None or ipip.TUNNEL not in conf.devs:
        return
    check = Incoming(fib, conf, own_devices(fib)).check_source(Flow(peer, peer, ipip.TUNNEL))
    if check.passes is False:
        evidence = lines(report, ("conf", conf.line(ipip.TUNNEL), ""), ("conf", conf.line("all"), ""))
        says = f"{when}packets from {peer} are dropped on {ipip.TUNNEL}: {check.why}"
        report.find("R12", Verdict.WARN, says, value=check.mode, evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="calico.podpath",
        title="Calico: the pod's way to its node",
        question="Which step between the pod and its node is missing?",
        collectors=(LINK, ROUTE4, RULE4, CONF, POD),
        judge=judge_podpath,
        params=(
            Param("pod_ip", "ip", required=True, help="the address of a pod of this node"),
            Param("iface", "iface", help="the node's end of the pod's pair, when no route names it any more"),
            Param("pid", "pid", help="a process inside the pod: shows the pod's own routes and neighbours"),
        ),
        facts=(
            FactSpec("device", "str", "the node's end of the pod's pair"),
            FactSpec("steps", "list", "each precondition: name, expected, actual, ok (null: not looked at)"),
            FactSpec("first_failing", "str", "the first step that fails; the pod's neighbour entry counts last, it is a symptom"),
        ),
        rules=rules("podgw", "R25", "R15", "R14", "R01", "R05", "R12", "proxy_delay"),
        sources=("two-node network namespace laboratory", "projectcalico/calico#8481"),
    ),
    Probe(
        id="calico.ipip",
        title="Calico: the tunnel between nodes",
        question="Do packets for pods of other nodes go through the IPIP tunnel, and does it carry them?",
        collectors=(LINK, ADDR, ROUTE4, RULE4, CONF),
        judge=judge_ipip,
        params=(
            Param("peer_pod", "ip", help="a pod of another node"),
            Param("mode", "enum", "auto", "ipipMode of the pool", choices=("auto", "always", "crosssubnet", "never")),
        ),
        facts=(
            FactSpec("blocks", "list", "the routes to blocks of other nodes"),
            FactSpec("tunnelled", "int", "how many of them leave by the tunnel"),
            FactSpec("peer_route", "str", "the route to peer_pod"),
        ),
        rules=rules("R07", "R09", "R10", "R11", "R12", "R14"),
        sources=("calico documentation on IPIP", "projectcalico/calico#7462", "RFC 2003"),
    ),
)
