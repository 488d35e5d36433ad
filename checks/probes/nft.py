"""The probe of kube-proxy's nftables mode: does its table hold together, and where does a packet go through it?"""

from __future__ import annotations

from typing import Any

from checks.analyzers.kube_proxy_fault import Fault, Host, Line, some
from checks.analyzers.kube_proxy_routes import reach
from checks.analyzers.nft_faults import faults
from checks.analyzers.nft_kube_proxy import NftProxy, NftService
from checks.analyzers.nft_trace import NftTracer
from checks.analyzers.packet import Packet
from checks.analyzers.packet_state import Branch
from checks.collectors.iptables import KNOBS, NFT_KP, NFT_KP6
from checks.params import Param
from checks.parsers.nft_json import parse_table
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.iptables import ROUTE_SECTIONS
from checks.probes.iptables_facts import MOST_SERVICES, branch_fact
from checks.probes.iptables_host import host_of
from checks.probes.iptables_routes import join_routes
from checks.probes.iptables_tell import tell
from checks.results import Reason, Verdict

_README = "kube-proxy pkg/proxy/nftables README and source; laboratory with nft 1.0.6"
_RESTART = "restart kube-proxy on this node and read its log"
_OLDEST_NFT = (1, 0, 1)


def _tables(report: Report) -> list[NftProxy]:
    listing = read(report.need("nft_kp"), parse_table)
    found = [NftProxy(listing, "nft_kp", "ip")]
    section = report.sections.get("nft_kp6")
    if section is not None and not (section.rc and b"No such file" in section.stderr):
        found.append(NftProxy(read(report.need("nft_kp6"), parse_table), "nft_kp6", "ip6"))
    elif (both := NftProxy(listing, "nft_kp", "ip6")).present:
        found.append(both)
    return found


def _judge(report: Report) -> None:
    section = report.sections.get("nft_kp")
    if section is not None and section.rc and b"No such file" in section.stderr:
        report.skip("there is no table ip kube-proxy: kube-proxy does not run in nftables mode here")
        return
    tables = _tables(report)
    if not any(table.present for table in tables):
        report.skip("there is no table kube-proxy in this listing: kube-proxy does not run in nftables mode here")
        return
    for table in tables:
        if table.present and (say := table.missing()):
            report.unknown(Reason.TRUNCATED, f"{table.section} shows only a part of the table: {say}")
            return
    host = host_of(report)
    join_routes(report, host)
    for table in tables:
        tell(report, [*faults(table), *_unreachable(table, host), *_old_tool(table)])
    report.fact("services", [_service_fact(each, host) for table in tables for each in table.services][:MOST_SERVICES])
    report.fact("service_count", sum(len(table.services) for table in tables))
    report.fact("nft_version", tables[0].version or None)
    if report.params.get("src") and report.params.get("dst") and report.params.get("dport"):
        _trace(report, tables, host)
    if not any(each.verdict in (Verdict.WARN, Verdict.CRIT, Verdict.UNKNOWN) for each in report.findings):
        services = [each for table in tables for each in table.services]
        say = f"kube-proxy's nftables rules hold together: {len(services)} service ports"
        report.find("chains", Verdict.OK, say, value=len(services))


def _unreachable(table: NftProxy, host: Host) -> list[Fault]:
    found = []
    for service in table.services:
        for endpoint in service.endpoints:
            state, hop = reach(host, endpoint.ip) if endpoint.ip else ("unknown", None)
            if hop is None or state in ("ok", "unknown"):
                continue
            chain = table.chains.get(endpoint.chain)
            lines = ((Line(table.section, chain.line),) if chain else ()) + ((Line(*hop.line),) if hop.line else ())
            part = f"{endpoint.share:.1%} of the connections to {service.name}"
            say = f"{part} go to {endpoint.ip}:{endpoint.port}, which is not reached ({state})"
            rule = "K14" if state == "blackhole" and hop.prefix in host.own_blocks else "K13"
            found.append(Fault(rule, Verdict.CRIT, say, lines, round(endpoint.share, 4)))
    return found


def _old_tool(table: NftProxy) -> list[Fault]:
    parts = table.version.split(".")
    if all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts) and tuple(map(int, parts)) < _OLDEST_NFT:
        say = f"nft {table.version} is older than 1.0.1, which kube-proxy's nftables mode needs"
        return [Fault("old_nft", Verdict.WARN, say, (Line(table.section, 1),))]
    return []


def _service_fact(service: NftService, host: Host) -> dict[str, Any]:
    return {
        "key": service.name,
        "proto": service.protocol,
        "cluster_ips": service.cluster_ips,
        "port": service.port,
        "node_port": service.node_port,
        "endpoints": [
            {
                "ip": each.ip,
                "port": each.port,
                "share": round(each.share, 6),
                "reachable": reach(host, each.ip)[0] if each.ip else "unknown",
            }
            for each in service.endpoints
        ],
        "affinity": service.sticky,
        "no_endpoints": service.refused,
    }


