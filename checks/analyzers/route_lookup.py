"""Which way a packet goes: policy rules in order, the table each names, the longest prefix in it.

Knowledge: fib_rules_lookup in the kernel and its IPv4 and IPv6 actions; proven on generated rules and tables against
``ip route get``. Not modelled: the cache of exceptions (redirects, path MTU), and that an IPv6 host which does not forward passes
over a router that does not answer.

>>> from checks.parsers.ip_route import parse_routes
>>> from checks.parsers.ip_rule import plain_rules
>>> routes = parse_routes('''default via 192.0.2.1 dev eth0
... blackhole 172.19.1.0/26 proto bird
... 172.19.1.10 dev cali1 scope link
... ''')
>>> fib = Fib(routes, plain_rules(4))
>>> for dst in ("172.19.1.10", "172.19.1.11", "198.51.100.7"):
...     answer = fib.lookup(Flow(Address.parse(dst)))
...     print(answer.result, answer.route)
unicast 172.19.1.10/32 dev cali1
blackhole blackhole 172.19.1.0/26
unicast default via 192.0.2.1 dev eth0
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from checks.analyzers.route_tables import Flow, Hit, Table
from checks.parsers.ip_prefix import Address, Prefix
from checks.parsers.ip_route import ERRORS, Nexthop, Route, Routes
from checks.parsers.ip_rule import Range, Rule, Rules

ERRNO_OF_RULE = {"blackhole": "EINVAL", "unreachable": "ENETUNREACH", "prohibit": "EACCES"}
LOOPBACK = "lo"
_UNTOLD_LIMIT = 8
_OFTEN_EMPTY = ("local", "main", "default", "")


@dataclass(frozen=True)
class Answer:
    """Where the packet goes. ``result`` is a route type, ``none`` (no route at all) or ``unknown`` with the reason in ``why``."""

    result: str
    error: str = ""
    rule: Rule | None = None
    route: Route | None = None
    nexthops: tuple[Nexthop, ...] = ()
    steps: tuple[str, ...] = ()
    why: str = ""

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices it may leave by."""
        return tuple(dict.fromkeys(hop.dev for hop in self.nexthops))

    @property
    def is_error(self) -> bool:
        """True when the sender gets an error or the packet is dropped."""
        return bool(self.error)

    def same_way(self, other: Answer) -> bool:
        """True when both end in the same place, whatever rule led there."""
        return (self.result, self.error, self.route) == (other.result, other.error, other.route)


NONE = Answer("none", "ENETUNREACH")


