"""ip.lpm and ip.route_get: where does a packet go? By our own lookup in the dumped tables, and by the kernel's word.

The kernel is right; our lookup says which rule, table and prefix decided, tells the three meanings of "Invalid argument" apart,
and works on a paste of a host that nobody can reach any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from checks.analyzers.route_lookup import Answer
from checks.analyzers.route_question import ask, come_in, dead_legs, dropped, explain, foreign_source, no_way, places
from checks.analyzers.route_tables import Flow
from checks.analyzers.rp_filter import Fate
from checks.collectors.ip import CONF, LINK, ROUTE4, ROUTE6, ROUTE_GET, RULE4, RULE6
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.ip_link import Links
from checks.parsers.ip_prefix import Address
from checks.parsers.ip_route_get import KernelAnswer, KernelAnswers, parse_route_get
from checks.parsers.ip_rule import plain_rules
from checks.probes.base import FactSpec, Probe, Report
from checks.probes.ip_rules import rules
from checks.probes.ip_sections import Tables, fib_of, find_all, lines
from checks.results import Evidence, Reason, Verdict

_RESULT_OF = {
    "EINVAL": "blackhole",
    "EHOSTUNREACH": "unreachable",
    "EACCES": "prohibit",
    "ENETUNREACH": "none",
    "EXDEV": "source_check",
}


def judge_lpm(report: Report) -> None:
    flow = _flow(report.params)
    tables = Tables(report)
    links, fate, flow = _simulate(tables, flow, assume=True)
    if fate is None:
        raise EvidenceError(f"the routes (route{flow.dst.family}) were not collected", Reason.MISSING)
    _facts(report, fate)
    report.fact("iif", flow.iif or None)
    _judge(report, flow, fate, links, [])
    tables.tell_absent()


def judge_route_get(report: Report) -> None:
    """The kernel's word stands alone where the tables are too large to be kept; only EINVAL then has too many meanings."""
    flow = _flow(report.params)
    tables = Tables(report)
    kernel = tables.need("route_get", lambda text: parse_route_get(text, flow.dst.family))
    told = _kernel_facts(report, kernel)
    without = _tables_left_out(report, flow)
    links, fate = (tables.links(), None) if without else _simulate(tables, flow)[:2]
    if fate is not None:
        _facts(report, fate, agrees=_agrees(kernel.full, fate))
        if _agrees(kernel.full, fate) is False:
            says = f"our lookup of {flow.dst} says {_short(fate)}, the kernel {_kernel_says(kernel.full)}; the kernel is right"
            report.find("model_mismatch", Verdict.INFO, says, evidence=[*told, *lines(report, *places(fate.answer))])
    elif kernel.full.error == "EINVAL":
        says = f"the kernel drops packets to {flow.dst} (EINVAL); why cannot be told without {without}"
        report.unknown(Reason.MISSING, says, told, "R04")
        return
    if fate is None or not _agrees(kernel.full, fate):
        fate = _fate_of(kernel, flow)
    _judge(report, flow, fate, links, told)
    tables.tell_absent()


def _tables_left_out(report: Report, flow: Flow) -> str:
    """The tables that were not collected, or are larger than what is kept of them."""
    names = (f"route{flow.dst.family}", f"rule{flow.dst.family}")
    return " and ".join(name for name in names if name not in report.sections or report.sections[name].dropped_bytes)


def _flow(params: Mapping[str, Any]) -> Flow:
    if params.get("iif") and not params.get("src"):
        raise EvidenceError("iif asks what happens to a packet that comes in: give its src too", Reason.PARAM_INVALID)
    if params.get("iif") and params.get("oif"):
        raise EvidenceError("iif and oif exclude each other: what comes in cannot demand a device", Reason.PARAM_INVALID)
    try:
        mark = int(str(params.get("mark") or "0"), 0)
    except ValueError:
        raise EvidenceError("mark must be a number such as 0x4000", Reason.PARAM_INVALID) from None
    dst, src = Address.parse(params["dst"]), params.get("src")
    iif, oif = params.get("iif") or "", params.get("oif") or ""
    return Flow(dst, Address.parse(src) if src else None, iif, oif, mark, params.get("tos") or 0)


