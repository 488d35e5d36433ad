"""ipv6.ra and ipv6.neigh: does this host hear its router's advertisements, and does the router answer?

Knowledge: kernel ipv6_accept_ra and rt6_purge_dflt_routers, docker/for-linux#844, moby/moby#43466, siderolabs/talos#4939.
Whoever switches forwarding on makes the kernel forget its advertised default routes and ignore new ones, unless accept_ra is 2.
NetworkManager and systemd-networkd read advertisements themselves and set accept_ra=0, which is healthy.
"""

from __future__ import annotations

from dataclasses import replace

from checks.analyzers.ipv6_devices import outward
from checks.analyzers.ipv6_routes import is_advertised, ways_out
from checks.analyzers.neighbour_table import NextHop, silent
from checks.analyzers.route_faults import way
from checks.collectors.ip import LINK, NEIGH, NEIGH_AGAIN, ROUTE6
from checks.collectors.ipv6 import ROUTE6_AGAIN, SWITCHES
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.ip_link import parse_links
from checks.parsers.ip_neigh import Neighbours, parse_neighbours
from checks.parsers.ip_route import Route
from checks.parsers.ipv6_switches import Switches, parse_switches
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.ip_facts import route_fact
from checks.probes.ip_sections import Tables, lines
from checks.probes.ipv6_route import DEFAULT_ROUTES, EXPIRES, judge_expiry, not_empty, routes_again
from checks.results import Evidence, Reason, Verdict

_TUNNELS = frozenset({"sit", "ip6tnl", "gre", "ip6gre", "ipip", "wireguard", "tun", "vti", "vti6", "dummy"})
_NAMED = 5


def judge_ra(report: Report) -> None:
    tables = Tables(report)
    switches = read(report.need("switches"), parse_switches)
    routes = tables.routes(6)
    if routes is None:
        raise EvidenceError("the IPv6 routes (route6) were not collected", Reason.MISSING)
    not_empty(routes)
    again = routes_again(tables)
    devices = _devices(report, tables, switches)
    report.fact("hears", {dev: switches.hears_routers(dev) for dev in devices})
    ways = ways_out(routes)
    report.fact("default_routes", [route_fact(route) for route in ways])
    if not switches.present:
        report.skip("the kernel has no IPv6")
    elif ways and not is_advertised(ways[0]):
        says = f"the default route {way(ways[0])} came without an advertisement"
        report.find("ra_ignored", Verdict.OK, says, evidence=lines(report, ("route6", ways[0].line, "")))
    elif ways:
        _judge_advertised(report, switches, ways[0])
        judge_expiry(report, ways[0], again, "ra_ignored", _how_bad(switches, ways[0]))
    elif devices:
        _judge_missing(report, switches, devices)
    else:
        report.find("no_advertisement", Verdict.INFO, "no device leads outwards to a router")


def _devices(report: Report, tables: Tables, switches: Switches) -> list[str]:
    links = tables.want("link", parse_links)
    aside = {link.name for link in links.links if link.kind in _TUNNELS or not link.up} if links else set()
    asked = report.params.get("iface") or ""
    return [dev for dev in outward(switches.devices, asked) if asked or dev not in aside]


def _how_bad(switches: Switches, route: Route) -> Verdict:
    """A route that nobody will renew is lost; one whose router is only late may come back."""
    return Verdict.WARN if any(switches.hears_routers(dev) for dev in route.devices) else Verdict.CRIT


def _judge_advertised(report: Report, switches: Switches, route: Route) -> None:
    """An advertised default route is there. Where the kernel does not listen, a program in user space put it there."""
    dev = route.devices[0] if route.devices else ""
    if switches.partial and switches.hears_routers(dev) is None:
        raise EvidenceError(f"accept_ra and forwarding of {dev} are not in this list", Reason.MISSING, "switches")
    by = "the kernel hears advertisements there" if switches.hears_routers(dev) else "a program in user space keeps it"
    evidence = lines(report, ("route6", route.line, ""), ("switches", switches.line(dev), ""))
    report.find("ra_ignored", Verdict.OK, f"the advertised default route {way(route)} is there; {by}", evidence=evidence)


def _judge_missing(report: Report, switches: Switches, devices: list[str]) -> None:
    """No default route at all: who should have heard of one?"""
    known = {dev: switches.hears_routers(dev) for dev in devices}
    untold = [dev for dev, hears in known.items() if hears is None]
    if untold:
        raise EvidenceError(f"accept_ra and forwarding of {untold[0]} are not in the output", Reason.MISSING, "switches")
    hearing = [dev for dev, hears in known.items() if hears]
    trapped = [dev for dev in devices if switches.own(dev, "forwarding") and switches.own(dev, "accept_ra") == 1]
    if trapped:
        says = f"no default route, and advertisements are ignored on {_names(trapped)}: forwarding=1 with accept_ra=1"
        report.find("ra_ignored", Verdict.CRIT, says, value=len(trapped), evidence=_rows(report, switches, trapped))
    elif hearing:
        says = f"no default route, though {_names(hearing)} would take one from an advertisement"
        report.find("no_advertisement", Verdict.WARN, says, value=len(hearing), evidence=_rows(report, switches, hearing))
    elif switches.partial:
        raise EvidenceError("no default route; other devices may be missing from this list", Reason.MISSING, "switches")
    else:
        says = f"no default route, and advertisements are switched off on {_names(devices)}"
        report.find("ra_off", Verdict.CRIT, says, value=len(devices), evidence=_rows(report, switches, devices))


