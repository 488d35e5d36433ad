"""ipv6.tunnel: is the tunnel sound that brings IPv6 to this host?

Knowledge: RFC 4213 (6in4 is IPv4 protocol 41, 20 bytes of overhead), the set-up pages of tunnel brokers. On a host without a
tunnel nothing is judged: native IPv6 needs none.
"""

from __future__ import annotations

from dataclasses import replace

from checks.analyzers import ipv6_tunnel as faults
from checks.analyzers.route_faults import defaults
from checks.collectors.ip import ADDR, LINK_SAMPLES, ROUTE4, ROUTE6
from checks.errors import EvidenceError
from checks.parsers.ip_link import Link
from checks.parsers.ip_route import Routes
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.ip_sections import Tables, find_all, lines
from checks.results import Reason, Verdict

SECTION = "links_b"


def judge_tunnel(report: Report) -> None:
    tables = Tables(report)
    before, links, section = tables.links("links_a"), tables.links(SECTION), SECTION
    if links is None:
        links, before, section = before, None, "links_a"
    if links is None:
        raise EvidenceError("the devices (links) were not collected", Reason.MISSING)
    tunnels = faults.tunnels_of(links)
    report.fact("tunnels", [_fact(link) for link in tunnels])
    if not tunnels:
        report.find("down", Verdict.INFO, f"none of {len(links.links)} devices is a tunnel for IPv6")
        return
    addresses, routes, routes4 = tables.addresses(), tables.routes(6), tables.routes(4)
    if addresses is None or routes is None or routes4 is None:
        raise EvidenceError("addresses (addr) and routes (route4, route6) are needed to judge a tunnel", Reason.MISSING)
    below = next(iter(defaults(routes4)), None)
    find_all(
        report,
        [
            *faults.down(tunnels, section),
            *faults.foreign_local(tunnels, addresses, section),
            *faults.without_default(tunnels, routes, section),
            *(faults.one_way(before, links) if before else ()),
            *faults.too_large(tunnels, links, below, section),
        ],
    )
    if not before:
        says = "whether the tunnel receives anything takes two looks at the devices (links), and there was one"
        report.unknown(Reason.MISSING, says, lines(report, *(faults.at(link, section) for link in tunnels)), "one_way")
    elif not report.findings:
        _say_sound(report, tunnels, routes)


def _say_sound(report: Report, tunnels: list[Link], routes: Routes) -> None:
    by = faults.carries(tunnels, routes)
    says = f"{tunnels[0].name} is up" + (f", and the default route goes into {by}" if by else "; the default route is native")
    report.find("down", Verdict.OK, says, evidence=lines(report, *(faults.at(link, SECTION) for link in tunnels)))


def _fact(link: Link) -> dict[str, object]:
    return {
        "name": link.name,
        "kind": link.kind,
        "local": link.info.get("local"),
        "remote": link.info.get("remote"),
        "ttl": link.info.get("ttl"),
        "mtu": link.mtu,
        "state": link.state,
        "rx_packets": link.counters.get("rx_packets"),
        "tx_packets": link.counters.get("tx_packets"),
    }


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.tunnel",
        title="The IPv6 tunnel",
        question="Is the tunnel sound that brings IPv6 to this host?",
        collectors=(LINK_SAMPLES, ADDR, ROUTE4, replace(ROUTE6, optional=False)),
        judge=judge_tunnel,
        facts=(FactSpec("tunnels", "list", "name, kind, local, remote, ttl, mtu, state, rx_packets, tx_packets"),),
        rules=(
            Rule("down", "a tunnel is switched off", "ip-tunnel(8)", "bring it up: its unit, netplan file or ifup"),
            Rule(
                "local",
                "the tunnel's own end is no address of this host",
                "behind NAT the private address must stand there, though the broker is told the public one",
                "set the tunnel's local address to the one that the device towards the Internet has",
            ),
            Rule(
                "no_default",
                "no default route, although a tunnel is there",
                "set-up pages of tunnel brokers",
                "add the default route into the tunnel where the tunnel is set up",
            ),
            Rule(
                "two_defaults",
                "a native default route and one into the tunnel have the same metric",
                "kernel route selection",
                "give the one that shall be second a greater metric",
            ),
            Rule(
                "one_way",
                "the tunnel sends and has never received",
                "RFC 4213: protocol 41 must pass every firewall; the broker keeps the client's IPv4 address",
                "let protocol 41 in from the broker's address, also in the cloud's rules, and update the client address there",
            ),
            Rule(
                "mtu",
                "the tunnel's MTU does not fit into the device below",
                "RFC 4213: 20 bytes; 1480 on 1500, 1472 on PPPoE",
                "set the tunnel's MTU to that of the device below less 20",
            ),
        ),
        sources=("RFC 4213", "ip-tunnel(8)"),
        interval_s=5,
    ),
)
