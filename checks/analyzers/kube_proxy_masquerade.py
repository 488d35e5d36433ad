"""Rules about masquerading: the mark that asks for it, the chain that does it, what stands in its way.

K19 to K23, K32 to K34 and K50 of the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_era import era
from checks.analyzers.kube_proxy_fault import Fault, Host, Limits, at, declared, some
from checks.analyzers.kube_proxy_marks import MASQ_BIT, local_detector, masquerade_mark, pod_cidr, postrouting_tests
from checks.analyzers.packet import network
from checks.parsers.iptables_rules import Rule
from checks.results import Reason, Verdict

_OTHERS_MARKS = (
    ("cali-", 0xFFFF0000, "Calico"),
    ("KUBE-ROUTER-", 0x30000, "kube-router"),
    ("CILIUM_", 0xF00, "Cilium"),
)
_FIRST_MARK = 0x4D415351
_TUNNELS = ("flannel.", "vxlan", "geneve", "genev_sys", "cilium_vxlan", "cilium_geneve", "antrea-gw", "ovn-k8s")


def bits_disagree(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K19: one bit is set, another is tested."""
    marked, tests = masquerade_mark(model), postrouting_tests(model)
    chain = model.rules.chain("nat", "KUBE-POSTROUTING")
    marking = model.rules.chain("nat", "KUBE-MARK-MASQ")
    asking = model.references.get(("nat", "KUBE-MARK-MASQ"))
    if marking and not marking.rules and asking and tests and model.rules.whole(marking):
        say = f"KUBE-MARK-MASQ sets no mark, and {len(asking)} rules rely on it: nothing is masqueraded, replies go astray"
        yield Fault("K19", Verdict.CRIT, say, (*declared(model, marking), at(model, tests[0].rule)))
    if marked is None or not tests or chain is None or not model.rules.whole(chain):
        return
    rule, bits = marked
    if any(test.mask & bits and test.value == bits for test in tests):
        return
    tested = ", ".join(f"{test.value:#x}" for test in tests)
    say = f"KUBE-MARK-MASQ sets {bits:#x} but KUBE-POSTROUTING tests {tested}: nothing is masqueraded, replies go astray"
    yield Fault("K19", Verdict.CRIT, say, (at(model, rule, f"{bits:#x}"), at(model, tests[0].rule, f"{tests[0].value:#x}")))


