"""ipv6.server: can this host serve a site over IPv6? The whole way in order, up to the first thing that is broken.

The order is that of the writeup on IPv6 for an Ubuntu server: switch, address, tunnel where there is no native address, route,
firewall, name servers, sockets, nginx. What comes after a crit is not judged: it would only repeat it. The site's records and a
look at the Internet send traffic; they are probes of their own, and named last.
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.collectors.base import Collector
from checks.params import Param
from checks.probes import (
    ipv6_addr,
    ipv6_dns,
    ipv6_enabled,
    ipv6_firewall,
    ipv6_listeners,
    ipv6_nginx,
    ipv6_route,
    ipv6_tunnel,
)
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Finding, ProbeResult, Verdict

_BAD = (Verdict.WARN, Verdict.CRIT)


@dataclass(frozen=True)
class Step:
    """One step of the way: its name, which is the rule's too, and the probe that judges it."""

    name: str
    probe: Probe


def _step(name: str, module_probes: tuple[Probe, ...]) -> Step:
    return Step(name, next(probe for probe in module_probes if probe.id == f"ipv6.{name}"))


STEPS = (
    _step("enabled", ipv6_enabled.PROBES),
    _step("addr", ipv6_addr.PROBES),
    _step("tunnel", ipv6_tunnel.PROBES),
    _step("route", ipv6_route.PROBES),
    _step("firewall", ipv6_firewall.PROBES),
    _step("dns", ipv6_dns.PROBES),
    _step("listeners", ipv6_listeners.PROBES),
    _step("nginx", ipv6_nginx.PROBES),
)


def judge_server(report: Report) -> None:
    results: dict[str, ProbeResult] = {}
    broken = ""
    for step in STEPS:
        if broken:
            report.find(step.name, Verdict.INFO, f"{step.name}: not judged, {broken} comes first")
            continue
        result = results[step.name] = _run(report, step)
        _tell(report, step, result, _native_device(results) if step.name == "tunnel" else "")
        broken = step.name if report.findings[-1].verdict == Verdict.CRIT else ""
    for name, asked in _ACTIVE.items():
        report.find(name, Verdict.INFO, f"{name}: not judged here, because it {asked}; run ipv6.{name}")
    report.fact("steps", {step.name: str(results[step.name].verdict) if step.name in results else "not judged" for step in STEPS})
    report.fact("broken", broken or next((finding.rule for finding in report.findings if finding.verdict == Verdict.CRIT), None))
    report.fact("addresses", [row["ip"] for row in _global(results)])


def _run(report: Report, step: Step) -> ProbeResult:
    known = step.probe.section_names()
    sections = [section for name, section in report.sections.items() if name in known]
    params = {param.name: report.params.get(param.name, param.default) for param in step.probe.params}
    limits = {threshold.name: report.limits[threshold.name] for threshold in step.probe.thresholds}
    sub = Report(step.probe, sections, params, limits)
    sub.judge()
    return sub.result()


def _tell(report: Report, step: Step, result: ProbeResult, native: str) -> None:
    """The step's answer as one finding; a tunnel beside a native address decides nothing."""
    deciding = _deciding(result)
    says = f"{step.name}: {result.finding}"
    if result.verdict == Verdict.UNKNOWN and result.reason:
        report.unknown(result.reason, says, deciding.evidence, step.name)
    elif native and result.verdict in _BAD:
        report.find(step.name, Verdict.INFO, f"{says}; not needed, {native} has a native address", evidence=deciding.evidence)
    else:
        verdict = Verdict.INFO if result.verdict == Verdict.SKIPPED else result.verdict
        report.find(step.name, verdict, says, value=deciding.value, evidence=deciding.evidence, remedy=deciding.remedy)


def _deciding(result: ProbeResult) -> Finding:
    return next(f for f in result.findings if f.verdict == result.verdict and f.say == result.finding)


def _global(results: dict[str, ProbeResult]) -> list[dict[str, str]]:
    rows = results["addr"].facts.get("addrs", []) if "addr" in results else []
    return [row for row in rows if row["scope"] == "global"]


def _native_device(results: dict[str, ProbeResult]) -> str:
    """A device with a global address that is no tunnel."""
    tunnels = {tunnel["name"] for tunnel in results["tunnel"].facts.get("tunnels", [])}
    return next((row["dev"] for row in _global(results) if row["dev"] not in tunnels), "")


def _collectors() -> tuple[Collector, ...]:
    """Those of the steps, each section once. What one step needs is optional when another can do without it."""
    found: dict[str, Collector] = {}
    for step in STEPS:
        for collector in step.probe.collectors:
            found.setdefault(collector.name, collector)
    return tuple(found.values())


def _thresholds() -> tuple[Threshold, ...]:
    return tuple({threshold.name: threshold for step in STEPS for threshold in step.probe.thresholds}.values())


_ACTIVE = {"names": "asks name servers", "reach": "sends to the Internet"}
_SAYS = {
    "enabled": "IPv6 is switched off",
    "addr": "no usable global address",
    "tunnel": "the tunnel is not sound, and there is no native address",
    "route": "no way out",
    "firewall": "the firewall drops what IPv6 needs, or the ports of the site",
    "dns": "name servers that cannot be reached",
    "listeners": "nobody listens over IPv6 on the ports of the site",
    "nginx": "nginx does not listen over IPv6 as over IPv4",
}

PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.server",
        title="A server over IPv6",
        question="Can this host serve a site over IPv6, and if not, what is the first thing in the way?",
        collectors=_collectors(),
        judge=judge_server,
        params=(
            Param("ports", "text", default="80,443", help="TCP ports of the site"),
            Param("server_name", "hostname", help="the site's name in nginx"),
            Param("iface", "iface", help="the device towards the Internet; all that lead outwards when it is left out"),
            Param("dst", "ip", default=ipv6_route.SOMEWHERE, help="a public IPv6 address to look up; nothing is sent to it"),
        ),
        thresholds=_thresholds(),
        facts=(
            FactSpec("steps", "dict", "verdict of each step in order, or not judged"),
            FactSpec("broken", "str", "the first step that is crit; null when there is none"),
            FactSpec("addresses", "list", "global IPv6 addresses"),
        ),
        rules=(
            *(Rule(step.name, _SAYS[step.name], f"probe {step.probe.id}") for step in STEPS),
            Rule("names", "the site's AAAA and NS records", "probe ipv6.names"),
            Rule("reach", "the Internet over IPv6", "probe ipv6.reach"),
        ),
        sources=("the probes ipv6.enabled, addr, tunnel, route, firewall, dns, listeners and nginx",),
        interval_s=5,
    ),
)
