"""The probe of kube-proxy's ipvs mode: recognise it and check what it needs; its balancing itself is the kernel's.

Knowledge: kube-proxy pkg/proxy/ipvs of several versions and the issues named with each rule.
"""

from __future__ import annotations

import re
from typing import Any

from checks.analyzers.kernel_version import parse_release
from checks.analyzers.kube_proxy_fault import Knob, Line, some
from checks.collectors.iptables import KUBE_PROXY, SAVES
from checks.collectors.ipvs import IP_VS, IPVS_KNOBS
from checks.collectors.kernel import KERNEL
from checks.errors import EvidenceError, ParseError
from checks.params import Param
from checks.parsers.files import split_files
from checks.parsers.ip_vs import IpVs, VirtualServer, parse_ip_vs
from checks.parsers.kube_proxy_process import Processes, parse_processes
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.iptables import main_model
from checks.probes.iptables_facts import MOST_SERVICES
from checks.probes.iptables_sections import models
from checks.probes.iptables_tell import evidence
from checks.results import Evidence, Reason, Verdict

_NOT_LOADED = re.compile(r"Can't initialize ipvs: |\S+: (?:cannot access )?'?/proc/net/ip_vs'?: No such file")
_NODE_PORTS = range(30000, 32768)
_REUSE_FIXED = (5, 9, 0)
_REUSE_SINCE = (4, 1, 0)


def _judge(report: Report) -> None:
    section = report.sections.get("ip_vs")
    if section is not None and section.rc == 127:
        report.skip("ipvs is not loaded: kube-proxy does not run in ipvs mode here")
        return
    if section is not None and _NOT_LOADED.match(section.text):
        report.skip("ipvs is not loaded, as the tool itself says: kube-proxy does not run in ipvs mode here")
        return
    table = read(report.need("ip_vs"), parse_ip_vs)
    processes = _processes(report)
    _facts(report, table)
    if not table.whole:
        report.unknown(Reason.TRUNCATED, "the table has no closing line: there may be more virtual servers")
    if not table.virtual:
        if table.whole:
            report.skip("ipvs is loaded but has no virtual server: kube-proxy does not run in ipvs mode here")
        return
    _judge_servers(report, table)
    if processes is not None:
        _judge_addresses(report, table, processes)
    _judge_knobs(report)
    _judge_hairpin(report)
    if not any(each.verdict in (Verdict.WARN, Verdict.CRIT, Verdict.UNKNOWN) for each in report.findings):
        servers = sum(len(each.servers) for each in table.virtual)
        say = f"{len(table.virtual)} virtual servers with {servers} real servers"
        report.find(
            "servers", Verdict.OK, say, value=len(table.virtual), evidence=[report.evidence("ip_vs", table.virtual[0].line)]
        )


def _facts(report: Report, table: IpVs) -> None:
    report.fact("virtual_servers", [_fact(each) for each in table.virtual[:MOST_SERVICES]])
    report.fact("virtual_count", len(table.virtual))
    report.fact("real_count", sum(len(each.servers) for each in table.virtual))


def _fact(server: VirtualServer) -> dict[str, Any]:
    reals = [{"ip": r.ip, "port": r.port, "weight": r.weight, "active": r.active, "inactive": r.inactive} for r in server.servers]
    return {
        "ip": server.ip,
        "port": server.port,
        "proto": server.protocol,
        "scheduler": server.scheduler,
        "flags": server.flags,
        "servers": reals,
    }


def _name(server: VirtualServer) -> str:
    return f"{server.ip}:{server.port}/{server.protocol}"


def _judge_servers(report: Report, table: IpVs) -> None:
    wanted, port = report.params.get("vip"), report.params.get("port")
    seen = table.virtual if table.whole else table.virtual[:-1]  # the last one may have lost its real servers
    if wanted is not None:
        asked = [each for each in seen if each.ip == wanted and port in (None, each.port)]
        if not asked and table.whole:
            report.find("servers", Verdict.CRIT, f"{wanted}{f':{port}' if port else ''} is no virtual server of this node")
        for each in asked:
            if not any(server.weight > 0 for server in each.servers):
                what = "has no real server" if not each.servers else f"has {len(each.servers)} real servers, all with weight 0"
                lines = [report.evidence("ip_vs", line) for line in (each.line, *(server.line for server in each.servers[:3]))]
                report.find("servers", Verdict.CRIT, f"{_name(each)} {what}: nobody answers", evidence=lines)
        return
    empty = [each for each in seen if not each.servers]
    drained = [each for each in seen if each.servers and not any(server.weight > 0 for server in each.servers)]
    for group, verdict, what in (
        (drained, Verdict.WARN, "only real servers of weight 0"),
        (empty, Verdict.INFO, "no real server"),
    ):
        if group:
            say = f"{len(group)} virtual servers have {what} ({some(map(_name, group))})"
            report.find(
                "servers", verdict, say, value=len(group), evidence=[report.evidence("ip_vs", each.line) for each in group[:5]]
            )


def _processes(report: Report) -> Processes | None:
    section = report.sections.get("kp")
    if section is None or section.rc == 127:
        return None
    found = read(report.need("kp"), parse_processes)
    if not found.addresses_whole:
        report.unknown(Reason.TRUNCATED, "kp has no closing line: what it does not show may still be there")
        return None
    return found


