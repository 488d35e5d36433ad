"""ipv6.route: do IPv6 packets of this host leave for the Internet?

Knowledge: iproute2 and kernel documentation; the limit of the destination cache ended with kernel commit af6d10345ca7 (6.3).
The address that is looked up is not spoken to: the kernel only says which way it would take.
"""

from __future__ import annotations

from dataclasses import replace

from checks.analyzers.ipv6_routes import is_advertised, is_renewed, ways_out
from checks.analyzers.kernel_version import parse_release
from checks.analyzers.route_faults import dead_way, way
from checks.collectors.ip import LINK, ROUTE6, ROUTE_GET
from checks.collectors.ipv6 import ROUTE6_AGAIN, ROUTE6_SIZE
from checks.errors import EvidenceError, ParseError
from checks.params import Param
from checks.parsers.ip_link import Links, parse_links
from checks.parsers.ip_prefix import Address
from checks.parsers.ip_route import Route, Routes, parse_routes
from checks.parsers.ip_route_get import KernelAnswer, parse_route_get
from checks.parsers.reading import read_file
from checks.parsers.rt6_stats import parse_rt6_stats
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.probes.ip_facts import route_fact
from checks.probes.ip_sections import Tables, lines
from checks.results import Evidence, Reason, Verdict

SOMEWHERE = "2001:4860:4860::8888"
"""A public address that the writeup names; only looked up in the tables."""

_LIMITED_BEFORE = (6, 3, 0)
DEFAULT_ROUTES = FactSpec("default_routes", "list", "the routes that lead out, best first")


def judge_route(report: Report) -> None:
    tables = Tables(report)
    routes = tables.routes(6)
    if routes is None:
        raise EvidenceError("the IPv6 routes (route6) were not collected", Reason.MISSING)
    links = tables.want("link", parse_links)
    again = routes_again(tables)
    kernel = _ask_kernel(report, tables)
    if not (kernel and kernel.error):
        not_empty(routes)
    ways = ways_out(routes)
    report.fact("variant", routes.tool)
    report.fact("default_routes", [route_fact(route) for route in ways], *(("route6", ways[0].line) if ways else ("", 0)))
    report.fact("route_count", len(routes.routes))
    if ways:
        _judge_ways(report, ways, links, kernel)
        judge_expiry(report, ways[0], again, "expiring", Verdict.WARN)
    else:
        _judge_none(report, routes, kernel)
    if "route6_size" in report.sections:
        _judge_size(report)


def not_empty(routes: Routes) -> None:
    """A host whose devices speak IPv6 has routes. Raises EvidenceError for a table without any, which tells nothing."""
    if not routes.routes and routes.tool != "none":
        raise EvidenceError("route6 lists no IPv6 route at all", Reason.EMPTY, "route6")


def routes_again(tables: Tables) -> Routes | None:
    """The second look at the routes; None when there was none."""
    return tables.want("route6_again", lambda text: parse_routes(text, 6))


def _ask_kernel(report: Report, tables: Tables) -> KernelAnswer | None:
    answers = tables.want("route_get", lambda text: parse_route_get(text, 6))
    if answers is None:
        return None
    hop = answers.full.route.nexthops[0] if answers.full.route and answers.full.route.nexthops else None
    report.fact("kernel_dev", hop.dev if hop else None, "route_get", answers.full.line)
    report.fact("kernel_gateway", hop.gateway or None if hop else None)
    report.fact("kernel_src", answers.full.route.src or None if answers.full.route else None)
    report.fact("kernel_error", answers.full.error)
    return answers.full


def _judge_ways(report: Report, ways: list[Route], links: Links | None, kernel: KernelAnswer | None) -> None:
    best = [route for route in ways if (route.table, route.metric) == (ways[0].table, ways[0].metric)]
    evidence = lines(report, *(("route6", route.line, "") for route in best))
    dead = [why and f"{hop.dev} {why}" for route in best for hop in route.nexthops for why in [dead_way(hop, links)]]
    if dead and all(dead):
        report.find("dead_device", Verdict.CRIT, f"the default route leaves by a dead device: {dead[0]}", evidence=evidence)
    elif kernel and kernel.error:
        dst = report.params.get("dst") or SOMEWHERE
        says = f"a default route is there, yet the kernel's answer for {dst} is {kernel.error}"
        report.find("no_way", Verdict.CRIT, says, value=kernel.error, evidence=[*_told(report, kernel), *evidence])
    else:
        report.find("no_default", Verdict.OK, f"{ways[0].name} leads out {way(ways[0])}", evidence=evidence)


def _judge_none(report: Report, routes: Routes, kernel: KernelAnswer | None) -> None:
    if kernel and kernel.route and kernel.route.type == "unicast" and (not report.params.get("dst") or _is_public(report)):
        says = f"no default route among {len(routes.routes)}, yet the kernel has a way: {way(kernel.route)}"
        report.find("no_default", Verdict.INFO, says, evidence=_told(report, kernel))
        return
    refused = [route for route in routes.routes if route.is_default and route.type != "unicast"]
    says = f"none of {len(routes.routes)} IPv6 routes leads out: no default route"
    if refused:
        says += f" but {refused[0].name}"
    shown = refused or [route for route in routes.routes if route.type == "unicast"][:5]
    evidence = [*_told(report, kernel), *lines(report, *(("route6", route.line, "") for route in shown))]
    report.find("no_default", Verdict.CRIT, says, value=0, evidence=evidence)


