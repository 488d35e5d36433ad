"""Rules about the way into kube-proxy's chains and about chains of its own that no longer do their work.

Jumps missing, blocked or misplaced; rules repeated or without their mark test (K03 to K05, K26 to K28, K41, K45, K48, K49).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from checks.analyzers.kube_proxy_backends import other_proxy
from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_era import era
from checks.analyzers.kube_proxy_fault import Fault, Host, Limits, at, declared, jumps_to, some
from checks.analyzers.kube_proxy_marks import DROP_BIT, mark_test
from checks.analyzers.kube_proxy_names import is_foreign
from checks.parsers.iptables_options import TARGETS
from checks.parsers.iptables_rules import Rule
from checks.results import Reason, Verdict

HOOKS = (
    ("nat", "PREROUTING", "KUBE-SERVICES"),
    ("nat", "OUTPUT", "KUBE-SERVICES"),
    ("nat", "POSTROUTING", "KUBE-POSTROUTING"),
    ("filter", "FORWARD", "KUBE-FORWARD"),
)
"""Jumps without which services do not work."""

_FINAL = ("ACCEPT", "DROP", "REJECT", "QUEUE", "NFQUEUE", "RETURN")
_LAST = "KUBE-NODEPORTS"


def missing_hooks(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K03: a base chain no longer leads to kube-proxy's. A flushed table keeps its chains, all of them empty."""
    for table, base, target in HOOKS:
        chain = model.rules.chain(table, target)
        if chain is None or not model.rules.visible(table, base) or jumps_to(model, table, base, target):
            continue
        if not chain.rules and (not model.present or other_proxy(model)):
            continue
        lines = declared(model, model.rules.chain(table, base)) + declared(model, chain)
        fresh = era(model).at_least("1.27")
        when = "only a restart of kube-proxy puts it back" if fresh else "kube-proxy puts it back within 30 s if it runs"
        what = "so its rules are never reached" if chain.rules else f"which is empty: {table} was flushed"
        yield Fault("K03", Verdict.CRIT, f"{table} {base} has no jump to {target}, {what}; {when}", lines)


