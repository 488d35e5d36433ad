"""Which Kubernetes wrote these rules: a range, told by what only some versions write.

Knowledge: kube-proxy's sources by version and the issues that changed its rules (56164, 52569, 60306, 95252, 92035, 96959).
Only what is there counts; a chain that nothing refers to may be left over from before an upgrade and does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_marks import masquerade_mark, postrouting_tests

Version = tuple[int, int]
Sign = Callable[[KubeProxy], object]


@dataclass(frozen=True)
class Era:
    """From ``min`` to ``max``, empty where nothing bounds it, and what told so."""

    min: str
    max: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        if self.min and self.max:
            return (
                f"as Kubernetes {self.min} to {self.max} writes them"
                if self.min != self.max
                else f"as Kubernetes {self.min} does"
            )
        if self.min or self.max:
            return f"as Kubernetes {self.min or self.max} or {'newer' if self.min else 'older'} writes them"
        return "of no version that can be told"

    def at_least(self, version: str) -> bool:
        """True when it is certainly that version or newer."""
        return bool(self.min) and _version(self.min) >= _version(version)

    def at_most(self, version: str) -> bool:
        """True when it is certainly that version or older."""
        return bool(self.max) and _version(self.max) <= _version(version)


def _version(text: str) -> Version:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def _referenced(model: KubeProxy, kind: str) -> bool:
    return any((name := service.chains.get(kind)) and model.references.get(("nat", name)) for service in model.by_suffix.values())


def _chain(table: str, name: str) -> Sign:
    return lambda model: model.rules.chain(table, name)


def _jump(table: str, chain: str, target: str) -> Sign:
    return lambda model: any(rule.target == target for rule in model.rules.rules_of(table, chain))


def _canary(model: KubeProxy) -> bool:
    return any("KUBE-PROXY-CANARY" in table.chains for table in model.rules.tables.values())


def _first_mark(model: KubeProxy) -> bool:
    nat = model.rules.tables.get("nat")
    return any("0x4d415351" in rule.raw for rule in nat.rules()) if nat else False


def _not_on_loopback(model: KubeProxy) -> bool:
    rules = model.references.get(("nat", "KUBE-NODEPORTS"), ())
    return any(match.option == "d" and match.negated for rule in rules for match in rule.matches)


def _probability(model: KubeProxy) -> str:
    """``old`` for five digits, ``new`` for ten, empty when every probability reads the same in both."""
    for service in model.by_suffix.values():
        for balancing in service.balancing.values():
            for index, each in enumerate(balancing.chances[:-1]):
                right = 1 / (len(balancing.picks) - index)
                if abs(round(right, 5) - right) > 1e-7:
                    return "new" if abs(each - right) < 1e-8 else "old" if abs(each - round(right, 5)) < 1e-8 else ""
    return ""


def _names(model: KubeProxy) -> Iterator[str]:
    for service in model.by_suffix.values():
        if service.name and any(front.kind == "cluster" and " cluster IP" in front.rule.comment for front in service.fronts):
            yield service.name


def _random_fully(model: KubeProxy) -> bool:
    return any(rule.has_option("random-fully") for rule in model.rules.rules_of("nat", "KUBE-POSTROUTING"))


def _invalid_drop(model: KubeProxy) -> bool:
    rules = model.rules.rules_of("filter", "KUBE-FORWARD")
    return any(rule.target == "DROP" and "INVALID" in rule.value("ctstate") for rule in rules)


def _masquerade_rule_in(model: KubeProxy, prefix: str) -> bool:
    rules = model.references.get(("nat", "KUBE-MARK-MASQ"), ())
    return any(rule.chain.startswith(prefix) and "cluster IP" in rule.comment for rule in rules)


def _arrow_comment(model: KubeProxy) -> bool:
    return any(" -> " in pick.rule.comment for service in model.by_suffix.values() for pick in service.picks)


def _plain_comment(model: KubeProxy) -> bool:
    comments = (pick.rule.comment for service in model.by_suffix.values() for pick in service.picks)
    return any(comment and " -> " not in comment for comment in comments)


def _old_masquerade(model: KubeProxy) -> bool:
    tests = postrouting_tests(model)
    return bool(tests) and all(test.rule.target == "MASQUERADE" for test in tests)


_SIGNS: tuple[tuple[str, str, str, Sign], ...] = (
    ("", "1.1", "mark 0x4d415351", _first_mark),
    ("1.2", "", "KUBE-MARK-MASQ", masquerade_mark),
    ("1.9", "", "KUBE-EXTERNAL-SERVICES", _chain("filter", "KUBE-EXTERNAL-SERVICES")),
    ("1.9", "", "KUBE-FORWARD", _chain("filter", "KUBE-FORWARD")),
    ("1.15", "", "DROP of INVALID in KUBE-FORWARD", _invalid_drop),
    ("1.16", "", "MASQUERADE --random-fully", _random_fully),
    ("1.16", "", "RETURN of unmarked packets in KUBE-POSTROUTING", _jump("nat", "KUBE-POSTROUTING", "RETURN")),
    ("", "1.19", "mark test on MASQUERADE itself", _old_masquerade),
    ("1.17", "", "KUBE-PROXY-CANARY", _canary),
    ("1.17", "", "probabilities with ten digits", lambda model: _probability(model) == "new"),
    ("", "1.16", "probabilities with five digits", lambda model: _probability(model) == "old"),
    ("", "1.19", "INPUT leads to KUBE-SERVICES", _jump("filter", "INPUT", "KUBE-SERVICES")),
    ("", "1.19", "unnamed ports written with a colon", lambda model: any(name.endswith(":") for name in _names(model))),
    ("1.20", "", "unnamed ports written without a colon", lambda model: any(":" not in name for name in _names(model))),
    ("1.20", "", "FORWARD leads to KUBE-EXTERNAL-SERVICES", _jump("filter", "FORWARD", "KUBE-EXTERNAL-SERVICES")),
    ("1.21", "", "KUBE-NODEPORTS in filter", _chain("filter", "KUBE-NODEPORTS")),
    ("", "1.21", "masquerade rules in KUBE-SERVICES", lambda model: _masquerade_rule_in(model, "KUBE-SERVICES")),
    ("1.22", "", "masquerade rules in KUBE-SVC chains", lambda model: _masquerade_rule_in(model, "KUBE-SVC-")),
    ("", "1.23", "KUBE-XLB chains", lambda model: _referenced(model, "XLB")),
    ("1.24", "", "KUBE-EXT or KUBE-SVL chains", lambda model: _referenced(model, "EXT") or _referenced(model, "SVL")),
    ("1.24", "", "comments name the endpoint", _arrow_comment),
    ("", "1.23", "comments without the endpoint", _plain_comment),
    ("", "1.24", "KUBE-MARK-DROP in use", lambda model: model.references.get(("nat", "KUBE-MARK-DROP"))),
    ("1.25", "", "KUBE-PROXY-FIREWALL", _chain("filter", "KUBE-PROXY-FIREWALL")),
    ("1.26", "", "node ports not on loopback", _not_on_loopback),
)


def era(model: KubeProxy) -> Era:
    """The versions that write rules like these. Signs that contradict each other leave both bounds open and are all named."""
    lowest, highest = "", ""
    reasons: list[str] = []
    for low, high, say, holds in _SIGNS:
        if not holds(model):
            continue
        if low and (not lowest or _version(low) > _version(lowest)):
            lowest = low
        if high and (not highest or _version(high) < _version(highest)):
            highest = high
        reasons.append(f"{say}: {low + ' or newer' if low else high + ' or older'}")
    if lowest and highest and _version(lowest) > _version(highest):
        reasons.append("these contradict each other: rules of two versions are mixed")
        return Era("", "", tuple(reasons))
    return Era(lowest, highest, tuple(reasons))