def _names(devices: list[str]) -> str:
    return ", ".join(devices[:_NAMED]) + (f" and {len(devices) - _NAMED} more" if len(devices) > _NAMED else "")


def _rows(report: Report, switches: Switches, devices: list[str]) -> list[Evidence]:
    return lines(report, *(("switches", switches.line(dev), "") for dev in devices[:_NAMED]))


def judge_neigh(report: Report) -> None:
    tables = Tables(report)
    table, routes = tables.want("neigh", parse_neighbours), tables.routes(6)
    if table is None or routes is None:
        raise EvidenceError("the neighbours (neigh) or the IPv6 routes (route6) were not collected", Reason.MISSING)
    ways = ways_out(routes)[:1]
    hops = [NextHop(hop.gateway, hop.dev, "default router") for route in ways for hop in route.nexthops if hop.gateway]
    report.fact("routers", [{"ip": hop.ip, "dev": hop.dev} for hop in hops])
    if not hops:
        report.skip(f"the default route {way(ways[0])} has no router to ask" if ways else "there is no IPv6 default route")
        return
    if table.tool == "procfs":
        raise EvidenceError("without the ip command nothing shows IPv6 neighbours", Reason.TOOL_MISSING, "neigh")
    if not table.entries:
        raise EvidenceError("the neighbour table is empty: nothing was sent lately", Reason.EMPTY, "neigh")
    again = tables.neighbours("neigh_again") if "neigh_again" in report.sections else None
    _judge_routers(report, hops, table, again)


def _judge_routers(report: Report, hops: list[NextHop], table: Neighbours, again: Neighbours | None) -> None:
    bad = silent(hops, table)
    for hop, entry in bad:
        says, evidence = (
            f"the default router {hop.ip} on {hop.dev} is {entry.state}",
            lines(report, ("neigh", entry.line, entry.state)),
        )
        now = again.find(hop.ip, hop.dev) if again else None
        if again is None:
            report.unknown(Reason.MISSING, f"{says}; whether it stays so needs a second look", evidence, "router_silent")
        elif now is None or not now.unanswered:
            state = now.state if now else "gone from the table"
            report.find("router_silent", Verdict.OK, f"{says}, and {state} 3 s later", value=entry.state, evidence=evidence)
        else:
            evidence += lines(report, ("neigh_again", now.line, now.state))
            report.find(
                "router_silent", Verdict.CRIT, f"{says}, and still {now.state} 3 s later", value=now.state, evidence=evidence
            )
    for hop in (hop for hop in hops if hop not in [silent_hop for silent_hop, _ in bad]):
        known = table.find(hop.ip, hop.dev)
        if known is None:
            report.find("router_silent", Verdict.INFO, f"the default router {hop.ip} on {hop.dev} was not needed lately")
            continue
        evidence = lines(report, ("neigh", known.line, known.state))
        report.find(
            "router_silent", Verdict.OK, f"the default router {hop.ip} is {known.state}", value=known.state, evidence=evidence
        )
        if not known.router and known.state != "PERMANENT":
            says = f"{hop.ip} does not call itself a router in its answers"
            report.find("router_flag", Verdict.INFO, says, evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.ra",
        title="Router advertisements",
        question="Does this host still hear of its default router?",
        collectors=(SWITCHES, ROUTE6, ROUTE6_AGAIN, replace(LINK, optional=True)),
        judge=judge_ra,
        params=(Param("iface", "iface", help="the device towards the router; all that lead outwards when it is left out"),),
        thresholds=(EXPIRES,),
        facts=(
            DEFAULT_ROUTES,
            FactSpec("hears", "dict", "per device: whether the kernel takes a default route from advertisements"),
        ),
        rules=(
            Rule(
                "ra_ignored",
                "forwarding is on, accept_ra is 1, and the default route is missing or runs out",
                "docker/for-linux#844 and #1373, moby/moby#43466, cilium/cilium#21819, siderolabs/talos#4939",
                "set net.ipv6.conf.DEVICE.accept_ra=2 in sysctl.d, then bring the device down and up, or wait for the router",
            ),
            Rule(
                "ra_off",
                "advertisements are switched off and no default route is there",
                "kernel Documentation/networking/ip-sysctl.rst",
                "set accept_ra of the device to 1 (2 with forwarding), or add a static default route",
            ),
            Rule(
                "no_advertisement",
                "advertisements are accepted, but none brought a default route",
                "RFC 4861",
                "ask the network whether a router advertises here (rdisc6 from another machine), and see ipv6.firewall",
            ),
        ),
        sources=("kernel net/ipv6/ndisc.c, addrconf.c", "RFC 4861", "moby/moby#43466"),
    ),
    Probe(
        id="ipv6.neigh",
        title="The IPv6 default router",
        question="Does the default router answer neighbour discovery?",
        collectors=(NEIGH, NEIGH_AGAIN, ROUTE6),
        judge=judge_neigh,
        facts=(FactSpec("routers", "list", "the gateways of the best default route"),),
        rules=(
            Rule(
                "router_silent",
                "the default router is FAILED or INCOMPLETE, twice in a row",
                "kernel neighbour states; STALE is healthy",
                "check the cable and VLAN, and whether a firewall drops neighbour discovery (ipv6.firewall)",
            ),
            Rule("router_flag", "the router's answers do not carry the router flag", "RFC 4861"),
        ),
        sources=("RFC 4861", "ip-neighbour(8)"),
    ),
)
