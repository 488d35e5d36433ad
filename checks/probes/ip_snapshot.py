"""ip.snapshot: devices, addresses, routes, rules and neighbours of a host as facts, for comparison between hosts and in time.

It judges nothing by itself: the other probes of the family do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from checks.collectors.ip import ADDR, LINK, NEIGH, ROUTE4, ROUTE6, RULE4, RULE6
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.ip_facts import FACT_ROWS, address_fact, link_fact, neighbour_fact, route_fact, rule_fact
from checks.probes.ip_sections import Tables
from checks.results import Verdict


def judge(report: Report) -> None:
    tables = Tables(report)
    links, addresses, neighbours = tables.links(), tables.addresses(), tables.neighbours()
    routes, rules = [tables.routes(4), tables.routes(6)], [tables.rules(4), tables.rules(6)]
    if routes[0]:
        report.fact("variant", routes[0].tool)
    _tell(report, "links", link_fact, links.links if links else ())
    _tell(report, "addresses", address_fact, addresses.addresses if addresses else ())
    _tell(report, "routes", route_fact, [route for found in routes if found for route in found.routes])
    _tell(report, "rules", rule_fact, [rule for found in rules if found for rule in found.rules])
    _tell(report, "neighbours", neighbour_fact, neighbours.entries if neighbours else ())
    counts = ", ".join(f"{count} {name}" for name, count in report.facts["counts"].items())
    report.find("snapshot", Verdict.INFO, counts)
    tables.tell_absent()


def _tell(report: Report, name: str, as_fact: Callable[[Any], dict[str, Any]], rows: Iterable[Any]) -> None:
    found = list(rows)
    report.fact(name, [as_fact(row) for row in found[:FACT_ROWS]])
    report.fact("counts", {**report.facts.get("counts", {}), name: len(found)})


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ip.snapshot",
        title="The network of a host",
        question="Which devices, addresses, routes, rules and neighbours does this host have?",
        collectors=(LINK, ADDR, ROUTE4, ROUTE6, RULE4, RULE6, NEIGH),
        judge=judge,
        facts=(
            FactSpec("variant", "str", "json, iproute2, busybox or procfs: what the routes were read from"),
            FactSpec("counts", "dict", "how many of each there are"),
            FactSpec("links", "list", f"the first {FACT_ROWS} devices"),
            FactSpec("addresses", "list", f"the first {FACT_ROWS} addresses"),
            FactSpec("routes", "list", f"the first {FACT_ROWS} routes of all tables"),
            FactSpec("rules", "list", f"the first {FACT_ROWS} policy rules"),
            FactSpec("neighbours", "list", f"the first {FACT_ROWS} neighbours"),
        ),
        rules=(Rule("snapshot", "what there is, without judgement", "ip(8)"),),
        sources=("ip(8)",),
    ),
)
