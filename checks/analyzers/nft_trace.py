"""The way of a new connection's first packet through kube-proxy's nftables table, with the probability of each way.

Only that table is walked. ``numgen random mod n`` splits into n equal ways; what the table does not tell ends as ``unknown``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from checks.analyzers.nft_kube_proxy import NftChain, NftProxy, elements, expressions, picks_of, target_of
from checks.analyzers.nft_values import UNKNOWN, matches, value
from checks.analyzers.packet import Hop, Node, Packet
from checks.analyzers.packet_route import IN, OUT, REROUTE, decide
from checks.analyzers.packet_state import Branch, State, Step
from checks.parsers.iptables_values import is_address
from checks.parsers.nft_listing import NftObject

MAX_DEPTH = 16
MAX_LOOKS = 200_000
"""How many rules are looked at in one trace: rules that a stranger wrote can double the ways with each choice."""
NEXT, ACCEPT, RETURN = "next", "accept", "return"
_HARMLESS = ("counter", "log", "comment", "set", "notrack", "quota")


@dataclass(slots=True)
class Walker:
    """One way so far. ``flow`` says how it left the last rule; ``end`` is set once the packet is gone."""

    packet: Packet
    weight: float = 1.0
    path: tuple[Step, ...] = ()
    flow: str = NEXT
    end: str = ""
    notes: tuple[str, ...] = ()
    route: Hop | None = None

    def copy(self, *, weight: float = 1.0) -> Walker:
        """An independent copy with a part of the weight."""
        return replace(self, packet=self.packet.copy(), weight=self.weight * weight)

    def stop(self, verdict: str, say: str = "") -> Walker:
        """The packet ends here."""
        self.end, self.notes = verdict, (*self.notes, say) if say else self.notes
        return self


class NftTracer:
    """Traces packets through one family's table."""

    def __init__(self, proxy: NftProxy, node: Node) -> None:
        self.proxy, self.node = proxy, node
        self.looks = 0

    def trace(self, packet: Packet) -> list[Branch]:
        """Every way the packet can take; the probabilities sum to 1."""
        self.looks = 0
        host = packet.origin == "host"
        walkers = [Walker(packet.copy())]
        if host:
            walkers = self._hook("output", self._route(walkers, OUT))
            walkers = self._route(walkers, REROUTE)
        else:
            walkers = self._route(self._hook("prerouting", walkers), IN)
            ways: dict[str, list[Walker]] = {"input": [], "forward": []}
            for each in walkers:
                ways["input" if each.route and each.route.kind == "local" else "forward"].append(each)
            walkers = [*self._hook("input", ways["input"]), *self._hook("forward", ways["forward"])]
        walkers = self._hook("postrouting", walkers)
        return [Branch(each.weight, each.end or "ACCEPT", each.packet, each.path, each.notes, each.route) for each in walkers]

    def _route(self, walkers: Iterable[Walker], decision: str) -> list[Walker]:
        for each in (walkers := list(walkers)):
            if each.end:
                continue
            state = State(each.packet, each.weight, ())
            ended = decide(decision, state, self.node)
            each.route, each.notes = state.route, (*each.notes, *state.notes)
            if ended:
                each.stop(ended.verdict)
        return walkers

    def _hook(self, hook: str, walkers: Iterable[Walker]) -> list[Walker]:
        bases = sorted((chain for chain in self.proxy.chains.values() if chain.hook == hook), key=lambda chain: chain.priority)
        live = list(walkers)
        for base in bases:
            after: list[Walker] = []
            for each in live:
                local = each.route is not None and each.route.kind == "local"
                skipped = each.end or (hook == "postrouting" and local) or (base.kind == "nat" and each.packet.untracked)
                after += [each] if skipped else [self._leave(base, one) for one in self._run(each, base, 0)]
            live = after
        return live

    @staticmethod
    def _leave(base: NftChain, walker: Walker) -> Walker:
        if not walker.end and walker.flow != ACCEPT and base.policy == "drop":
            walker.stop("DROP")
        walker.flow = NEXT
        return walker

    def _run(self, walker: Walker, chain: NftChain, depth: int) -> list[Walker]:
        """Walk a chain; those that return or fall off its end come back with flow NEXT."""
        if depth > MAX_DEPTH:
            return [walker.stop("unknown", f"chains call each other more than {MAX_DEPTH} deep")]
        live: list[Walker] = [walker]
        gone: list[Walker] = []
        for rule in chain.rules:
            after: list[Walker] = []
            for each in live:
                for one in self._rule(each, rule, depth):
                    (gone if one.end or one.flow != NEXT else after).append(one)
            live = after
        for each in gone:
            each.flow = NEXT if each.flow == RETURN else each.flow
        return [*live, *gone]

    def _rule(self, walker: Walker, rule: NftObject, depth: int) -> list[Walker]:
        self.looks += 1
        if self.looks > MAX_LOOKS:
            return [walker.stop("unknown", "these rules hold more ways than can be followed")]
        for kind, body in expressions(rule):
            if kind == "match" and isinstance(body, dict):
                held = matches(body, walker.packet, self.node, self.proxy)
                if held is None:
                    return [walker.stop("unknown", f"line {rule.line} asks for what this capture does not show")]
                if not held:
                    return [walker]
            elif kind == "vmap" and isinstance(body, dict):
                return self._vmap(walker, rule, body, depth)
            elif kind in ("jump", "goto"):
                return self._jump(walker, rule, {kind: body}, depth)
            elif kind == "dnat" and isinstance(body, dict) and (picks := picks_of(body)):
                return self._spread(walker, rule, *picks)
            elif kind not in _HARMLESS and (ended := self._statement(walker, rule, kind, body)):
                return [ended]
        return [walker]

    def _statement(self, walker: Walker, rule: NftObject, kind: str, body: Any) -> Walker | None:
        """A statement that changes or ends the packet; None to go on with the rule."""
        if kind == "mangle" and isinstance(body, dict):
            mark = value(body.get("value"), walker.packet, self.node)
            if body.get("key") != {"meta": {"key": "mark"}} or not isinstance(mark, int):
                return walker.stop("unknown", f"line {rule.line}: what it writes is not known here")
            walker.packet.mark = mark
            self._record(walker, rule)
            return None
        self._record(walker, rule)
        if kind == "dnat" and isinstance(body, dict) and is_address(str(body.get("addr"))):
            port = body.get("port")
            walker.packet.dst, walker.packet.dnat = str(body["addr"]), True
            walker.packet.dport = port if isinstance(port, int) else walker.packet.dport
            walker.flow = ACCEPT
        elif kind == "masquerade":
            walker.packet.snat, walker.flow = "MASQUERADE", ACCEPT
        elif kind == "snat" and isinstance(body, dict):
            walker.packet.snat, walker.flow = str(body.get("addr")), ACCEPT
        elif kind in (ACCEPT, RETURN):
            walker.flow = kind
        elif kind in ("drop", "reject"):
            walker.stop(kind.upper())
        else:
            walker.stop("unknown", f"line {rule.line}: what {kind} does is not known here")
        return walker

    def _spread(self, walker: Walker, rule: NftObject, modulus: int, ends: list[tuple[str, int]]) -> list[Walker]:
        """DNAT to one of several addresses, each as likely as the others."""
        self._record(walker, rule)
        found = [walker.copy(weight=1 / modulus) for _ in ends]
        for each, (ip, port) in zip(found, ends, strict=True):
            each.packet.dst, each.packet.dport, each.packet.dnat, each.flow = ip, port or each.packet.dport, True, ACCEPT
        if len(ends) < modulus:
            found.append(walker.copy(weight=1 - len(ends) / modulus))
        return found

    def _vmap(self, walker: Walker, rule: NftObject, body: dict[str, Any], depth: int) -> list[Walker]:
        key, data = body.get("key"), body.get("data")
        if isinstance(key, dict) and isinstance(key.get("numgen"), dict):
            return self._pick(walker, rule, key["numgen"], data, depth)
        wanted = value(key, walker.packet, self.node)
        if wanted is UNKNOWN:
            return [walker.stop("unknown", f"line {rule.line} asks for what this capture does not show")]
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        held = self.proxy.map(data[1:]) if isinstance(data, str) else {k: (v, c) for k, v, c in elements((data or {}).get("set"))}
        return self._jump(walker, rule, held[wanted][0], depth) if wanted in held else [walker]

    def _pick(self, walker: Walker, rule: NftObject, numgen: dict[str, Any], data: Any, depth: int) -> list[Walker]:
        modulus = numgen.get("mod")
        if not isinstance(modulus, int) or not 0 < modulus < 100000 or not isinstance(data, dict):
            return [walker.stop("unknown", f"line {rule.line}: its choice cannot be read")]
        found: list[Walker] = []
        picks = elements(data.get("set"))
        for _, verdict, _ in picks:
            found += self._jump(walker.copy(weight=1 / modulus), rule, verdict, depth)
        if len(picks) < modulus:
            found.append(walker.copy(weight=1 - len(picks) / modulus))
        return found

    def _jump(self, walker: Walker, rule: NftObject, verdict: Any, depth: int) -> list[Walker]:
        """Follow a verdict: a chain, or one of the final ones."""
        target = target_of(verdict)
        chain = self.proxy.chains.get(target)
        if not target and isinstance(verdict, dict) and len(verdict) == 1:
            ended = self._statement(walker, rule, *next(iter(verdict.items())))
            return [ended or walker]
        self._record(walker, rule, target)
        if chain is None:
            return [walker.stop("unknown", f"line {rule.line} leads to {target}, which is not in the capture")]
        found = self._run(walker, chain, depth + 1)
        if isinstance(verdict, dict) and "goto" in verdict:
            for each in found:
                each.flow = RETURN if each.flow == NEXT and not each.end else each.flow
        return found

    @staticmethod
    def _record(walker: Walker, rule: NftObject, target: str = "") -> None:
        text = f"goto {target}" if target else json.dumps(rule.data.get("expr"), separators=(",", ":"))[:200]
        walker.path = (*walker.path, Step("kube-proxy", str(rule.data.get("chain")), rule.line, text))
