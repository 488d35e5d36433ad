"""ip.neigh and ip.neigh_changes: do the next hops answer, and who answers for whom?

Knowledge: kernel neighbour states.
"""

from __future__ import annotations

from checks.analyzers.neighbour_table import NextHop, changes, doubles, silent
from checks.analyzers.route_faults import defaults
from checks.analyzers.route_tables import Flow
from checks.collectors.ip import NEIGH, NEIGH_AGAIN, NEIGH_SAMPLES, ROUTE4, ROUTE6, RULE4, RULE6
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.ip_neigh import Neighbours
from checks.parsers.ip_prefix import Address
from checks.parsers.ip_route import Route
from checks.probes.base import FactSpec, Probe, Report, Threshold
from checks.probes.ip_facts import FACT_ROWS, neighbour_fact
from checks.probes.ip_rules import rules
from checks.probes.ip_sections import Tables, find_all, lines
from checks.results import Reason, Verdict


def judge_neigh(report: Report) -> None:
    tables = Tables(report)
    table = tables.neighbours()
    if table is None:
        raise EvidenceError("the neighbour table (neigh) was not collected", Reason.MISSING)
    again = tables.neighbours("neigh_again") if "neigh_again" in report.sections else None
    hops = [hop for hop in _next_hops(report, tables) if table.tool != "procfs" or ":" not in hop.ip]
    hosts = set(str(report.params.get("hosts") or "").replace(",", " ").split())
    report.fact("variant", table.tool)
    report.fact("neighbours", [neighbour_fact(entry) for entry in table.entries[:FACT_ROWS]])
    report.fact("next_hops", [{"ip": hop.ip, "dev": hop.dev} for hop in hops])
    _judge_next_hops(report, hops, table, again)
    _judge_share(report, table)
    find_all(report, doubles(table, hosts))
    tables.tell_absent()


def _next_hops(report: Report, tables: Tables) -> list[NextHop]:
    """The gateways of the best default routes, or what a packet to ``dst`` is handed to."""
    dst = report.params.get("dst")
    if dst:
        address = Address.parse(dst)
        fib = tables.fib(address.family)
        answer = fib.lookup(Flow(address)) if fib else None
        if answer and answer.result == "unknown":
            report.unknown(Reason.UNPARSED, f"the next hop of {dst} cannot be told: {answer.why}", rule="R16")
        elif answer and answer.result != "unicast":
            report.find("R16", Verdict.INFO, f"{dst} has no next hop here: {answer.steps[-1]}", value=answer.result)
        hops = answer.nexthops if answer and answer.result == "unicast" else ()
        return [NextHop(hop.gateway or str(address), hop.dev, f"next hop of {dst}") for hop in hops]
    found = [routes for family in (4, 6) if (routes := tables.routes(family))]
    best: list[Route] = [route for routes in found for route in defaults(routes)[:1]]
    return [NextHop(hop.gateway, hop.dev, "default gateway") for route in best for hop in route.nexthops if hop.gateway]


def _judge_next_hops(report: Report, hops: list[NextHop], table: Neighbours, again: Neighbours | None) -> None:
    bad = silent(hops, table)
    for hop, entry in bad:
        says = f"{hop.what} {hop.ip} on {hop.dev} is {entry.state}"
        evidence = lines(report, ("neigh", entry.line, entry.state))
        now = again.find(hop.ip, hop.dev) if again else None
        if again is None:
            report.unknown(Reason.MISSING, f"{says}; whether it stays so needs a second look", evidence, "R16")
        elif now is None or not now.unanswered:
            state = now.state if now else "gone from the table"
            report.find("R16", Verdict.OK, f"{says}, and {state} 3 s later", value=entry.state, evidence=evidence)
        else:
            evidence += lines(report, ("neigh_again", now.line, now.state))
            report.find("R16", Verdict.CRIT, f"{says}, and still {now.state} 3 s later", value=now.state, evidence=evidence)
    if hops and not bad:
        entries = [known for hop in hops if (known := table.find(hop.ip, hop.dev))]
        states = ", ".join(f"{known.ip} {known.state}" for known in entries) or "none of them was needed lately"
        evidence = lines(report, *(("neigh", known.line, known.state) for known in entries))
        report.find("R16", Verdict.OK, f"next hops without a silent one: {states}", value=len(hops), evidence=evidence)