def never_synced(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K02: kube-proxy made its chains, but not one rule stands in KUBE-SERVICES; there are always some."""
    chain, jump = model.rules.chain("nat", "KUBE-SERVICES"), jumps_to(model, "nat", "PREROUTING", "KUBE-SERVICES")
    if chain is None or jump is None or not model.rules.whole(chain) or other_proxy(model):
        return
    if chain.rules:
        if model.rules.family == 4 and not model.by_suffix and all(rule.target == _LAST for rule in chain.rules):
            say = "KUBE-SERVICES leads to no service, not even to that of the API: kube-proxy has heard of none"
            yield Fault("K02", Verdict.WARN, say, (*declared(model, chain), at(model, chain.rules[0], _LAST)))
        return
    lines = (*declared(model, chain), at(model, jump, "KUBE-SERVICES"))
    if host.proxy_young:
        say = "KUBE-SERVICES is empty, and kube-proxy has run for less than two minutes: look again"
        yield Fault("K02", Verdict.UNKNOWN, say, lines, reason=Reason.IDLE)
    else:
        say = "KUBE-SERVICES is in nat but holds no rule: kube-proxy made its chains, and none of its syncs has succeeded"
        yield Fault("K02", Verdict.CRIT, say, lines)


def blocked_hooks(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K04: a rule without conditions ends the base chain before kube-proxy's jump."""
    for table, base, target in (*HOOKS, ("filter", "INPUT", "KUBE-FIREWALL"), ("filter", "OUTPUT", "KUBE-SERVICES")):
        if (table, base) in host.unreliable:
            continue
        jump = jumps_to(model, table, base, target)
        if jump is None:
            continue
        for rule in model.rules.rules_of(table, base):
            if rule is jump:
                break
            if rule.unconditional and rule.target in _FINAL:
                soft = table == "filter" and rule.target in ("ACCEPT", "RETURN")
                say = f"{table} {base} ends for every packet at a {rule.target} before its jump to {target}"
                lines = (at(model, rule, rule.target), at(model, jump, target))
                yield Fault("K04", Verdict.WARN if soft else Verdict.CRIT, say, lines)
                break


def undeclared_targets(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K05: the kernel forbids a jump to a chain that is not there, so part of the capture is missing."""
    lost: dict[str, Rule] = {}
    for rule in model.rules.rules():
        if not rule.target or rule.target in TARGETS or model.rules.chain(rule.table, rule.target):
            continue
        if rule.target.startswith("KUBE-") or rule.chain.startswith("KUBE-"):
            lost.setdefault(rule.target, rule)
    if lost:
        say = f"{len(lost)} chains are jumped to but not in the capture ({some(lost)}): it was cut, grepped or misread"
        lines = tuple(at(model, rule, target) for target, rule in list(lost.items())[:5])
        yield Fault("K05", Verdict.UNKNOWN, say, lines, len(lost), reason=Reason.TRUNCATED)


def marked_drop_without_mark(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K26: the rule that should drop marked packets drops all."""
    for rule in model.rules.rules_of("filter", "KUBE-FIREWALL"):
        if rule.target != "DROP" or "dropping marked packets" not in rule.comment or rule.match("mark") or rule.conditions:
            continue
        if host.marked_drop is True:
            say = "KUBE-FIREWALL is printed as dropping every packet, but nft shows that the kernel's rule does test the mark"
            yield Fault("K26", Verdict.INFO, say, (at(model, rule, "DROP"),))
            continue
        misread = model.rules.backend == "nft" and _older(model.rules.version, (1, 8, 8)) and host.marked_drop is None
        doubt = f"; iptables {model.rules.version} may misprint it: confirm with nft -j list table ip filter" if misread else ""
        say = f"KUBE-FIREWALL drops every packet: its DROP for marked packets tests no mark{doubt}"
        yield Fault("K26", Verdict.CRIT, say, (at(model, rule, "DROP"),))


def _older(version: str, than: tuple[int, ...]) -> bool:
    parts = version.split(".")
    return all(part.isdigit() for part in parts) and tuple(map(int, parts)) < than


def repeated_rules(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K27: the same rule again and again, as an iptables that cannot find its own rules adds them."""
    worst: tuple[int, list[Rule]] = (0, [])
    for table in model.rules.tables.values():
        for chain in table.chains.values():
            if not chain.name.startswith("KUBE-") or is_foreign(chain.name) or len(chain.rules) < limits["repeats_warn"]:
                continue
            same: dict[object, list[Rule]] = defaultdict(list)
            for rule in chain.rules:
                same[rule.matches, rule.target, rule.options].append(rule)
            most = max(same.values(), key=len)
            worst = max(worst, (len(most), most), key=lambda found: found[0])
    count, rules = worst
    if count < limits["repeats_warn"]:
        return
    many = count >= limits["repeats_crit"]
    verdict, limit = (Verdict.CRIT, "repeats_crit") if many else (Verdict.WARN, "repeats_warn")
    say = f"{rules[0].table} {rules[0].chain} holds the same rule {count} times"
    yield Fault("K27", verdict, say, tuple(at(model, rule) for rule in rules[:3]), count, limit)


def nodeports_not_last(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K28: KUBE-SERVICES must end with the jump to KUBE-NODEPORTS."""
    chain = model.rules.chain("nat", "KUBE-SERVICES")
    if chain is None or not model.rules.whole(chain):
        return
    jumps = [position for position, rule in enumerate(chain.rules) if rule.target == _LAST]
    ports = model.rules.rules_of("nat", _LAST)
    if not jumps:
        if ports:
            say = f"KUBE-SERVICES does not lead to KUBE-NODEPORTS: {len(ports)} rules for node ports are never reached"
            yield Fault("K28", Verdict.CRIT, say, (*declared(model, chain), at(model, ports[0])), len(ports))
        return
    late = [rule for rule in chain.rules[jumps[0] :] if rule.target != _LAST]
    if late:
        say = f"{len(late)} rules of KUBE-SERVICES stand behind its jump to KUBE-NODEPORTS, which must be the last"
        yield Fault("K28", Verdict.WARN, say, (at(model, chain.rules[jumps[0]], _LAST), at(model, late[0])), len(late))


def missing_canaries(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K41: a canary chain is gone from one table: that table was flushed a short while ago."""
    tables = [table for table in ("mangle", "nat", "filter") if table in model.rules.tables]
    with_canary = [table for table in tables if "KUBE-PROXY-CANARY" in model.rules.tables[table].chains]
    gone = [table for table in tables if table not in with_canary]
    if model.rules.complete and with_canary and gone:
        say = f"the canary chain is missing in {', '.join(gone)}: flushed a short while ago"
        yield Fault("K41", Verdict.INFO, say, declared(model, model.rules.chain(with_canary[0], "KUBE-PROXY-CANARY")))


def behind_other_dnat(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K45: another program's DNAT for a node port comes before kube-proxy's jump."""
    fronts = [front for service in model.services for front in service.fronts if front.kind == "nodeport"]
    ports = {(front.protocol, str(front.port)): front for front in fronts}
    for base in ("PREROUTING", "OUTPUT"):
        for rule in model.rules.rules_of("nat", base):
            if rule.target == "KUBE-SERVICES":
                break
            for dnat in model.rules.rules_of("nat", rule.target):
                front = ports.get((dnat.value("p"), dnat.value("dport")))
                if dnat.target == "DNAT" and front:
                    say = f"{rule.target} takes port {front.port} before kube-proxy's node port {front.port} can"
                    yield Fault("K45", Verdict.WARN, say, (at(model, dnat), at(model, front.rule)), front.port)
                    return


def drop_mark_not_enforced(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K48: rules ask for a drop by mark that no one carries out (proxies up to 1.24)."""
    asking = model.references.get(("nat", "KUBE-MARK-DROP"), [])
    chain = model.rules.chain("nat", "KUBE-MARK-DROP")
    if not asking or not model.rules.complete or chain is None or "filter" not in model.rules.tables:
        return
    if not chain.rules:
        say = f"KUBE-MARK-DROP is empty: {len(asking)} rules that want traffic dropped have no effect"
        yield Fault("K48", Verdict.WARN, say, (*declared(model, chain), at(model, asking[0])), len(asking))
        return
    tests = [mark_test(rule) for rule in model.rules.tables["filter"].rules() if rule.target == "DROP"]
    if not any(test and test.value & DROP_BIT and not test.negated for test in tests):
        say = f"no filter rule drops packets with mark 0x8000: {len(asking)} rules that want traffic dropped have no effect"
        yield Fault("K48", Verdict.WARN, say, (at(model, chain.rules[0]), at(model, asking[0])), len(asking))


def drop_chain_missing(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K49: a proxy up to 1.24 needs KUBE-MARK-DROP, or none of its syncs succeeds."""
    old = [name for service in model.by_suffix.values() for kind, name in service.chains.items() if kind in ("XLB", "FW")]
    chains = [chain for name in old if (chain := model.rules.chain("nat", name))]
    if not model.rules.complete or not chains or model.rules.chain("nat", "KUBE-MARK-DROP") or not era(model).at_most("1.24"):
        return
    say = f"KUBE-MARK-DROP does not exist, and a proxy up to 1.24 with {len(chains)} load balancer chains cannot sync without it"
    yield Fault("K49", Verdict.CRIT, say, tuple(line for chain in chains[:3] for line in declared(model, chain)), len(chains))


CHECKS = (
    missing_hooks,
    never_synced,
    blocked_hooks,
    undeclared_targets,
    marked_drop_without_mark,
    repeated_rules,
    nodeports_not_last,
    missing_canaries,
    behind_other_dnat,
    drop_mark_not_enforced,
    drop_chain_missing,
)