def _simulate(tables: Tables, flow: Flow, *, assume: bool = False) -> tuple[Links | None, Fate | None, Flow]:
    """Our own answer; without the rules those of a host where nobody made any. ``assume``: the way another's packet comes in."""
    links = tables.links()
    conf = tables.conf() if flow.iif and flow.dst.family == 4 else None
    routes = tables.routes(flow.dst.family)
    policy = tables.rules(flow.dst.family)
    if policy is None:
        tables.absent.append(f"rule{flow.dst.family}")
        policy = plain_rules(flow.dst.family)
    if routes is None:
        tables.absent.append(f"route{flow.dst.family}")
        return links, None, flow
    if routes.tool in ("busybox", "procfs") and any(r.type == "unicast" and not r.devices for r in routes.routes):
        raise EvidenceError("busybox hides the legs of a multipath route, and this host has one", Reason.UNPARSED)
    if not routes.has_local:
        tables.absent.append(f"the local table (ip -{flow.dst.family} route show table all)")
    fib = fib_of(routes, policy, links, conf)
    if assume and (came := come_in(fib, flow)) != flow:
        flow, conf = came, tables.conf()
    if why := foreign_source(fib, flow):
        raise EvidenceError(why, Reason.PARAM_INVALID)
    return links, ask(fib, conf, flow), flow


def _facts(report: Report, fate: Fate, agrees: bool | None = None) -> None:
    answer = fate.answer
    report.fact("result", fate.result)
    report.fact("error", fate.error)
    report.fact("kernel_agrees", agrees)
    if answer is None:
        return
    route = answer.route
    line = (f"route{route.family}", route.line) if route else ("", 0)
    report.fact("rule_priority", answer.rule.priority if answer.rule else None)
    report.fact("table", route.table if route else None, *line)
    report.fact("prefix", str(route.prefix) if route else None, *line)
    hops = [{"gateway": hop.gateway or None, "dev": hop.dev, "weight": hop.weight} for hop in answer.nexthops]
    report.fact("nexthops", hops, *line)
    report.fact("steps", list(answer.steps))


def _kernel_facts(report: Report, kernel: KernelAnswers) -> list[Evidence]:
    full = kernel.full
    hop = full.route.nexthops[0] if full.route and full.route.nexthops else None
    report.fact("kernel_result", full.result, "route_get", full.line)
    report.fact("kernel_dev", hop.dev if hop else None)
    report.fact("kernel_gateway", hop.gateway or None if hop else None)
    report.fact("kernel_src", full.route.src or None if full.route else None)
    report.fact("kernel_prefix", str(kernel.match.route.prefix) if kernel.match and kernel.match.route else None)
    return lines(report, ("route_get", full.line, hop.dev if hop else ""))


def _agrees(kernel: KernelAnswer, fate: Fate) -> bool | None:
    """None when our lookup could not tell."""
    if fate.result == "unknown":
        return None
    if kernel.error:
        return kernel.error == fate.error or (kernel.error == "EXDEV" and fate.result == "source_check")
    hop = kernel.route.nexthops[0] if kernel.route and kernel.route.nexthops else None
    if kernel.result != fate.result or hop is None or fate.answer is None or fate.result != "unicast":
        return kernel.result == fate.result
    return any((hop.dev, hop.gateway) == (ours.dev, ours.gateway) for ours in fate.answer.nexthops)


def _fate_of(kernel: KernelAnswers, flow: Flow) -> Fate:
    """The kernel's answer alone, where our lookup has none or another one."""
    full = kernel.full
    if full.error == "EINVAL" and flow.iif and not (kernel.plain and kernel.plain.error == "EINVAL"):
        return Fate("source_check", "EINVAL", "Invalid argument, while the address alone has a route: the source is not accepted")
    answer = Answer(full.result, route=None, nexthops=full.route.nexthops) if full.route else None
    return Fate(_RESULT_OF.get(full.error, full.result), full.error, _kernel_says(full), answer)


def _kernel_says(kernel: KernelAnswer) -> str:
    return str(kernel.route) if kernel.route else kernel.error


def _short(fate: Fate) -> str:
    return str(fate.answer.route) if fate.answer and fate.answer.route and not fate.error else fate.error or fate.result


