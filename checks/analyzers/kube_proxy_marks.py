"""kube-proxy's packet marks: which bit asks for masquerading, who tests it, and whose traffic gets it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.packet import network, set_mark
from checks.parsers.iptables_rules import Rule
from checks.parsers.iptables_values import mark

MASQ_BIT = 0x4000
DROP_BIT = 0x8000


class MarkTest(NamedTuple):
    """A rule that looks at the mark."""

    rule: Rule
    value: int
    mask: int
    negated: bool


def bits_set(rule: Rule) -> int | None:
    """The bits that a MARK rule sets in an unmarked packet; None when it is no MARK rule or cannot be read."""
    return set_mark(0, rule.options) if rule.target == "MARK" else None


def mark_test(rule: Rule) -> MarkTest | None:
    """The rule's ``--mark``, or None."""
    match = rule.match("mark")
    if match is None or match.module == "connmark":
        return None
    first, _, second = match.value.partition("/")
    value, mask = mark(first), mark(second or "0xffffffff")
    return None if value is None or mask is None else MarkTest(rule, value, mask, match.negated)


def masquerade_mark(model: KubeProxy) -> tuple[Rule, int] | None:
    """The rule that marks for masquerading and its bits; Kubernetes 1.1 marked in the SEP chains themselves."""
    for rule in model.rules.rules_of("nat", "KUBE-MARK-MASQ"):
        if bits := bits_set(rule):
            return rule, bits
    return None


def postrouting_tests(model: KubeProxy) -> list[MarkTest]:
    """All tests of the mark in KUBE-POSTROUTING, in order."""
    return [test for rule in model.rules.rules_of("nat", "KUBE-POSTROUTING") if (test := mark_test(rule))]


_PLACE = ("d", "p", "dport", "comment")


def detectors(model: KubeProxy) -> Counter[str]:
    """How kube-proxy tells traffic that is not from its pods: the extra condition of its masquerade rules, and how often.

    An empty string stands for rules without one (masquerade all).
    """
    found: Counter[str] = Counter()
    for rule in model.references.get(("nat", "KUBE-MARK-MASQ"), ()):
        if not (rule.chain == "KUBE-SERVICES" or rule.chain.startswith("KUBE-SVC-")) or "cluster IP" not in rule.comment:
            continue
        extra = [match for match in rule.matches if match.option not in _PLACE]
        found[" ".join(f"{'! ' if match.negated else ''}-{match.option} {match.value}" for match in extra)] += 1
    return found


def local_detector(model: KubeProxy) -> str | None:
    """The usual detector, such as ``! -s 10.244.0.0/16``; None when there is none."""
    usual = detectors(model).most_common(1)
    return (usual[0][0] or None) if usual else None


def masquerades_all(model: KubeProxy) -> bool:
    """True when all service traffic is masqueraded, from pods too."""
    return "" in detectors(model)


def pod_cidr(model: KubeProxy) -> str | None:
    """The network that the detector takes for pods, when it is one."""
    detector = local_detector(model) or ""
    cidr = detector.removeprefix("! -s ")
    return cidr if detector != cidr and network(cidr) else None