def _is_public(report: Report) -> bool:
    return Address.parse(report.params["dst"]).within("2000::/3")


def _told(report: Report, kernel: KernelAnswer | None) -> list[Evidence]:
    return lines(report, ("route_get", kernel.line, "")) if kernel else []


def judge_expiry(report: Report, route: Route, again: Routes | None, rule: str, bad: Verdict) -> None:
    """Whether an advertised route that runs out soon was renewed at a second look."""
    if not is_advertised(route) or route.expires_s is None or route.expires_s >= report.limits["expires_s_warn"]:
        return
    says = f"the advertised default route {way(route)} expires in {route.expires_s} s"
    evidence = lines(report, ("route6", route.line, ""))
    if again is None:
        report.unknown(Reason.MISSING, f"{says}; whether it is renewed needs a second look", evidence, rule)
    elif is_renewed(route, again):
        report.find(rule, Verdict.OK, f"{says}, and was renewed since", value=route.expires_s, evidence=evidence)
    else:
        says = f"{says} and was not renewed"
        report.find(rule, bad, says, value=route.expires_s, limit="expires_s_warn", evidence=evidence)


def _judge_size(report: Report) -> None:
    section = report.need("route6_size")
    release, shift = read_file(section, "/osrelease", lambda text: text)
    version = parse_release(release).version
    stats, stats_at = read_file(section, "/rt6_stats", parse_rt6_stats)
    limit, limit_at = read_file(section, "/max_size", _read_number)
    report.fact("entries", stats.entries, "route6_size", stats_at + 1)
    report.fact("max_size", limit, "route6_size", limit_at + 1)
    evidence = lines(report, ("route6_size", stats_at + 1, ""), ("route6_size", limit_at + 1, ""), ("route6_size", shift + 1, ""))
    ratio = stats.entries / limit if limit > 0 else 0.0
    if version < _LIMITED_BEFORE and ratio >= report.limits["entries_ratio_warn"]:
        says = f"{stats.entries} of at most {limit} IPv6 destinations; beyond that connections fail with ENETUNREACH"
        report.find("table_full", Verdict.WARN, says, value=round(ratio, 4), limit="entries_ratio_warn", evidence=evidence)
    else:
        report.find("table_full", Verdict.OK, f"{stats.entries} IPv6 destinations are not near a limit", value=round(ratio, 4))


def _read_number(text: str) -> int:
    if not text.strip().isascii() or not text.strip().isdigit() or len(text) > 20:
        raise ParseError(f"{text.strip()[:40]!r} is not a number", line=1)
    return int(text)


EXPIRES = Threshold(
    "expires_s_warn",
    60,
    "s",
    "an advertised default route with less left is looked at twice",
    "routers announce every 10 minutes",
)

PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.route",
        title="IPv6 routes",
        question="Do IPv6 packets of this host leave for the Internet?",
        collectors=(
            ROUTE6,
            ROUTE6_AGAIN,
            replace(LINK, optional=True),
            replace(ROUTE_GET, args=("dst",), optional=True),
            ROUTE6_SIZE,
        ),
        judge=judge_route,
        params=(Param("dst", "ip", default=SOMEWHERE, help="a public IPv6 address to look up; nothing is sent to it"),),
        thresholds=(
            EXPIRES,
            Threshold("entries_ratio_warn", 0.8, "ratio", "destinations against route/max_size before 6.3", "the table's limit"),
        ),
        facts=(
            FactSpec("variant", "str", "json, iproute2, busybox or procfs: what this was read from"),
            DEFAULT_ROUTES,
            FactSpec("route_count", "int", "IPv6 routes of all tables"),
            FactSpec("kernel_dev", "str", "the device the kernel would leave by"),
            FactSpec("kernel_gateway", "str", "the gateway it would use"),
            FactSpec("kernel_src", "str", "the source address it would choose"),
            FactSpec("kernel_error", "str", "the errno of the lookup; empty when there is a way"),
            FactSpec("entries", "int", "entries of the destination cache"),
            FactSpec("max_size", "int", "net.ipv6.route.max_size"),
        ),
        rules=(
            Rule(
                "no_default",
                "no IPv6 route leads out",
                "ip-route(8)",
                "find out whether the router advertises one (ipv6.ra), or add it; a router in fe80:: needs its dev",
            ),
            Rule(
                "dead_device",
                "the default route leaves by a device that is missing, down or without carrier",
                "ip-route(8)",
                "bring the device up; with several routers remove the dead route at its owner",
            ),
            Rule(
                "no_way",
                "the kernel has no way although a default route is there",
                "errno of ip route get, compared in a laboratory",
                "read the policy rules (ip.rule), and error routes that are more specific than the default",
            ),
            Rule(
                "expiring",
                "the advertised default route runs out and was not renewed",
                "RFC 4861",
                "see whether the kernel still hears router advertisements (ipv6.ra)",
            ),
            Rule(
                "table_full",
                "the destination cache is near its limit on a kernel before 6.3",
                "kernel commit af6d10345ca7",
                "raise net.ipv6.route.max_size in sysctl.d",
            ),
        ),
        sources=("ip-route(8)", "RFC 4861", "kernel Documentation/networking/ip-sysctl.rst"),
    ),
)