@dataclass
class Fib:
    """All tables of one family with the rules that choose among them.

    ``groups`` and ``vrf_tables`` say the group and the VRF table of a device; None when the devices are not known.
    """

    routes: Routes
    rules: Rules
    groups: Mapping[str, str] | None = None
    vrf_tables: Mapping[str, str] | None = None
    ignores_linkdown: Callable[[str], bool] = lambda dev: False
    down: frozenset[str] = frozenset()
    _tables: dict[str, Table] = field(default_factory=dict)

    def __post_init__(self) -> None:
        by_table: dict[str, list[Route]] = {}
        for route in self.routes.routes:
            by_table.setdefault(route.table, []).append(route)
        self._tables = {name: Table(routes, self.ignores_linkdown) for name, routes in by_table.items()}

    def lookup(self, flow: Flow) -> Answer:
        """The kernel's answer to a plain lookup, without the checks that incoming packets meet first."""
        answer = self._walk(flow, 0, (), 0)
        if flow.oif and flow.oif in self.down and flow.dst.family == 4:
            return replace(NONE, steps=(f"the sender demands {flow.oif}, which is down",))
        if answer.is_error and flow.oif and flow.dst.family == 4:
            step = f"the sender demands {flow.oif}: the kernel takes {flow.dst} as a neighbour there"
            return Answer("unicast", nexthops=(Nexthop(flow.oif),), steps=(*answer.steps, step))
        return answer

    def in_table(self, name: str, flow: Flow) -> Hit | None:
        """The route that one table gives."""
        table = self._tables.get(name)
        return table.lookup(flow) if table else None

    def is_local(self, address: Address) -> bool:
        """True when it is an address of this host."""
        hit = self.in_table("local", Flow(address))
        return hit is not None and hit.route.type == "local"

    def _walk(self, flow: Flow, start: int, steps: tuple[str, ...], untold: int) -> Answer:
        rules = self.rules.rules
        position = start
        while position < len(rules):
            rule = rules[position]
            position += 1
            matches = _matches(rule, flow, self.vrf_tables)
            if matches is None:
                return self._either(flow, position - 1, steps, untold)
            if not matches:
                continue
            if rule.action == "goto":
                position = self._target(rule, position)
                continue
            answer = self._act(rule, flow, steps)
            if answer is None:
                steps = (*steps, f"rule {rule.priority}: table {self._table_of(rule, flow)} has nothing to use")
                continue
            return answer
        return replace(NONE, steps=(*steps, "no rule is left"))

    def _either(self, flow: Flow, position: int, steps: tuple[str, ...], untold: int) -> Answer:
        """A rule asks for what nobody said: the answer holds only when it is the same with and without that rule."""
        rule = self.rules.rules[position]
        unknown = Answer(
            "unknown", rule=rule, steps=steps, why=f"rule {rule.priority} asks for {_asks(rule)}, which is not known"
        )
        if untold >= _UNTOLD_LIMIT or rule.l3mdev:
            return unknown
        without = self._walk(flow, position + 1, steps, untold + 1)
        if rule.action == "goto":
            taken = self._walk(flow, self._target(rule, position + 1), steps, untold + 1)
        else:
            taken = self._act(rule, flow, steps) or without
        return without if taken.same_way(without) else unknown

    def _target(self, rule: Rule, after: int) -> int:
        """The position of the rule that goto names; the next one when there is no such rule."""
        rules = self.rules.rules
        return next((at for at in range(after, len(rules)) if rules[at].priority == rule.goto), after)

    def _act(self, rule: Rule, flow: Flow, steps: tuple[str, ...]) -> Answer | None:
        if rule.action in ERRNO_OF_RULE:
            step = f"rule {rule.priority}: {rule.action}"
            return Answer(rule.action, ERRNO_OF_RULE[rule.action], rule, steps=(*steps, step))
        if rule.action != "lookup":
            return None
        table = self._table_of(rule, flow)
        if table not in self._tables and table not in _OFTEN_EMPTY and "local" not in self._tables:
            why = f"rule {rule.priority} looks up table {table}, which is not in this dump"
            return Answer("unknown", rule=rule, steps=steps, why=why)
        hit = self.in_table(table, flow)
        if hit is None or hit.route.type == "throw":
            return None
        if hit.route.type in ERRORS:
            step = f"rule {rule.priority}: table {table}: {hit.route}"
            return Answer(hit.route.type, ERRORS[hit.route.type], rule, hit.route, steps=(*steps, step))
        suppressed = self._is_suppressed(rule, hit, flow)
        if suppressed is None:
            why = f"rule {rule.priority} suppresses a group of devices, and whether {hit.route} leaves by one cannot be told"
            return Answer("unknown", rule=rule, steps=steps, why=why)
        if suppressed:
            return None
        step = f"rule {rule.priority}: table {table}: {hit.route}"
        return Answer(hit.route.type, "", rule, hit.route, hit.nexthops, (*steps, step))

    def _table_of(self, rule: Rule, flow: Flow) -> str:
        if not rule.l3mdev:
            return rule.table
        tables = self.vrf_tables or {}
        return tables.get(flow.oif) or tables.get(flow.iif) or ""

    def _is_suppressed(self, rule: Rule, hit: Hit, flow: Flow) -> bool | None:
        if rule.suppress_prefixlen is not None and hit.route.prefix.length <= rule.suppress_prefixlen:
            return True
        if not rule.suppress_group or not hit.nexthops:
            return False
        if self.groups is None:
            return None
        legs = hit.route.nexthops[:1] if flow.dst.family == 4 else hit.nexthops  # IPv6 looks at the leg it chose
        found = {self.groups.get(hop.dev) == rule.suppress_group for hop in legs}
        return found.pop() if len(found) == 1 else None


def _matches(rule: Rule, flow: Flow, vrf_tables: Mapping[str, str] | None) -> bool | None:
    """Whether the rule is for this packet; None when that depends on something nobody said."""
    parts = [
        _source_matches(rule.src, flow),
        rule.dst.length == 0 or rule.dst.holds(flow.dst),
        rule.iif in ("", flow.iif or LOOPBACK),
        rule.oif in ("", flow.oif),
        (rule.mark ^ flow.mark) & rule.mask == 0,
        not rule.tos or rule.tos == flow.tos,
        _says(rule.ipproto, flow.ipproto),
        _in_range(rule.sport, flow.sport),
        _in_range(rule.dport, flow.dport),
        _in_range(rule.uid, flow.uid),
        not rule.l3mdev or _in_vrf(flow, vrf_tables),
        None if rule.unread else True,
    ]
    found = False if False in parts else None if None in parts else True
    return found if found is None else found != rule.invert


def _source_matches(src: Prefix, flow: Flow) -> bool:
    """A packet this host sends has no source yet: IPv4 then looks with 0.0.0.0, IPv6 passes over rules that ask for one."""
    if not src.length:
        return True
    return src.holds(flow.src or Address(flow.dst.family, 0)) if flow.src or flow.dst.family == 4 else False


def _says(wanted: str, given: str | None) -> bool | None:
    return True if not wanted else None if given is None else wanted == given


def _in_range(wanted: Range | None, given: int | None) -> bool | None:
    return True if wanted is None else None if given is None else wanted[0] <= given <= wanted[1]


def _in_vrf(flow: Flow, vrf_tables: Mapping[str, str] | None) -> bool | None:
    if not flow.iif and not flow.oif:
        return False
    return None if vrf_tables is None else flow.iif in vrf_tables or flow.oif in vrf_tables


def _asks(rule: Rule) -> str:
    names = {"protocol": rule.ipproto, "source port": rule.sport, "port": rule.dport, "user": rule.uid, "VRF": rule.l3mdev}
    return ", ".join([name for name, value in names.items() if value] + list(rule.unread)) or "something"
