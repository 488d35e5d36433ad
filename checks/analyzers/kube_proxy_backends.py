"""Rules about which rule set is the one in force: two backends at once, or none (K01, K02)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from checks.analyzers.kube_proxy_chains import KubeProxy, endpoints
from checks.analyzers.kube_proxy_fault import Fault, Host, Line, at, declared, some
from checks.parsers.iptables_rules import Rule
from checks.results import Reason, Verdict

Target = tuple[str, str, int]

_WITHOUT_PROXY = (
    ("CILIUM_", "Cilium"),
    ("KUBE-ROUTER-", "kube-router"),
    ("OVN-KUBE-", "OVN-Kubernetes"),
    ("ANTREA-", "Antrea"),
)


def hook_of(model: KubeProxy) -> Rule | None:
    """The rule by which packets from pods enter kube-proxy's chains."""
    jumps = model.references.get(("nat", "KUBE-SERVICES"), [])
    return next((rule for rule in jumps if rule.chain in ("PREROUTING", "OUTPUT")), None)


def answers(model: KubeProxy) -> dict[Target, frozenset[tuple[str, int]]]:
    """The endpoints behind every service address."""
    found: dict[Target, frozenset[tuple[str, int]]] = {}
    for service in model.by_suffix.values():
        ends = frozenset((pick.ip, pick.port) for pick in service.picks)
        for front in service.fronts:
            found[front.ip, front.protocol, front.port] = ends
    return found


def two_backends(models: Sequence[KubeProxy]) -> Iterator[Fault]:
    """K01: both backends hold kube-proxy's rules; both run on every packet."""
    for position, one in enumerate(models):
        for other in models[position + 1 :]:
            if one.rules.family != other.rules.family or {_backend(one), _backend(other)} != {"nft", "legacy"}:
                continue
            first, second = hook_of(one), hook_of(other)
            if first and second:
                yield _both_hooked(one, other, first, second)
            elif _remains(one) and _remains(other) and (first or second):
                quiet = other if first else one
                say = f"{quiet.rules.section} also holds chains of Kubernetes, but none that takes traffic: legal"
                yield Fault("K01", Verdict.INFO, say, _remains(quiet)[:2])


def _backend(model: KubeProxy) -> str:
    """The backend, as far as it is known: iptables before 1.8 had one, and a listing does not name its own."""
    return "legacy" if model.rules.backend == "unsuffixed" and model.rules.version else model.rules.backend


def _place(model: KubeProxy) -> str:
    return model.rules.section if f"-{model.rules.backend}-" in model.rules.section else f"the {model.rules.backend} backend"


def _remains(model: KubeProxy) -> tuple[Line, ...]:
    chains = [chain for table in model.rules.tables.values() for chain in table.chains.values() if chain.name.startswith("KUBE-")]
    return tuple(line for chain in chains for line in declared(model, chain))


def _both_hooked(one: KubeProxy, other: KubeProxy, first: Rule, second: Rule) -> Fault:
    left, right = answers(one), answers(other)
    different = sorted(
        (key for key in left.keys() | right.keys() if left.get(key) != right.get(key)), key=lambda key: (not key[0], key)
    )
    lines = [at(one, first, "KUBE-SERVICES"), at(other, second, "KUBE-SERVICES")]
    names = " and ".join(_place(model) for model in (one, other))
    if not different:
        say = f"{names} both hold kube-proxy's rules, alike for now: both run on every packet"
        return Fault("K01", Verdict.WARN, say, tuple(lines))
    nothing: frozenset[tuple[str, int]] = frozenset()
    for model, own, others in ((one, left, right), (other, right, left)):
        lines += [at(model, rule) for rule in _front_rules(model, different[0])]
        alone = own.get(different[0], nothing) - others.get(different[0], nothing)
        lines += [at(model, rule) for rule in _dnat_rules(model, alone)]
    told = some(f"{ip or 'node port'}:{port}/{protocol}" for ip, protocol, port in different)
    say = f"{names} both hold kube-proxy's rules and differ in {len(different)} addresses ({told}): the stale set can win"
    return Fault("K01", Verdict.CRIT, say, tuple(lines), len(different))


def _front_rules(model: KubeProxy, key: Target) -> list[Rule]:
    fronts = (front for service in model.by_suffix.values() for front in service.fronts)
    return [front.rule for front in fronts if (front.ip, front.protocol, front.port) == key][:1]


def _dnat_rules(model: KubeProxy, ends: frozenset[tuple[str, int]]) -> list[Rule]:
    chains = {pick.chain for _, pick in endpoints(model) if (pick.ip, pick.port) in ends}
    return [rule for chain in sorted(chains) for rule, _, _ in model.endpoint_chain(chain)][:2]


def other_proxy(model: KubeProxy) -> str:
    """The program that seems to stand in for kube-proxy on this node; an empty string when none is seen."""
    for table in model.rules.tables.values():
        for name, chain in table.chains.items():
            for prefix, program in _WITHOUT_PROXY:
                if name.startswith(prefix):
                    return program
            if name.startswith("cali-") and any("BPF program" in rule.comment for rule in chain.rules):
                return "Calico in eBPF mode"
    return ""


def no_services(model: KubeProxy, host: Host) -> Fault | None:
    """K02: kube-proxy's entry chain is not there, or None when that proves nothing; the caller knows that no other set has it."""
    nat = model.rules.tables.get("nat")
    lines = (Line(model.rules.section, nat.line, "nat"),) if nat and nat.line else ()
    if host.proxy_running and host.mode in ("", "iptables"):
        proxy = (host.proxy,) if host.proxy else ()
        if host.proxy_young:
            say = "kube-proxy has run for less than two minutes and has not written KUBE-SERVICES yet: look again"
            return Fault("K02", Verdict.UNKNOWN, say, (*lines, *proxy), reason=Reason.IDLE)
        sure = host.mode == "iptables" or (host.proxy_whole and host.nft_tables is not None)
        mode = "runs in iptables mode" if host.mode else "runs, not in nftables mode," if host.nft_tables is not None else "runs"
        say = f"kube-proxy {mode} but there is no KUBE-SERVICES in nat: no service works on this node by iptables"
        return Fault("K02", Verdict.CRIT if sure else Verdict.WARN, say, (*lines, *proxy))
    left = (
        []
        if host.mode or other_proxy(model)
        else [rule for name in _IN_FILTER for rule in model.references.get(("filter", name), ())]
    )
    if left and model.rules.complete:
        say = f"filter leads to {left[0].target} but there is no KUBE-SERVICES in nat: kube-proxy's chains there were removed"
        return Fault("K02", Verdict.CRIT, say, (*lines, at(model, left[0], left[0].target)))
    kubelet = [chain for table in model.rules.tables.values() for chain in table.chains.values() if chain.name in _KUBELETS]
    if host.proxy_running is None and kubelet and not other_proxy(model):
        say = (
            "a kubelet's chains are there but no KUBE-SERVICES: kube-proxy has written nothing, or services are served without it"
        )
        return Fault("K02", Verdict.WARN, say, (*lines, *declared(model, kubelet[0])))
    return None


_IN_FILTER = ("KUBE-SERVICES", "KUBE-FORWARD", "KUBE-EXTERNAL-SERVICES")
"""Chains of filter that only kube-proxy makes, and never without those in nat."""
_KUBELETS = ("KUBE-MARK-DROP", "KUBE-FIREWALL", "KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT", "KUBE-MARK-MASQ")
