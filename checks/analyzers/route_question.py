"""One question of routing, answered by our own lookup: where does this packet go, and is the way it takes alive?

>>> from checks.parsers.ip_route import parse_routes
>>> from checks.parsers.ip_rule import plain_rules
>>> fib = Fib(parse_routes("blackhole 172.19.1.0/26 proto bird\\n172.19.1.10 dev cali1 scope link\\n"), plain_rules(4))
>>> fate = ask(fib, None, Flow(Address.parse("172.19.1.11")))
>>> fate.result, fate.error, is_calico_block(fate.answer.route)
('blackhole', 'EINVAL', True)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from checks.analyzers.ip_fault import Fault, Place
from checks.analyzers.route_faults import CALICO_PROTOS, GONE, dead_way, place
from checks.analyzers.route_lookup import Answer, Fib
from checks.analyzers.route_tables import Flow
from checks.analyzers.rp_filter import Fate, Incoming, own_devices
from checks.parsers.ip_conf import Conf
from checks.parsers.ip_link import Links
from checks.parsers.ip_prefix import Address
from checks.parsers.ip_route import Route
from checks.results import Verdict

_SMALLEST_BLOCK = {4: 20, 6: 116}
SAYS = {
    "blackhole": "is dropped by {route}: EINVAL",
    "unreachable": "is refused by {route}: {error}",
    "prohibit": "is refused by {route}: EACCES",
    "none": "has no route: ENETUNREACH, the network is unreachable",
}


def ask(fib: Fib, conf: Conf | None, flow: Flow) -> Fate:
    """Follow the packet: with a device it came in by, through the checks of incoming packets too (IPv4)."""
    if flow.iif and flow.dst.family == 4:
        if conf is None:
            return Fate("unknown", "", f"the switches of {flow.iif} were not collected")
        return Incoming(fib, conf, own_devices(fib)).fate(flow)
    answer = fib.lookup(flow)
    result = _as_sent(flow.dst, answer.result)
    return Fate(result, answer.error, answer.why or (answer.steps[-1] if answer.steps else ""), answer)


def _as_sent(dst: Address, result: str) -> str:
    """What an IPv4 route becomes for an address that is not one host's: a broadcast, a multicast, this host itself."""
    if dst.family == 6 or result != "unicast":
        return result
    if dst.within("255.255.255.255/32"):
        return "broadcast"
    return "multicast" if dst.within("224.0.0.0/4") else result


def come_in(fib: Fib, flow: Flow) -> Flow:
    """A packet whose source is not this host's came in by a device: the one that the route back to the source names."""
    back = fib.lookup(Flow(flow.src)) if flow.src and foreign_source(fib, flow) else None
    return replace(flow, iif=back.devices[0]) if back and back.result == "unicast" and back.devices else flow


def foreign_source(fib: Fib, flow: Flow) -> str:
    """Why this host cannot send such a packet, or an empty string: IPv4 refuses a source that is no address of this host."""
    if flow.src is None or flow.iif or flow.src.family == 6 or not fib.routes.has_local or fib.is_local(flow.src):
        return ""
    return f"{flow.src} is no address of this host: its packets come in by a device; give that as iif"


def is_calico_block(route: Route | None) -> bool:
    """True for the blackhole that calico keeps for a block of pod addresses on the node that owns it: it is normal."""
    return (
        route is not None
        and route.type == "blackhole"
        and route.proto in CALICO_PROTOS
        and route.prefix.length >= _SMALLEST_BLOCK[route.family]
    )


def places(answer: Answer | None) -> tuple[Place, ...]:
    """The lines of the winning route and of the rule that led to it."""
    if answer is None:
        return ()
    found = [place(answer.route, "" if answer.route.is_default else str(answer.route.prefix))] if answer.route else []
    if answer.rule:
        found.append((f"rule{answer.rule.family}", answer.rule.line, ""))
    return tuple(found)


def explain(answer: Answer) -> str:
    """The rule and the table that decided, in brackets."""
    parts = [f"rule {answer.rule.priority}"] if answer.rule else []
    parts += [f"table {answer.route.table}"] if answer.route else []
    return f" ({', '.join(parts)})" if parts else ""


def no_way(dst: Address, result: str, answer: Answer | None) -> Fault:
    """R04. The blackhole of a calico block says that no pod of this node has the address; that is no fault by itself."""
    route = answer.route if answer else None
    if is_calico_block(route):
        block = route.name if route else ""
        says = f"{dst} falls into calico's own {block}: no pod of this node has this address, no fault by itself"
        return Fault("R04", Verdict.INFO, says, places(answer), result)
    by = route.name if route else f"rule {answer.rule.priority}" if answer and answer.rule else f"a {result} route"
    error = answer.error if answer else "EHOSTUNREACH"  # a rule that says unreachable gives ENETUNREACH, a route does not
    told = SAYS.get(result, "is dropped: {route}").format(route=by, error=error)
    says = f"{dst} {told}" + (explain(answer) if answer and route else "")
    return Fault("R04", Verdict.CRIT, says, places(answer), result)


def dropped(flow: Flow, fate: Fate) -> Fault:
    """What stops an incoming packet: its source, the forwarding switch, or the route."""
    lines = places(fate.answer)
    if fate.result == "source_check":
        return Fault("R12", Verdict.WARN, f"packets from {flow.src} are dropped on {flow.iif}: {fate.why}", lines, str(flow.src))
    if fate.result == "not_forwarded":
        return Fault("R14", Verdict.CRIT, f"packets that come in by {flow.iif} go no further: {fate.why}", lines, flow.iif)
    if fate.result == "martian":
        return Fault("R04", Verdict.CRIT, f"the kernel drops {flow.src} to {flow.dst} as martian: {fate.why}", lines, "martian")
    return no_way(flow.dst, fate.result, fate.answer)


def dead_legs(dst: Address, answer: Answer, links: Links | None) -> list[Fault]:
    """R03 for a destination that was asked for: critical when no leg is left."""
    whys = {hop.dev: why for hop in answer.nexthops if (why := dead_way(hop, links))}
    if not whys:
        return []
    alive = [hop.dev for hop in answer.nexthops if hop.dev not in whys]
    says = f"the way to {dst} leaves by {', '.join(f'{dev}, which {why}' for dev, why in whys.items())}"
    says += f"; {len(alive)} of {len(answer.nexthops)} legs are left" if alive else ""
    lines = (*places(answer), *_links(whys, links))
    needs = "link" if GONE in whys.values() else ""
    return [Fault("R03", Verdict.WARN if alive else Verdict.CRIT, says, lines, next(iter(whys)), needs=needs)]


def _links(devs: Iterable[str], links: Links | None) -> list[Place]:
    found = [links.find(dev) for dev in devs] if links else []
    return [("link", link.line, link.name) for link in found if link]
