"""ip.effective and ip.rp_filter: the switches the kernel really acts on, and whether the source check lets a sender in.

Knowledge: kernel Documentation/networking/ip-sysctl.rst (how ``all`` and a device's value combine), projectcalico/felix#1322 and
#2082, and a two-node laboratory in which switching forwarding off stopped proxy ARP as well.
"""

from __future__ import annotations

import re
from dataclasses import replace

from checks.analyzers.cni_devices import CALICO_WORKLOAD, is_node, plugin_of
from checks.analyzers.counters import growth
from checks.analyzers.route_faults import defaults
from checks.analyzers.route_tables import Flow
from checks.analyzers.rp_filter import Incoming, SourceCheck, own_devices
from checks.collectors.ip import CONF, LINK, ROUTE4, RULE4
from checks.collectors.sockets import LISTEN_COUNTERS
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.ip_conf import Conf, parse_conf
from checks.parsers.ip_prefix import Address
from checks.parsers.net_snmp import parse_snmp
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report
from checks.probes.ip_rules import rules
from checks.probes.ip_sections import Tables, fib_of, lines
from checks.results import Reason, Verdict

_SHOWN = ("forwarding", "rp_filter", "proxy_arp", "route_localnet", "accept_local", "arp_ignore", "ignore_routes_with_linkdown")
_CONTAINERS = re.compile(r"^(docker0|br-[0-9a-f]{12}|virbr\d+|cni-podman\d+|podman\d+|lxdbr\d+)$")
_FIRST_WITHOUT_RPF_EXIT = (3, 12)


def judge_effective(report: Report) -> None:
    tables = Tables(report)
    conf = tables.want("conf", lambda text: parse_conf(text, partial=True))
    if conf is None:
        raise EvidenceError("the switches (conf) were not collected", Reason.MISSING, "conf")
    routes = tables.routes(4)
    outward = sorted({dev for route in defaults(routes) for dev in route.devices}) if routes else []
    table = {dev: {name: conf.effective(dev, name) for name in _SHOWN} for dev in conf.devices}
    for dev, values in table.items():
        values["proxy_delay"] = conf.neigh.get(dev, {}).get("proxy_delay")
    report.fact("effective", table)
    report.fact("ip_forward", conf.single.get("ip_forward"), "conf", conf.single_lines.get("ip_forward", 0))
    _judge_forwarding(report, conf, outward)
    _judge_proxy_arp(report, conf)
    _judge_calico_loose(report, conf)
    if not conf.complete:
        report.unknown(Reason.TRUNCATED, "the list of switches does not show all devices: it was cut or picked from")
    tables.tell_absent()


def _judge_forwarding(report: Report, conf: Conf, outward: list[str]) -> None:
    asked = report.params.get("forwards") or "auto"
    node = is_node(conf.devices) or asked == "yes"
    containers = [dev for dev in conf.devices if _CONTAINERS.match(dev)]
    value = conf.single.get("ip_forward")
    line = lines(report, ("conf", conf.single_lines.get("ip_forward", 0), ""))
    if value is None:
        report.unknown(Reason.MISSING, "net.ipv4.ip_forward is not in the output", rule="R14")
    elif asked == "no" or not (node or containers or (value == 0 and not conf.complete)):
        report.find("R14", Verdict.INFO, f"ip_forward is {value}; nothing here asks for forwarding", value=value, evidence=line)
    elif value == 0 and not node and not conf.complete:
        report.unknown(
            Reason.TRUNCATED, "ip_forward is 0; whether anything here forwards cannot be told from these devices", line, "R14"
        )
    elif value == 0:
        why = (
            "on a Kubernetes node"
            if is_node(conf.devices)
            else "although this host must forward"
            if node
            else f"while {containers[0]} serves containers"
        )
        report.find("R14", Verdict.CRIT if node else Verdict.WARN, f"ip_forward is 0 {why}", value=0, evidence=line)
    else:
        legs = [dev for dev in conf.devices if (plugin_of(dev) not in ("", "kube-proxy") or dev in outward)]
        off = [dev for dev in legs if conf.own(dev, "forwarding") == 0]
        if off:
            says = f"forwarding is 0 on {len(off)} of {len(legs)} legs: {', '.join(off[:5])}"
            evidence = lines(report, *(("conf", conf.line(dev), "forwarding=0") for dev in off[:5]))
            report.find("R14", Verdict.CRIT, says, value=len(off), evidence=evidence)
        else:
            report.find(
                "R14",
                Verdict.OK,
                f"ip_forward is {value}, and {len(legs)} of {len(legs)} legs forward",
                value=value,
                evidence=line,
            )


def _judge_proxy_arp(report: Report, conf: Conf) -> None:
    mine = [dev for dev in conf.devices if CALICO_WORKLOAD.match(dev)]
    off = [dev for dev in mine if conf.effective(dev, "proxy_arp") == 0]
    if off:
        says = f"proxy_arp is 0 on {len(off)} of {len(mine)} calico devices: {', '.join(off[:5])}"
        evidence = lines(report, *(("conf", conf.line(dev), "proxy_arp=0") for dev in off[:5]))
        report.find("R15", Verdict.CRIT, says, value=len(off), evidence=evidence)
    elif mine:
        report.find("R15", Verdict.OK, f"calico devices with proxy_arp: {len(mine)} of {len(mine)}")