def _judge_share(report: Report, table: Neighbours) -> None:
    entries = [entry for entry in table.entries if not entry.proxy]
    bad = [entry for entry in entries if entry.unanswered]
    ratio = len(bad) / len(entries) if entries else 0.0
    report.fact("entries", len(entries))
    report.fact("unanswered", len(bad))
    report.fact("unanswered_ratio", round(ratio, 4))
    says = f"{len(bad)} of {len(entries)} neighbours do not answer"
    evidence = lines(report, *(("neigh", entry.line, entry.state) for entry in bad[:5]))
    if len(bad) >= report.limits["unanswered_warn"]:
        report.find("R17", Verdict.WARN, says, value=len(bad), limit="unanswered_warn", evidence=evidence)
    elif len(entries) >= report.limits["entries_min"] and ratio >= report.limits["unanswered_ratio_warn"]:
        report.find("R17", Verdict.WARN, says, value=ratio, limit="unanswered_ratio_warn", evidence=evidence)
    else:
        report.find("R17", Verdict.OK, says, value=len(bad))


def judge_changes(report: Report) -> None:
    tables = Tables(report)
    before, after = tables.neighbours("neighbours_a"), tables.neighbours("neighbours_b")
    if before is None or after is None:
        tables.tell_absent()
        return
    faults = changes(before, after, "neighbours")
    report.fact("moved", [fault.value for fault in faults])
    if not find_all(report, faults):
        report.find("R20", Verdict.OK, f"none of {len(after.entries)} neighbours changed its hardware address", value=0)


_THRESHOLDS = (
    Threshold("unanswered_warn", 50, "entries", "neighbours that do not answer", "a scan of a /24 leaves more"),
    Threshold("unanswered_ratio_warn", 0.3, "ratio", "share of neighbours that do not answer", "a dead network"),
    Threshold("entries_min", 10, "entries", "from how many neighbours on the share counts", "one of three is noise"),
)
PROBES: tuple[Probe, ...] = (
    Probe(
        id="ip.neigh",
        title="Neighbours",
        question="Does the next hop answer, and who answers for whom?",
        collectors=(NEIGH, NEIGH_AGAIN, ROUTE4, ROUTE6, RULE4, RULE6),
        judge=judge_neigh,
        params=(
            Param("dst", "ip", help="judge the next hop of this address instead of the default gateways"),
            Param(
                "hosts", "text", help="addresses known to be different hosts: two of them behind one hardware address are a fault"
            ),
        ),
        thresholds=_THRESHOLDS,
        facts=(
            FactSpec("variant", "str", "json, iproute2, busybox or procfs: what this was read from"),
            FactSpec("neighbours", "list", f"the first {FACT_ROWS} entries"),
            FactSpec("next_hops", "list", "the addresses that must answer"),
            FactSpec("entries", "int", "entries of this network namespace"),
            FactSpec("unanswered", "int", "entries in state FAILED or INCOMPLETE"),
            FactSpec("unanswered_ratio", "float", "their share"),
        ),
        rules=rules("R16", "R17", "R19"),
        sources=("ip-neighbour(8)", "kernel net/core/neighbour.c"),
    ),
    Probe(
        id="ip.neigh_changes",
        title="Neighbours that change owner",
        question="Do two machines claim one address?",
        collectors=(NEIGH_SAMPLES,),
        judge=judge_changes,
        facts=(FactSpec("moved", "list", "addresses whose hardware address changed between the samples"),),
        rules=rules("R20"),
        sources=("ip-neighbour(8)", "RFC 5227"),
    ),
)
