"""Calico's way from a pod to its node, step by step: the pod's gateway 169.254.1.1 is nobody's address, the node answers for it.

Knowledge: each step was taken away in a two-node laboratory. The node answers ARP for the gateway only while proxy_arp and
forwarding are on and 169.254.1.1 is routed by another device, as a rule the default route; packets to the pod need its /32, or
the blackhole of the node's block swallows them.
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.analyzers.ip_fault import Place
from checks.analyzers.route_faults import place
from checks.analyzers.route_lookup import Answer
from checks.analyzers.route_tables import Flow
from checks.analyzers.rp_filter import Incoming
from checks.parsers.ip_conf import Conf
from checks.parsers.ip_link import Link, Links
from checks.parsers.ip_neigh import Neighbours
from checks.parsers.ip_prefix import Address, Prefix
from checks.parsers.ip_route import Route, Routes
from checks.results import Verdict

GATEWAY = Address.parse("169.254.1.1")


@dataclass(frozen=True)
class Step:
    """One precondition. ``ok`` is None when it was not looked at."""

    name: str
    expected: str
    actual: str
    ok: bool | None
    rule: str
    lines: tuple[Place, ...] = ()
    verdict: Verdict = Verdict.CRIT


@dataclass(frozen=True)
class Pod:
    """What /proc/PID/net tells of the pod."""

    routes: Routes
    neighbours: Neighbours


def pod_steps(pod: Pod | None, host_end: Link | None) -> list[Step]:
    """The pod's side; nothing was looked at without a process of the pod."""
    names = (("pod_default", f"its default route via {GATEWAY}"), ("pod_link_route", f"a link route to {GATEWAY}"))
    if pod is None:
        unseen = [Step(name, expected, "not looked at (no pid)", None, "podgw") for name, expected in names]
        return [*unseen, Step("pod_neighbour", "the node's end answers", "not looked at (no pid)", None, "podgw")]
    default = next((route for route in pod.routes.routes if route.is_default and route.type == "unicast"), None)
    gateways = {hop.gateway for hop in default.nexthops} if default else set()
    link = next((route for route in pod.routes.routes if route.prefix == Prefix.around(GATEWAY, 32) and route.nexthops), None)
    return [
        _told(names[0], str(default) if default else "no default route", gateways == {str(GATEWAY)}, default),
        _told(names[1], str(link) if link else "no such route", link is not None and not link.nexthops[0].gateway, link),
        _neighbour(pod.neighbours, host_end),
    ]


def _told(name: tuple[str, str], actual: str, good: bool, route: Route | None) -> Step:
    return Step(*name, actual, good, "podgw", (("pod", route.line, ""),) if route else ())


def _neighbour(table: Neighbours, host_end: Link | None) -> Step:
    entry = table.find(str(GATEWAY))
    expected = f"{GATEWAY} answered with {host_end.address if host_end and host_end.address else 'its own address by the node'}"
    if entry is None:
        return Step("pod_neighbour", expected, "no entry: not needed lately", None, "podgw")
    wrong = host_end is not None and host_end.address and entry.lladdr != host_end.address
    actual = f"{entry.state} {entry.lladdr}".strip()
    return Step("pod_neighbour", expected, actual, not entry.unanswered and not wrong, "podgw", (("pod", entry.line, ""),))


def host_device(pod_ip: Address, routes: Routes, asked: str) -> str:
    """The node's end of the pod's pair: as asked, or as the pod's /32 says."""
    mine = Prefix.around(pod_ip, 32)
    known = [route.devices[0] for route in routes.routes if route.prefix == mine and route.type == "unicast" and route.devices]
    return asked or (known[0] if known else "")


def lives_elsewhere(answer: Answer) -> bool:
    """True when a route of its own leads to another machine. The default route proves nothing: a lost /32 ends there too."""
    route = answer.route
    return (
        answer.result == "unicast" and route is not None and not route.is_default and any(hop.gateway for hop in route.nexthops)
    )


def host_steps(pod_ip: Address, dev: str, incoming: Incoming, links: Links) -> list[Step]:
    """The node's side, in the order in which packets need it."""
    conf, link = incoming.conf, links.find(dev)
    if not dev:
        unknown = [Step(name, "", "no /32 route names the device", None, "R05") for name in ("device", "proxy_arp", "forwarding")]
        return [*unknown, _pod_route(pod_ip, dev, incoming)]
    out = incoming.fib.lookup(Flow(GATEWAY, pod_ip, dev))
    return [
        _device(dev, link),
        _switch(conf, dev, "proxy_arp", conf.effective(dev, "proxy_arp"), "R15"),
        _switch(conf, dev, "forwarding", conf.own(dev, "forwarding"), "R14"),
        _way_out(out, dev),
        _pod_route(pod_ip, dev, incoming),
        _source(pod_ip, dev, out, incoming),
        _delay(conf, dev),
    ]


def _device(dev: str, link: Link | None) -> Step:
    actual = "does not exist" if link is None else f"{link.state}, port of {link.master}" if link.master else link.state
    good = link is not None and link.carrier and not link.master
    return Step("device", f"{dev} up and in no bridge", actual, good, "R25", (("link", link.line, dev),) if link else ())


def _switch(conf: Conf, dev: str, name: str, value: int | None, rule: str) -> Step:
    lines: tuple[Place, ...] = (("conf", conf.line(dev), f"{name}={conf.own(dev, name)}"), ("conf", conf.line("all"), ""))
    actual = "not known" if value is None else str(value)
    return Step(name, f"{name}=1 on {dev}", actual, None if value is None else value != 0, rule, lines)


def _way_out(out: Answer, dev: str) -> Step:
    expected = f"a route to {GATEWAY} by another device than {dev}"
    lines = (place(out.route),) if out.route else ()
    if out.result == "unknown":
        return Step("gateway_route", expected, out.why, None, "R01", lines)
    actual = str(out.route) if out.route else f"none ({out.error})"
    return Step("gateway_route", expected, actual, out.result == "unicast" and dev not in out.devices, "R01", lines)


def _pod_route(pod_ip: Address, dev: str, incoming: Incoming) -> Step:
    expected = f"a /32 route to it dev {dev or 'cali…'}"
    answer = incoming.fib.lookup(Flow(pod_ip))
    if answer.result == "unknown":
        return Step("pod_route", expected, answer.why, None, "R05")
    route = answer.route
    good = route is not None and answer.result == "unicast" and route.prefix.is_host and answer.devices == (dev,) and bool(dev)
    actual = str(route) if route else f"none ({answer.error})"
    return Step("pod_route", expected, actual, good, "R05", (place(route),) if route else ())


def _source(pod_ip: Address, dev: str, out: Answer, incoming: Incoming) -> Step:
    check = incoming.check_source(Flow(GATEWAY, pod_ip, dev), out.devices[0] if out.devices else "")
    lines = (("conf", incoming.conf.line(dev), f"rp_filter={incoming.conf.own(dev, 'rp_filter')}"),)
    return Step("source_check", f"its source accepted on {dev}", check.why, check.passes, "R12", lines)


def _delay(conf: Conf, dev: str) -> Step:
    value = conf.neigh.get(dev, {}).get("proxy_delay")
    lines = (("conf", conf.neigh_lines.get(dev, 0), f"proxy_delay={value}"),)
    actual = "not known" if value is None else str(value)
    return Step(
        "proxy_delay",
        f"proxy_delay=0 on {dev}",
        actual,
        None if value is None else value == 0,
        "proxy_delay",
        lines,
        Verdict.WARN,
    )