def _judge_calico_loose(report: Report, conf: Conf) -> None:
    version = str(report.params.get("calico_version") or "")
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    if version and not numbers:
        raise EvidenceError(f"calico_version must be a version such as 3.11.2, not {version[:40]!r}", Reason.PARAM_INVALID)
    if not numbers or conf.own("all", "rp_filter") is None:
        return
    value, evidence = conf.own("all", "rp_filter"), lines(report, ("conf", conf.line("all"), "rp_filter=2"))
    old = (int(numbers[1]), int(numbers[2])) < _FIRST_WITHOUT_RPF_EXIT
    if old and value == 2:
        says = f"all.rp_filter is 2 (loose) and calico is {version}: felix ends at once"
        report.find("R13", Verdict.CRIT, says, value=value, evidence=evidence)
    else:
        report.find(
            "R13", Verdict.OK, f"all.rp_filter is {value}, which calico {version} accepts", value=value, evidence=evidence
        )


def judge_rp_filter(report: Report) -> None:
    tables = Tables(report)
    dropped = _dropped(report)
    conf, links, routes, policy = tables.conf(), tables.links(), tables.routes(4), tables.rules(4)
    if conf is None or routes is None or policy is None:
        tables.tell_absent()
        return
    dev, src = report.params["iif"], Address.parse(report.params["src"])
    dst = Address.parse(report.params["dst"]) if report.params.get("dst") else src
    if src.family == 6 or dst.family == 6:
        report.skip("IPv6 has no rp_filter; ip6tables may hold an rpfilter match instead")
        return
    if dev not in conf.devs:
        report.find("R12", Verdict.CRIT, f"there is no device {dev} on this host")
        return
    fib = fib_of(routes, policy, links, conf)
    flow, way = Flow(dst, src, dev), fib.lookup(Flow(dst, src, dev))
    leaves_by = way.devices[0] if report.params.get("dst") and way.devices else ""
    check = Incoming(fib, conf, own_devices(fib)).check_source(flow, leaves_by)
    _judge_source(report, flow, check, conf, dropped)
    tables.tell_absent()


def _judge_source(report: Report, flow: Flow, check: SourceCheck, conf: Conf, dropped: int | None) -> None:
    dev, route = flow.iif, check.back.route if check.back else None
    report.fact("mode", check.mode, "conf", conf.line(dev))
    report.fact("passes", check.passes)
    report.fact("route_back", str(route) if route else None)
    report.fact("dropped_delta", dropped)
    places = [("conf", conf.line(dev), f"rp_filter={conf.own(dev, 'rp_filter')}"), ("conf", conf.line("all"), "")]
    evidence = lines(report, *places, *([("route4", route.line, "")] if route else []))
    if check.passes is None:
        report.unknown(Reason.UNPARSED, f"whether {flow.src} passes on {dev} cannot be told: {check.why}", evidence, "R12")
    elif check.passes:
        report.find("R12", Verdict.OK, f"{flow.src} passes on {dev}: {check.why}", value=check.mode, evidence=evidence)
    else:
        proof = "" if dropped is None else f"; {dropped} packets were dropped so between the samples"
        says = f"packets from {flow.src} are dropped on {dev}: {check.why}{proof}"
        report.find("R12", Verdict.CRIT if dropped else Verdict.WARN, says, value=check.mode, evidence=evidence)


def _dropped(report: Report) -> int | None:
    """Packets that the source check of any device dropped between the samples; None when nobody counted."""
    if not {"netstat_a", "netstat_b"} & set(report.sections):
        return None
    name = "IPReversePathFilter"
    before, after = (read(report.need(sample), parse_snmp).get("TcpExt", {}) for sample in ("netstat_a", "netstat_b"))
    return growth(name, before[name], after[name], "netstat_b", after[name].line) if name in before and name in after else None


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ip.effective",
        title="Forwarding and ARP switches",
        question="Which switches does the kernel really act on, and do they let packets through?",
        collectors=(CONF, ROUTE4),
        judge=judge_effective,
        params=(
            Param(
                "forwards",
                "enum",
                "auto",
                "whether this host must forward; auto: as its devices say",
                choices=("auto", "yes", "no"),
            ),
            Param("calico_version", "text", help="the calico version, for the check of loose rp_filter"),
        ),
        facts=(
            FactSpec("effective", "dict", "per device: forwarding, rp_filter, proxy_arp and others as the kernel acts on them"),
            FactSpec("ip_forward", "int", "net.ipv4.ip_forward"),
        ),
        rules=rules("R13", "R14", "R15"),
        sources=("kernel Documentation/networking/ip-sysctl.rst", "projectcalico/felix#1322, #2082"),
    ),
    Probe(
        id="ip.rp_filter",
        title="Source check of incoming packets",
        question="Does the kernel accept packets from this source on this device?",
        collectors=(CONF, ROUTE4, RULE4, LINK, replace(LISTEN_COUNTERS, optional=True)),
        judge=judge_rp_filter,
        interval_s=3,
        params=(
            Param("src", "ip", required=True, help="the sender's address, for example a pod's"),
            Param("iif", "iface", required=True, help="the device its packets come in by"),
            Param("dst", "ip", help="where they go; matters only for policy rules"),
        ),
        facts=(
            FactSpec("mode", "int", "rp_filter as the kernel acts on it: the greater of all and the device's"),
            FactSpec("passes", "bool", "the source is accepted"),
            FactSpec("dropped_delta", "int", "packets that any device's source check dropped between the samples"),
            FactSpec("route_back", "str", "the route to the source"),
        ),
        rules=rules("R12"),
        sources=("RFC 3704", "kernel net/ipv4/fib_frontend.c, compared with ip route get in a laboratory"),
    ),
)
