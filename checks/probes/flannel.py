"""flannel.hostgw and flannel.vxlan: are the other nodes' pod networks reachable through their nodes?

Knowledge: flannel's host-gw backend, which needs one layer 2 network for all nodes, and its vxlan backend, which writes a
neighbour and a forwarding entry for every peer by hand.
"""

from __future__ import annotations

from checks.analyzers import flannel_hostgw as hostgw
from checks.analyzers.flannel_vxlan import endpoint_faults
from checks.analyzers.ip_fault import Fault, Place
from checks.analyzers.neighbour_table import silent
from checks.collectors.ip import ADDR, CONF, FDB, LINK, NEIGH, NEIGH_AGAIN, ROUTE4
from checks.errors import ParseError
from checks.params import Param
from checks.parsers.ip_fdb import parse_fdb
from checks.parsers.ip_neigh import Neighbours
from checks.parsers.ip_prefix import Prefix
from checks.parsers.ip_route import Route
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.ip_rules import rules
from checks.probes.ip_sections import Tables, find_all, is_whole, lines, skip_or_wait
from checks.results import Reason, Verdict


def judge(report: Report) -> None:
    tables = Tables(report)
    links, addresses, routes, conf, table = (
        tables.links(),
        tables.addresses(),
        tables.routes(4),
        tables.conf(),
        tables.neighbours(),
    )
    again = tables.neighbours("neigh_again") if "neigh_again" in report.sections else None
    if links is None or addresses is None or routes is None:
        tables.tell_absent()
        return
    bridge = report.params.get("bridge") or "cni0"
    if links.find(bridge) is None and not links.named("flannel"):
        says = f"nothing of flannel here: no {bridge} and no flannel device among {len(links.links)}"
        skip_or_wait(report, says)
        return
    address = hostgw.bridge_address(addresses, bridge)
    cluster = report.params.get("cluster")
    found = hostgw.peers(routes, address.network if address else None, cluster and Prefix.parse(cluster))
    if found and all(dev.startswith("flannel") for route in found for dev in route.devices):
        report.skip(f"this node uses flannel with encapsulation: {found[0]}")
        return
    wanted = [_prefix(word) for word in str(report.params.get("peers") or "").replace(",", " ").split()]
    report.fact("pod_network", str(address.network) if address else None)
    report.fact("peers", [str(route) for route in found[:200]])
    bad = find_all(report, [*hostgw.bridge_faults(links, address, bridge), *hostgw.route_faults(routes, found, wanted)])
    if conf and conf.single.get("ip_forward") == 0:
        evidence = lines(report, ("conf", conf.single_lines["ip_forward"], ""))
        report.find("R14", Verdict.CRIT, "ip_forward is 0: nothing passes between pods and nodes", value=0, evidence=evidence)
    if table:
        bad = _judge_silent(report, found, table, again) or bad
    if not bad:
        says = (
            f"{bridge} holds {address.ip if address else '?'}, and the next hops of {len(found)} peers' networks are within reach"
        )
        report.find("hostgw", Verdict.OK, says, value=len(found), evidence=lines(report, *hostgw.first_place(found)))
    tables.tell_absent()


def _prefix(word: str) -> Prefix:
    try:
        return Prefix.parse(word)
    except ParseError:
        raise ParseError(f"peers: {word[:40]!r} is not a network such as 10.244.1.0/24", Reason.PARAM_INVALID) from None


def _judge_silent(report: Report, found: list[Route], table: Neighbours, again: Neighbours | None) -> bool:
    bad = False
    for hop, entry in silent(hostgw.next_hops(found), table):
        now = again.find(hop.ip, hop.dev) if again else None
        if again is None:
            says = f"{hop.what} {hop.ip} is {entry.state}; whether it stays so needs a second look"
            report.unknown(Reason.MISSING, says, lines(report, ("neigh", entry.line, entry.state)), "R08")
        elif now and now.unanswered:
            bad = find_all(report, [hostgw.silent_fault(hop, entry, now)])
    return bad


def judge_vxlan(report: Report) -> None:
    tables = Tables(report)
    links, routes, table = tables.links(), tables.routes(4), tables.neighbours()
    if links is None or routes is None or table is None:
        tables.tell_absent()
        return
    dev = report.params.get("iface") or "flannel.1"
    fdb = tables.need("fdb", parse_fdb)
    link = links.find(dev)
    found = [route for route in routes.in_table("main") if dev in route.devices and any(hop.gateway for hop in route.nexthops)]
    report.fact("peers", [str(route) for route in found[:200]])
    if link is None and not found:
        skip_or_wait(report, f"this node has no {dev} among {len(links.links)} devices")
        return
    if link is None or not link.up:
        state = link.state if link else "gone"
        place: tuple[Place, ...] = (("link", link.line, dev),) if link else ()
        find_all(report, [Fault("R03", Verdict.CRIT, f"{dev} is {state}", place, dev, needs="" if link else "link")])
        return
    if not found and not is_whole(report, "route4"):
        report.unknown(Reason.MISSING, f"no peer's network leaves by {dev}; but this paste of route4 may not be whole")
    elif not find_all(report, endpoint_faults(dev, found, table, fdb)):
        says = f"peers behind {dev} with a permanent neighbour and a forwarding entry: {len(found)} of {len(found)}"
        report.find("R27", Verdict.OK, says, value=len(found), evidence=lines(report, *hostgw.first_place(found)))


_RULE = Rule(
    "hostgw",
    "the pods' bridge is missing, down or has not the first address of the node's pod network",
    "flannel host-gw; the bridge plugin with isGateway",
    "start a pod that is not on the host network, and read the CNI plugin's error in the kubelet's log",
)

PROBES: tuple[Probe, ...] = (
    Probe(
        id="flannel.hostgw",
        title="Flannel host-gw: routes to other nodes' pods",
        question="Are the other nodes' pod networks reachable through their nodes?",
        collectors=(LINK, ADDR, ROUTE4, CONF, NEIGH, NEIGH_AGAIN),
        judge=judge,
        params=(
            Param("bridge", "iface", "cni0", "the pods' bridge"),
            Param("cluster", "cidr", help="the network of all pods, for example 10.244.0.0/16"),
            Param("peers", "text", help="the pod networks of all other nodes; each must have a route"),
        ),
        facts=(
            FactSpec("pod_network", "str", "this node's pod network, as the bridge shows it"),
            FactSpec("peers", "list", "the routes to other nodes' pod networks"),
        ),
        rules=(_RULE, *rules("R07", "R08", "R14")),
        sources=("flannel documentation, host-gw backend",),
    ),
    Probe(
        id="flannel.vxlan",
        title="Flannel VXLAN: endpoints of other nodes",
        question="Does this node know where each peer's VXLAN endpoint is?",
        collectors=(LINK, ROUTE4, NEIGH, FDB),
        judge=judge_vxlan,
        params=(Param("iface", "iface", "flannel.1", "the VXLAN device"),),
        facts=(FactSpec("peers", "list", "the routes to other nodes' pod networks"),),
        rules=rules("R27", "R03"),
        sources=("flannel documentation, vxlan backend", "bridge(8)"),
    ),
)