def _judge_addresses(report: Report, table: IpVs, processes: Processes) -> None:
    """Every service address must be on kube-ipvs0, or the kernel does not take its packets in."""
    if not processes.ipvs_line:
        say = "ipvs has virtual servers but the device kube-ipvs0 is not there: kube-proxy does not own them"
        report.find("addresses", Verdict.CRIT, say, evidence=[report.evidence("ip_vs", table.virtual[0].line)])
        return
    if not processes.ipvs_addresses:
        return
    own = set(processes.ipvs_addresses)
    lost = [each for each in table.virtual if each.ip not in own and each.port not in _NODE_PORTS and ":" not in each.ip]
    if lost:
        say = f"{len(lost)} virtual servers have an address that is not on kube-ipvs0 ({some(map(_name, lost))})"
        lines = [report.evidence("ip_vs", each.line) for each in lost[:4]]
        report.find(
            "addresses", Verdict.CRIT, say, value=len(lost), evidence=[*lines, report.evidence("kp", processes.ipvs_line)]
        )


def _knobs(text: str) -> dict[str, Knob]:
    files = split_files(text)
    if not files.complete:
        raise ParseError("the closing line is missing, so it was cut", Reason.TRUNCATED)
    return {path.rpartition("/")[2]: Knob(files.text(path).strip(), Line("ipvs_knobs", files.line_of(path))) for path in files}


def _judge_knobs(report: Report) -> None:
    if "ipvs_knobs" not in report.sections:
        return
    knobs = read(report.need("ipvs_knobs"), _knobs)

    def line(name: str) -> list[Evidence]:
        return evidence(report, [knobs[name].line])

    if "conntrack" in knobs and knobs["conntrack"].value != "1":
        say = "net.ipv4.vs.conntrack is not 1: masqueraded answers do not find their connection"
        report.find("vs_conntrack", Verdict.CRIT, say, value=knobs["conntrack"].value, evidence=line("conntrack"))
    if "expire_nodest_conn" in knobs and knobs["expire_nodest_conn"].value != "1":
        say = "net.ipv4.vs.expire_nodest_conn is not 1: connections to endpoints that are gone linger"
        report.find("expire_nodest", Verdict.WARN, say, evidence=line("expire_nodest_conn"))
    if "conn_reuse_mode" in knobs and "kernel" in report.sections:
        _judge_reuse(report, knobs["conn_reuse_mode"].value, line("conn_reuse_mode"))


def _judge_reuse(report: Report, value: str, lines: list[Evidence]) -> None:
    release = read(report.need("kernel"), parse_release)
    lines = [*lines, report.evidence("kernel", 1)]
    if value == "0" and not release.below(_REUSE_FIXED):
        say = f"conn_reuse_mode is 0 on kernel {release.short}: reused source ports go to endpoints that are gone"
        report.find("conn_reuse", Verdict.WARN, say, evidence=lines)
    elif value == "1" and release.below(_REUSE_FIXED) and not release.below(_REUSE_SINCE) and not release.is_vendor_backport:
        say = f"conn_reuse_mode is 1 on kernel {release.short}: a reused source port waits one second to connect"
        report.find("conn_reuse", Verdict.WARN, say, evidence=lines)


def _judge_hairpin(report: Report) -> None:
    if not any(report.sections.get(collector.name) for collector in SAVES):
        return
    try:
        found = models(report)
    except EvidenceError as error:
        report.unknown(error.reason, error.say)
        return
    model = main_model(found, 4)
    chain = model.rules.chain("nat", "KUBE-POSTROUTING") if model else None
    if model is None or chain is None or not model.rules.whole(chain):
        if model is not None:
            report.unknown(Reason.TRUNCATED, "KUBE-POSTROUTING is not whole in this capture of the rules")
        return
    if not any("KUBE-LOOP-BACK" in rule.value("match-set") and rule.target == "MASQUERADE" for rule in chain.rules):
        say = "KUBE-POSTROUTING does not masquerade the set KUBE-LOOP-BACK: pods cannot reach themselves by their service"
        lines = evidence(report, [Line(model.rules.section, chain.line or chain.rules[0].line)])
        report.find("loop_back", Verdict.WARN, say, evidence=lines)


_SOURCE = "kube-proxy pkg/proxy/ipvs; kernel ipvs-sysctl"
_REUSE = "Kubernetes issues 93297, 81775, 70747"

STATE = Probe(
    id="ipvs.state",
    title="kube-proxy's virtual servers (ipvs mode)",
    question="Does every virtual server have someone behind it, and is ipvs set as kube-proxy needs it?",
    collectors=(IP_VS, IPVS_KNOBS, KUBE_PROXY, KERNEL, *SAVES),
    judge=_judge,
    facts=(
        FactSpec("virtual_servers", "list", "ip, port, proto, scheduler, flags, servers; 500 at most"),
        FactSpec("virtual_count", "int", "virtual servers"),
        FactSpec("real_count", "int", "real servers of all of them"),
    ),
    rules=(
        Rule(
            "servers", "a virtual server has nobody behind it", _SOURCE, "look at the pods' readiness and the service's selector"
        ),
        Rule("addresses", "a virtual server's address is not on kube-ipvs0", _SOURCE, "restart kube-proxy"),
        Rule("vs_conntrack", "ipvs does not keep connections tracked", _SOURCE, "net.ipv4.vs.conntrack = 1"),
        Rule("conn_reuse", "conn_reuse_mode does not fit the kernel", _REUSE, "0 on kernels 4.1 to 5.8, 1 from 5.9 on"),
        Rule("expire_nodest", "connections to gone endpoints linger", _SOURCE, "net.ipv4.vs.expire_nodest_conn = 1"),
        Rule("loop_back", "hairpin traffic is not masqueraded", _SOURCE, "restart kube-proxy"),
    ),
    sources=(_SOURCE, _REUSE, "KEP-5495: ipvs mode is deprecated from Kubernetes 1.35 on"),
    params=(
        Param("vip", "ip", help="only this service address: nobody behind it is then a fault"),
        Param("port", "port", help="only this port of it"),
    ),
)

PROBES = (STATE,)
