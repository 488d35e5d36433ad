"""ip.route and ip.rule: are the routes and policy rules of this host sound in themselves?

Knowledge: kernel and iproute2 documentation, network namespace laboratory, calico and flannel issues named in the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from checks.analyzers import route_faults as faults
from checks.analyzers.ip_fault import Fault
from checks.analyzers.route_order import lacks_default, lacks_way_to
from checks.analyzers.rule_faults import empty_tables, local_rule
from checks.collectors.ip import LINK, ROUTE4, ROUTE6, RULE4, RULE6, TABLES
from checks.errors import EvidenceError, ParseError
from checks.params import Param
from checks.parsers.ip_link import Links
from checks.parsers.ip_prefix import Prefix
from checks.parsers.ip_route import Routes
from checks.parsers.reading import read_file
from checks.parsers.rt_tables import parse_rt_tables
from checks.probes.base import FactSpec, Probe, Report
from checks.probes.ip_facts import FACT_ROWS, route_fact, rule_fact
from checks.probes.ip_rules import rules
from checks.probes.ip_sections import Tables, find_all, lines
from checks.results import Reason, Verdict


def judge_routes(report: Report) -> None:
    tables = Tables(report)
    routes, routes6, links = tables.routes(4), tables.routes(6), tables.links()
    wanted = [_prefix(word) for word in str(report.params.get("expect") or "").replace(",", " ").split()]
    known = [found for found in (routes, routes6) if found is not None]
    _facts(report, known)
    if routes:
        _judge_default(report, routes, links)
        find_all(report, faults.two_plugins(routes, links))
    for found in known:
        others = routes6.routes if routes6 and found is routes else ()
        _judge_family(report, found, faults.gateways_off_link(found, others), links)
    if wanted:
        _judge_expected(report, wanted, known)
    tables.tell_absent()


def _prefix(word: str) -> Prefix:
    try:
        return Prefix.parse(word)
    except ParseError:
        raise ParseError(f"expect: {word[:40]!r} is not a network such as 10.244.1.0/24", Reason.PARAM_INVALID) from None


def _facts(report: Report, known: list[Routes]) -> None:
    everything = [route for routes in known for route in routes.routes]
    report.fact("variant", known[0].tool if known else "none")
    report.fact("route_count", len(everything))
    report.fact("routes", [route_fact(route) for route in everything[:FACT_ROWS]])
    report.fact("default_routes", [route_fact(route) for routes in known for route in faults.defaults(routes)])
    report.fact("unread_words", sorted({word for route in everything for word in route.extra}))


def _judge_default(report: Report, routes: Routes, links: Links | None) -> None:
    services = report.params.get("services")
    fault = faults.no_default(routes, (link.name for link in links.links) if links else (), services and Prefix.parse(services))
    if fault:
        _find_absent(report, routes, [fault], lambda _: lacks_default(routes))
        return
    best = faults.defaults(routes)[0]
    table = "" if best.table == "main" else f" (table {best.table})"
    says = f"the default route goes {faults.way(best)}{table}"
    report.find("R01", Verdict.OK, says, evidence=[report.evidence("route4", best.line)])


def _judge_family(report: Report, routes: Routes, off_link: list[Fault], links: Links | None) -> None:
    name = f"IPv{4 if routes.routes and routes.routes[0].family == 4 else 6}"
    gateways = {hop.gateway for route in routes.routes for hop in route.nexthops if hop.gateway}
    if not routes.routes:
        return
    if not _find_absent(report, routes, off_link, lambda fault: lacks_way_to(routes, fault.value)) and gateways:
        report.find("R02", Verdict.OK, f"{name} gateways within reach of their devices: {len(gateways)} of {len(gateways)}")
    if not find_all(report, faults.dead_ways(routes, links)) and links:
        report.find("R03", Verdict.OK, f"none of {len(routes.routes)} {name} routes that are in use leaves by a dead device")
    if not find_all(report, faults.doubles(routes)):
        report.find("R06", Verdict.OK, f"no two of {len(routes.routes)} {name} routes contradict each other")
    if not find_all(report, faults.rival_defaults(routes, links)) and faults.defaults(routes):
        report.find("R21", Verdict.OK, f"the best {name} default route has no rival")


def _find_absent(report: Report, routes: Routes, found: list[Fault], is_proven: Callable[[Fault], bool]) -> bool:
    """Faults that consist in something not being there: a paste proves them by its end, or by its order."""
    proven = [fault for fault in found if routes.shows_its_end or is_proven(fault)]
    find_all(report, proven)
    for fault in found:
        if fault not in proven:
            says = f"{fault.say}; but this paste may not be whole: ip route show table all shows its end"
            report.unknown(Reason.MISSING, says, lines(report, *fault.lines), fault.rule)
    return bool(found)


def _judge_expected(report: Report, wanted: list[Prefix], known: list[Routes]) -> None:
    missing = [prefix for prefix in wanted if all(prefix in faults.without_route([prefix], routes) for routes in known)]
    if missing:
        names = ", ".join(str(prefix) for prefix in missing[:5])
        says = f"{len(missing)} of {len(wanted)} expected networks have no route of their own: {names}"
        if all(routes.shows_its_end for routes in known):
            report.find("R07", Verdict.CRIT, says, value=len(missing))
        else:
            report.unknown(Reason.MISSING, f"{says}; but this paste may not be whole", rule="R07")
    else:
        report.find("R07", Verdict.OK, f"expected networks with a route of their own: {len(wanted)} of {len(wanted)}")


def judge_rules(report: Report) -> None:
    tables = Tables(report)
    found = {family: tables.rules(family) for family in (4, 6)}
    routes = {family: tables.routes(family) for family in (4, 6)}
    report.fact("tables", _table_names(report))
    report.fact("rules", [rule_fact(rule) for rules in found.values() if rules for rule in rules.rules])
    for family, policy in found.items():
        if policy is None:
            continue
        if not find_all(report, local_rule(policy, family)):
            line = policy.rules[0].line if policy.rules else 0
            evidence = [report.evidence(f"rule{family}", line)] if line else []
            report.find("R22", Verdict.OK, f"IPv{family}: rule 0 looks up the host's own addresses first", evidence=evidence)
        known = routes[family]
        if known:
            find_all(report, empty_tables(policy, known, family))
    tables.tell_absent()


def _table_names(report: Report) -> dict[str, str]:
    """The names, which decide nothing: a host without the file has the kernel's own three."""
    try:
        names, _ = read_file(report.need("tables"), "/rt_tables", parse_rt_tables)
    except EvidenceError:
        return {}
    return {str(number): name for number, name in names.items()}


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ip.route",
        title="Routes",
        question="Are the routes of this host sound in themselves?",
        collectors=(ROUTE4, ROUTE6, LINK),
        judge=judge_routes,
        params=(
            Param("services", "cidr", help="the cluster's service network, for example 10.96.0.0/12"),
            Param(
                "expect", "text", help="networks that must have a route of their own, for example the pod networks of all peers"
            ),
        ),
        facts=(
            FactSpec("variant", "str", "json, iproute2, busybox or procfs: what the routes were read from"),
            FactSpec("route_count", "int", "routes of all tables"),
            FactSpec("routes", "list", f"the first {FACT_ROWS} routes"),
            FactSpec("default_routes", "list", "the default routes, best first"),
            FactSpec("unread_words", "list", "words of the output that are not known"),
        ),
        rules=rules("R01", "R02", "R03", "R06", "R07", "R21"),
        sources=("ip-route(8)", "projectcalico/calico#8481", "kernel Documentation/networking/ip-sysctl.rst"),
    ),
    Probe(
        id="ip.rule",
        title="Policy rules",
        question="Do the policy rules lead to the tables they should?",
        collectors=(RULE4, RULE6, replace(ROUTE4, optional=True), ROUTE6, TABLES),
        judge=judge_rules,
        facts=(
            FactSpec("rules", "list", "the policy rules in the order they are tried"),
            FactSpec("tables", "dict", "names of routing tables by number"),
        ),
        rules=rules("R22", "R23"),
        sources=("ip-rule(8)", "cilium moves the local rule to priority 100"),
    ),
)