def _judge(report: Report, flow: Flow, fate: Fate, links: Links | None, told: list[Evidence]) -> None:
    if fate.result == "unknown":
        report.unknown(Reason.UNPARSED, f"where {flow.dst} goes cannot be told: {fate.why}", lines(report, *places(fate.answer)))
        return
    if fate.error == "ENODEV":
        report.find("R03", Verdict.CRIT, f"the device {flow.iif or flow.oif} does not exist", evidence=told)
        return
    if fate.error:
        fault = dropped(flow, fate) if flow.iif else no_way(flow.dst, fate.result, fate.answer)
        evidence = [*told, *lines(report, *fault.lines)]
        report.find(fault.rule, fault.verdict, fault.say, value=fault.value, evidence=evidence)
        return
    answer = fate.answer
    where = f"{answer.route}{explain(answer)}" if answer and answer.route else fate.why
    evidence = [*told, *(lines(report, *places(answer)))]
    report.find("R04", Verdict.OK, f"{flow.dst} takes {where}", value=fate.result, evidence=evidence)
    if answer and fate.result == "unicast" and not find_all(report, dead_legs(flow.dst, answer, links)) and links:
        report.find("R03", Verdict.OK, f"{' and '.join(answer.devices)} can carry packets")


_PARAMS = (
    Param("dst", "ip", required=True, help="the address to reach"),
    Param("src", "ip", help="the sender's address; with iif the source of a packet that comes in"),
    Param("iif", "iface", help="the device a packet comes in by: asks about forwarding, not about this host's own packets"),
    Param("mark", "text", help="the packet's fwmark, for example 0x4000"),
    Param("oif", "iface", help="the device the sender demands"),
)
_FACTS = (
    FactSpec(
        "result", "str", "unicast, local, broadcast, blackhole, unreachable, prohibit, none, source_check, not_forwarded, martian"
    ),
    FactSpec("error", "str", "the errno a sender sees; empty when there is a way"),
    FactSpec("rule_priority", "int", "the policy rule that decided"),
    FactSpec("table", "str", "the routing table that decided"),
    FactSpec("prefix", "str", "the prefix that won"),
    FactSpec("nexthops", "list", "the ways out that are alive"),
    FactSpec("steps", "list", "rules tried, in order, and what each gave"),
    FactSpec("kernel_agrees", "bool", "our lookup equals the kernel's answer; null when one of them is missing"),
)
_KERNEL_FACTS = (
    FactSpec("kernel_result", "str", "the kernel's answer: a route type or an errno"),
    FactSpec("kernel_dev", "str", "the device it would leave by"),
    FactSpec("kernel_gateway", "str", "the gateway"),
    FactSpec("kernel_src", "str", "the source address the kernel would choose"),
    FactSpec("kernel_prefix", "str", "the prefix that the kernel matched (fibmatch, iproute2 4.13 or later)"),
)

PROBES: tuple[Probe, ...] = (
    Probe(
        id="ip.route_get",
        title="The way to an address",
        question="Where does this host send packets for an address, and does that way carry?",
        collectors=(ROUTE_GET, *(replace(table, optional=True) for table in (ROUTE4, ROUTE6, RULE4, RULE6)), LINK, CONF),
        judge=judge_route_get,
        params=_PARAMS,
        facts=_FACTS + _KERNEL_FACTS,
        rules=rules("R04", "R03", "R12", "R14", "model_mismatch"),
        sources=("ip-route(8)", "kernel net/ipv4/fib_frontend.c, fib_rules.c, net/ipv6/route.c, compared in a laboratory"),
    ),
    Probe(
        id="ip.lpm",
        title="The way to an address, by the tables",
        question="Which rule, table and prefix decide about an address, by the dumped tables alone?",
        collectors=(ROUTE4, ROUTE6, RULE4, RULE6, LINK, CONF),
        judge=judge_lpm,
        params=(*_PARAMS, Param("tos", "int", help="the packet's TOS", min=0, max=255)),
        facts=(
            *_FACTS,
            FactSpec("iif", "str", "the device it comes in by: as asked, or where the route to its source leads"),
        ),
        rules=rules("R04", "R03", "R12", "R14"),
        sources=("kernel net/ipv4/fib_frontend.c, fib_rules.c, net/ipv6/route.c, compared with ip route get in a laboratory",),
    ),
)