def other_bit(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K20: a masquerade bit of one's own, perhaps inside another program's mask."""
    marked = masquerade_mark(model)
    if marked is None or marked[1] in (MASQ_BIT, _FIRST_MARK):
        return
    rule, bits = marked
    clash = [name for prefix, mask, name in _OTHERS_MARKS if bits & mask and _has_chain(model, prefix)]
    if clash:
        say = f"the masquerade bit {bits:#x} lies inside the marks that {some(clash)} uses on this node"
        yield Fault("K20", Verdict.WARN, say, (at(model, rule, f"{bits:#x}"),))
    else:
        yield Fault(
            "K20", Verdict.INFO, f"the masquerade bit is {bits:#x}, not the usual 0x4000", (at(model, rule, f"{bits:#x}"),)
        )


def _has_chain(model: KubeProxy, prefix: str) -> bool:
    return any(name.startswith(prefix) for table in model.rules.tables.values() for name in table.chains)


def old_rule_first(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K21: the masquerade rule of an older version stands before the newer form, and packets keep their mark."""
    rules = model.rules.rules_of("nat", "KUBE-POSTROUTING")
    returns = next((rule for rule in rules if rule.target == "RETURN" and rule.match("mark")), None)
    if returns is None:
        return
    for rule in rules:
        if rule is returns:
            return
        mark = rule.match("mark")
        if rule.target == "MASQUERADE" and mark and not mark.negated:
            tunnel = next((name for name in host.devices or () if name.startswith(_TUNNELS)), "")
            harm = f"with the tunnel {tunnel} connects take 1 to 63 s" if tunnel else "tunnelled packets are masqueraded twice"
            say = f"the old masquerade rule stands before the newer RETURN form in KUBE-POSTROUTING: {harm}"
            device = (host.devices[tunnel],) if tunnel and host.devices else ()
            lines = (at(model, rule, "MASQUERADE"), at(model, returns, "RETURN"), *device)
            yield Fault("K21", Verdict.CRIT if tunnel else Verdict.WARN, say, lines)
            return


def no_masquerade(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K22, K23: KUBE-POSTROUTING does not masquerade, or picks ports in a way that collides."""
    chain = model.rules.chain("nat", "KUBE-POSTROUTING")
    if chain is None or not model.present:
        return
    masquerades = [rule for rule in chain.rules if rule.target == "MASQUERADE"]
    snats = [rule for rule in chain.rules if rule.target == "SNAT"]
    if not masquerades and snats:
        say = f"KUBE-POSTROUTING uses SNAT to {snats[0].option('to-source')} instead of MASQUERADE"
        yield Fault("K22", Verdict.INFO, say, (at(model, snats[0], "SNAT"),))
    elif not masquerades and model.rules.whole(chain):
        say = "KUBE-POSTROUTING holds no MASQUERADE: marked traffic keeps its source and replies go astray"
        yield Fault("K22", Verdict.CRIT, say, declared(model, chain))
    elif early := _ends_before(chain.rules):
        yield _never_masquerades(model, early)
    elif masquerades and masquerades[0].unconditional and not postrouting_tests(model) and model.rules.whole(chain):
        yield _as_printed(model, masquerades[0], Verdict.WARN, "masquerades every packet that leaves, marked or not")
    elif masquerades and not any(rule.has_option("random-fully") for rule in masquerades):
        say = "MASQUERADE picks source ports without --random-fully: simultaneous connections can collide"
        yield Fault("K23", Verdict.INFO, say, (at(model, masquerades[0], "MASQUERADE"),))


def _ends_before(rules: list[Rule]) -> Rule | None:
    """A rule without conditions that keeps every packet from the MASQUERADE behind it."""
    for rule in rules:
        if rule.target in ("MASQUERADE", "SNAT"):
            return None
        if rule.unconditional and rule.target in ("RETURN", "ACCEPT"):
            return rule
    return None


def _never_masquerades(model: KubeProxy, early: Rule) -> Fault:
    what = f"ends for every packet at a {early.target} before its MASQUERADE: nothing is masqueraded"
    return _as_printed(model, early, Verdict.CRIT, what)


def _as_printed(model: KubeProxy, rule: Rule, verdict: Verdict, what: str) -> Fault:
    """Tools of the nft backend up to 1.8.7 lose the mark test of rules that newer ones wrote."""
    version = tuple(map(int, model.rules.version.split("."))) if re.fullmatch(r"[\d.]*\d", model.rules.version) else ()
    lines = (at(model, rule, rule.target),)
    if model.rules.backend == "legacy" or version >= (1, 8, 8):
        return Fault("K22", verdict, f"KUBE-POSTROUTING {what}", lines)
    tool = f"iptables {model.rules.version}" if version else "the tool that printed it"
    say = f"as printed KUBE-POSTROUTING {what}; but {tool} may lose mark tests that a newer iptables wrote"
    return Fault("K22", Verdict.UNKNOWN, say, lines, reason=Reason.UNPARSED)


def invalid_packets(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K32, K33: INVALID packets are let through to reset connections, or legitimate ones are dropped."""
    forward = model.rules.rules_of("filter", "KUBE-FORWARD")
    drops = [rule for rule in forward if rule.target == "DROP" and "INVALID" in (rule.value("ctstate") or rule.value("state"))]
    liberal = host.knob("nf_conntrack_tcp_be_liberal")
    if drops and drops[0].packets:
        say = f"KUBE-FORWARD has dropped {drops[0].packets} INVALID packets; with asymmetric routing these can be legitimate"
        yield Fault("K33", Verdict.INFO, say, (at(model, drops[0], "INVALID"),), drops[0].packets)
    if forward and not drops and model.rules.complete and liberal and liberal.value == "0" and era(model).at_least("1.15"):
        say = "INVALID packets are not dropped while nf_conntrack_tcp_be_liberal is 0: late packets reset connections"
        yield Fault("K32", Verdict.WARN, say, (at(model, forward[0]), liberal.line))


def _covers(outer: str, inner: str) -> bool:
    one, other = network(outer), network(inner)
    if one is None or other is None:
        return True
    (base, mask), (inner_base, inner_mask) = one, other
    return (":" in outer) != (":" in inner) or (inner_base & mask == base and inner_mask & mask == mask)


def pods_outside(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K34: a Pod network that kube-proxy takes for outside, so its pods are masqueraded."""
    cidr = pod_cidr(model)
    if cidr is None or host.pod_routes is None:
        return
    outside = [(prefix, line) for prefix, line in host.pod_routes if not _covers(cidr, prefix)]
    rule = _detector_rule(model, cidr)
    if outside and rule:
        names = some(prefix for prefix, _ in outside)
        say = f"{len(outside)} pod routes ({names}) lie outside {cidr}: kube-proxy masquerades their pods"
        yield Fault("K34", Verdict.WARN, say, (at(model, rule, cidr), *(line for _, line in outside[:3])), len(outside))


def _detector_rule(model: KubeProxy, cidr: str) -> Rule | None:
    for rule in model.references.get(("nat", "KUBE-MARK-MASQ"), ()):
        source = rule.match("s")
        if source and source.negated and source.value == cidr:
            return rule
    return None


def source_ranges(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K50: since 1.25 loadBalancerSourceRanges also bind pods, which then cannot use the load balancer's address."""
    cidr = pod_cidr(model)
    if cidr is None or model.rules.chain("filter", "KUBE-PROXY-FIREWALL") is None:
        return
    for service in model.services:
        rules = model.rules.rules_of("nat", service.chains.get("FW", ""))
        allowed = [rule for rule in rules if rule.value("s")]
        if allowed and not any(_covers(rule.value("s"), cidr) for rule in allowed):
            say = f"the source ranges of {service.label} leave out the pods ({cidr}): they cannot use its load balancer address"
            yield Fault("K50", Verdict.INFO, say, tuple(at(model, rule) for rule in allowed[:3]), local_detector(model))


CHECKS = (bits_disagree, no_masquerade, old_rule_first, other_bit, invalid_packets, pods_outside, source_ranges)