def _trace(report: Report, tables: list[NftProxy], host: Host) -> None:
    params = report.params
    packet = Packet(params["src"], params["dst"], params["dport"], params["proto"], origin=params["origin"])
    family = "ip6" if ":" in packet.dst else "ip"
    table = next((each for each in tables if each.family == family), None)
    if table is None or not table.present:
        report.unknown(Reason.MISSING, f"there is no table {family} kube-proxy in this capture to follow {packet.dst} through")
        return
    branches = NftTracer(table, host.node).trace(packet)
    report.fact("branches", [branch_fact(branch) for branch in branches])
    report.fact("sum_probability", round(sum(branch.probability for branch in branches), 9))
    tell(report, [fault for branch in branches if (fault := _outcome(table, packet, branch))])
    if all(branch.verdict == "ACCEPT" for branch in branches):
        targets = some(f"{b.packet.dst}:{b.packet.dport} ({b.probability:.1%})" for b in branches)
        report.find("path", Verdict.OK, f"{packet.src} reaches {packet.dst}:{packet.dport}/{packet.protocol} at {targets}")


def _outcome(table: NftProxy, packet: Packet, branch: Branch) -> Fault | None:
    if branch.verdict == "ACCEPT":
        return None
    lines = tuple(Line(table.section, step.line) for step in branch.path[-2:])
    part = f"{branch.probability:.1%} of the connections to {packet.dst}:{packet.dport}"
    if branch.verdict == "unknown":
        return Fault("path", Verdict.UNKNOWN, f"{part}: {branch.notes[-1]}", lines, reason=Reason.MISSING)
    chains = [step.chain for step in branch.path]
    if any("endpoints-check" in chain for chain in chains[-2:]):
        return Fault("K15", Verdict.CRIT, f"{part} are refused: the service has no ready endpoint", lines)
    why = "no port of this service" if branch.verdict == "REJECT" else "no service has this address"
    by_design = chains and chains[-1] == "cluster-ips-check"
    note = why if by_design else branch.notes[-1] if branch.notes else "see the path"
    return Fault("path", Verdict.CRIT, f"{part} end with {branch.verdict}: {note}", lines)


KUBEPROXY = Probe(
    id="nft.kubeproxy",
    title="kube-proxy's nftables rules",
    question="Does kube-proxy's nftables table hold together, and where does a packet go through it?",
    collectors=(NFT_KP, NFT_KP6, KNOBS, *ROUTE_SECTIONS),
    judge=_judge,
    facts=(
        FactSpec(
            "services", "list", "key, proto, cluster_ips, port, node_port, endpoints with share and reach, affinity, no_endpoints"
        ),
        FactSpec("service_count", "int", "service ports of both families"),
        FactSpec("nft_version", "str?", "version of nft that listed the table"),
        FactSpec("branches", "list", "ways of the packet asked for, as in iptables.trace"),
        FactSpec("sum_probability", "float", "sum over all ways, always 1"),
    ),
    rules=(
        Rule("K03", "no packet gets to the map of services", _README, _RESTART),
        Rule("K07", "a service chain picks no endpoint", _README, _RESTART),
        Rule("K08", "a service picks among more endpoints than it knows", _README, _RESTART),
        Rule("K10", "an endpoint chain has no DNAT", _README, _RESTART),
        Rule("K13", "a DNAT target has no route, or its next hop does not answer", _README, "repair the route or the CNI agent"),
        Rule("K14", "a DNAT target lies in this node's own block and belongs to no pod", _README, _RESTART),
        Rule(
            "K15",
            "the service asked for has no ready endpoint",
            _README,
            "look at the pods' readiness and the service's selector",
        ),
        Rule("K17", "one address is both sent to endpoints and refused", _README, _RESTART),
        Rule("K22", "nothing is masqueraded", _README, _RESTART),
        Rule("old_nft", "nft is older than kube-proxy's nftables mode needs", _README, "nft 1.0.1 and kernel 5.13 or newer"),
        Rule("path", "where the packet goes", _README, "follow the lines of the path"),
        Rule("chains", "the table holds together", _README),
    ),
    sources=(_README, "KEP-3866"),
    params=(
        Param("src", "ip", help="follow a connection from this address"),
        Param("dst", "ip", help="to this address"),
        Param("dport", "port", help="and this port"),
        Param("proto", "proto", default="tcp", help="protocol"),
        Param("origin", "enum", default="pod", choices=("pod", "host", "external"), help="who connects"),
    ),
)

PROBES = (KUBEPROXY,)
