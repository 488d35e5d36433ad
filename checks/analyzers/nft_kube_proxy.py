"""kube-proxy's own nftables table (mode nftables, 1.29 and newer) as services.

Knowledge: kube-proxy's pkg/proxy/nftables README and source; JSON as nft 1.0.6 prints it. Maps ``service-ips`` and
``service-nodeports`` lead to service chains, a ``numgen random mod n`` vmap leads to n endpoint chains, and these do DNAT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from checks.parsers.iptables_values import is_address
from checks.parsers.nft_json import Listing
from checks.parsers.nft_listing import NftObject

Key = tuple[Any, ...]


@dataclass(slots=True)
class NftChain:
    """A chain with its rules in order; ``hook`` is empty for one that is not a base chain."""

    name: str
    line: int
    hook: str = ""
    kind: str = ""
    priority: int = 0
    policy: str = ""
    rules: list[NftObject] = field(default_factory=list)


@dataclass(slots=True)
class NftEndpoint:
    """An endpoint of a service and the share it gets."""

    chain: str
    ip: str
    port: int
    share: float


@dataclass(slots=True)
class NftService:
    """A service port: its addresses, its chains, its endpoints."""

    name: str
    protocol: str
    chain: str
    line: int
    cluster_ips: list[str] = field(default_factory=list)
    port: int | None = None
    node_port: int | None = None
    endpoints: list[NftEndpoint] = field(default_factory=list)
    modulus: int | None = None
    sticky: bool = False
    refused: bool = False


def expressions(rule: NftObject) -> Iterator[tuple[str, Any]]:
    """The statements of a rule as (kind, body)."""
    for statement in rule.data.get("expr", []):
        if isinstance(statement, dict):
            yield from statement.items()


def elements(data: Any) -> list[tuple[Key, Any, str]]:
    """Key, value and comment of the elements of a map, or of an anonymous one."""
    found = []
    for entry in data if isinstance(data, list) else ():
        key, value = entry if isinstance(entry, list) and len(entry) == 2 else (entry, None)
        comment = ""
        if isinstance(key, dict) and isinstance(key.get("elem"), dict):
            comment, key = str(key["elem"].get("comment", "")), key["elem"].get("val")
        if isinstance(key, dict) and isinstance(key.get("concat"), list):
            key = key["concat"]
        found.append((tuple(key) if isinstance(key, list) else (key,), value, comment))
    return found


def _hashable(key: Key) -> bool:
    return all(isinstance(part, str | int) for part in key)


def target_of(verdict: Any) -> str:
    """The chain that a jump or goto leads to; an empty string for anything else."""
    if isinstance(verdict, dict):
        for kind in ("goto", "jump"):
            if isinstance(verdict.get(kind), dict):
                return str(verdict[kind].get("target", ""))
    return ""


def _port(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def picks_of(dnat: dict[str, Any]) -> tuple[int, list[tuple[str, int]]] | None:
    """Among how many a DNAT picks by chance, and the addresses and ports it knows; None when it does not pick."""
    chosen = dnat.get("addr")
    body = chosen.get("map") if isinstance(chosen, dict) else None
    key, data = (body.get("key"), body.get("data")) if isinstance(body, dict) else (None, None)
    numgen = key.get("numgen") if isinstance(key, dict) else None
    modulus = numgen.get("mod") if isinstance(numgen, dict) else None
    if not isinstance(modulus, int) or not 0 < modulus < 100000 or not isinstance(data, dict):
        return None
    ends = []
    for _, value, _ in elements(data.get("set")):
        place = value.get("concat") if isinstance(value, dict) else None
        if isinstance(place, list) and len(place) == 2 and is_address(str(place[0])):
            ends.append((str(place[0]), _port(place[1])))
    return modulus, ends


class NftProxy:
    """The table of one family."""

    def __init__(self, listing: Listing, section: str, family: str) -> None:
        self.section, self.family, self.version = section, family, listing.version
        mine = [each for each in listing.objects if each.data.get("table") == "kube-proxy" and each.data.get("family") == family]
        self.present = any(
            each.kind == "table" and each.data.get("name") == "kube-proxy" and each.data.get("family") == family
            for each in listing.objects
        )
        self.chains: dict[str, NftChain] = {}
        self.sets: dict[str, NftObject] = {}
        self._maps: dict[str, dict[Key, tuple[Any, str]]] = {}
        for each in mine:
            if each.kind == "chain":
                self._add_chain(each)
            elif each.kind in ("map", "set"):
                self.sets[str(each.data.get("name"))] = each
            elif each.kind == "rule" and str(each.data.get("chain")) in self.chains:
                self.chains[str(each.data["chain"])].rules.append(each)
        self.services = list(self._services())

    def _add_chain(self, each: NftObject) -> None:
        data = each.data
        priority = data.get("prio")
        self.chains[str(data.get("name"))] = NftChain(
            str(data.get("name")),
            each.line,
            str(data.get("hook", "")),
            str(data.get("type", "")),
            priority if isinstance(priority, int) else 0,
            str(data.get("policy", "")),
        )

    def map(self, name: str) -> dict[Key, tuple[Any, str]]:
        """The elements of a map by key, with their comments."""
        if name not in self._maps:
            held = self.sets.get(name)
            listed = elements(held.data.get("elem")) if held else []
            self._maps[name] = {key: (value, comment) for key, value, comment in listed if _hashable(key)}
        return self._maps[name]

    def missing(self) -> str:
        """What a whole table always has and this listing has not: single chains and maps can be listed too."""
        if "service-ips" not in self.sets:
            return "the map service-ips is not there"
        targets = [target_of(verdict) for name in ("service-ips", "service-nodeports") for verdict, _ in self.map(name).values()]
        lost = next((name for name in targets if name and name not in self.chains), "")
        return f"the chain {lost} is not there" if lost else ""

    def map_line(self, name: str) -> int:
        """The line a map begins on; 0 when it is not there."""
        return self.sets[name].line if name in self.sets else 0

    def _services(self) -> Iterator[NftService]:
        found: dict[str, NftService] = {}
        for key, (verdict, comment) in self.map("service-ips").items():
            if len(key) == 3:
                service = self._service(found, target_of(verdict), comment, str(key[1]), self.map_line("service-ips"))
                service.cluster_ips.append(str(key[0]))
                service.port = key[2] if isinstance(key[2], int) else None
        for key, (verdict, comment) in self.map("service-nodeports").items():
            if len(key) == 2:
                service = self._service(found, target_of(verdict), comment, str(key[0]), self.map_line("service-nodeports"))
                service.node_port = key[1] if isinstance(key[1], int) else None
        for key, (_, comment) in self.map("no-endpoint-services").items():
            if len(key) == 3:
                line = self.map_line("no-endpoint-services")
                service = self._service(found, f"no-endpoint {comment} {key[1]}", comment, str(key[1]), line)
                service.cluster_ips.append(str(key[0]))
                service.port, service.refused = key[2] if isinstance(key[2], int) else None, True
        yield from found.values()

    def _service(self, found: dict[str, NftService], chain: str, name: str, protocol: str, line: int) -> NftService:
        inner = self._inner(chain)
        if inner not in found:
            found[inner] = NftService(name or inner, protocol, inner, line)
            self._fill(found[inner])
        return found[inner]

    def _inner(self, chain: str) -> str:
        """The service chain behind an external one."""
        if chain.startswith("external-") and chain in self.chains:
            for rule in self.chains[chain].rules:
                for kind, body in expressions(rule):
                    target = target_of({kind: body})
                    if target.startswith(("service-", "local-")):
                        return target
        return chain

    def _fill(self, service: NftService) -> None:
        chain = self.chains.get(service.chain)
        for rule in chain.rules if chain else ():
            for kind, body in expressions(rule):
                if kind == "match" and "@affinity-" in str(body):
                    service.sticky = True
                if kind == "dnat" and isinstance(body, dict):
                    self._fill_in_place(service, body)
                if kind != "vmap" or not isinstance(body, dict) or not isinstance(body.get("key"), dict):
                    continue
                numgen, data = body["key"].get("numgen"), body.get("data")
                if isinstance(numgen, dict) and isinstance(data, dict):
                    service.modulus = numgen.get("mod") if isinstance(numgen.get("mod"), int) else None
                    service.endpoints = [
                        self._endpoint(target_of(value), service.modulus) for _, value, _ in elements(data.get("set"))
                    ]

    def _fill_in_place(self, service: NftService, body: dict[str, Any]) -> None:
        """Newer proxies (1.36) do DNAT in the service chain itself: to one address, or to one of a map."""
        if is_address(str(body.get("addr"))):
            service.modulus = 1
            service.endpoints = [NftEndpoint(service.chain, str(body["addr"]), _port(body.get("port")), 1.0)]
        elif picks := picks_of(body):
            service.modulus, ends = picks
            service.endpoints = [NftEndpoint(service.chain, ip, port, 1 / service.modulus) for ip, port in ends]

    def _endpoint(self, name: str, modulus: int | None) -> NftEndpoint:
        ip, port = self.dnat(name)
        return NftEndpoint(name, ip, port, 1 / modulus if modulus else 0.0)

    def dnat(self, chain: str) -> tuple[str, int]:
        """Where an endpoint chain sends to; empty and 0 when it does not."""
        for rule in self.chains[chain].rules if chain in self.chains else ():
            for kind, body in expressions(rule):
                if kind == "dnat" and isinstance(body, dict) and is_address(str(body.get("addr"))):
                    return str(body["addr"]), _port(body.get("port"))
        return "", 0
