"""What a service port is in kube-proxy's rules: its addresses, its endpoints with their shares, what refuses it."""

from __future__ import annotations

from dataclasses import dataclass, field

from checks.analyzers.kube_proxy_shares import leak, shares
from checks.parsers.iptables_rules import Rule
from checks.parsers.iptables_values import is_address, port


def bare(address: str) -> str:
    """An address without its /32 or /128."""
    return address.removesuffix("/32").removesuffix("/128")


def split_endpoint(text: str) -> tuple[str, int]:
    """Address and port of ``--to-destination``; empty and 0 for what is not there or is no such thing.

    >>> split_endpoint("10.244.1.5:8080"), split_endpoint("[fd00::5]:53"), split_endpoint("fd00::5")
    (('10.244.1.5', 8080), ('fd00::5', 53), ('fd00::5', 0))
    """
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        rest = rest[1:]
    elif text.count(":") > 1:
        host, rest = text, ""
    else:
        host, _, rest = text.partition(":")
    return host if is_address(host) else "", port(rest) or 0


@dataclass(slots=True, eq=False)
class Front:
    """One address and port at which a service answers; ``kind`` is cluster, external, lb, nodeport or unknown."""

    kind: str
    ip: str
    protocol: str
    port: int
    rule: Rule


@dataclass(slots=True, eq=False)
class Pick:
    """One balancing rule and the endpoint it leads to. ``chain`` is the SEP chain, empty for a DNAT in place."""

    rule: Rule
    chain: str
    probability: float
    ip: str
    port: int


@dataclass(slots=True, eq=False)
class Balancing:
    """The endpoints of one SVC, SVL or XLB chain. ``readable`` is False when a rule has conditions this model does not know."""

    chain: str
    picks: list[Pick] = field(default_factory=list)
    affinity: list[Rule] = field(default_factory=list)
    readable: bool = True

    @property
    def chances(self) -> list[float]:
        """The probability of each rule."""
        return [pick.probability for pick in self.picks]

    @property
    def shares(self) -> list[float]:
        """The share of each rule."""
        return shares(self.chances)

    @property
    def leak(self) -> float:
        """The share that no rule takes."""
        return leak(self.chances)


@dataclass(slots=True, eq=False)
class Service:
    """One service port. ``refusals`` are filter rules that REJECT or DROP it; ``chains`` maps SVC, SVL, EXT, XLB, FW to names."""

    suffix: str
    name: str = ""
    protocol: str = ""
    fronts: list[Front] = field(default_factory=list)
    chains: dict[str, str] = field(default_factory=dict)
    balancing: dict[str, Balancing] = field(default_factory=dict)
    refusals: list[Front] = field(default_factory=list)

    @property
    def main(self) -> Balancing | None:
        """The balancing that most traffic meets: SVC, else SVL, else XLB."""
        return next((self.balancing[kind] for kind in ("SVC", "SVL", "XLB") if kind in self.balancing), None)

    @property
    def picks(self) -> list[Pick]:
        """The endpoints of ``main``."""
        return self.main.picks if self.main else []

    @property
    def label(self) -> str:
        """The name to show: the comment's, else the chain."""
        return self.name or next(iter(self.chains.values()), self.suffix)

    @property
    def no_endpoints(self) -> bool:
        """True when kube-proxy refuses it for want of endpoints."""
        return any(front.rule.target == "REJECT" for front in self.refusals)
