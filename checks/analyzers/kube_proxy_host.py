"""Rules that join kube-proxy's chains with the host: other modes, settings, devices, listeners.

K29 to K31, K35, K37 to K40, K42, K43 and K46 of the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_fault import Fault, Host, Limits, Line, at, declared, some
from checks.analyzers.kube_proxy_names import is_foreign
from checks.parsers.iptables_rules import Rule
from checks.parsers.iptables_values import whole
from checks.results import Reason, Verdict

_NODE_PORTS = (30000, 32767)
_BRIDGES = ("cni0", "cbr0", "kube-bridge")
_PORTALS = ("KUBE-PORTALS-CONTAINER", "KUBE-PORTALS-HOST", "KUBE-NODEPORT-CONTAINER", "KUBE-NODEPORT-HOST")


def listeners_on_node_ports(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K29: a process listens where DNAT takes the traffic away."""
    for service in model.services:
        for front in service.fronts:
            line = (host.listeners or {}).get((front.protocol, front.port)) if front.kind == "nodeport" else None
            if line:
                say = f"a process listens on {front.port}/{front.protocol}, the node port of {service.label}: it gets no traffic"
                yield Fault("K29", Verdict.WARN, say, (at(model, front.rule), line), front.port)


def ephemeral_ports(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K30: outgoing connections may take a node port."""
    knob, reserved = host.knob("ip_local_port_range"), host.knob("ip_local_reserved_ports")
    words = knob.value.split() if knob else []
    low, high = (whole(words[0]), whole(words[1])) if len(words) == 2 else (None, None)
    if knob is None or low is None or high is None or not model.present:
        return
    overlap = max(low, _NODE_PORTS[0]), min(high, _NODE_PORTS[1])
    if overlap[0] <= overlap[1] and not _reserved(reserved.value if reserved else "", overlap):
        say = f"ephemeral ports {low} to {high} overlap the node ports 30000 to 32767, and the overlap is not reserved"
        yield Fault("K30", Verdict.WARN, say, (knob.line,), overlap[1] - overlap[0] + 1)


def _reserved(text: str, span: tuple[int, int]) -> bool:
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        low, high = whole(first), whole(last or first)
        if low is not None and high is not None and low <= span[0] and high >= span[1]:
            return True
    return False


def open_localnet(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K31: neighbours can reach what listens on 127.0.0.1."""
    knob = host.knob("conf/all/route_localnet")
    if knob is None or knob.value != "1" or not model.rules.complete or model.rules.family == 6 or not model.present:
        return
    guarded = any(
        rule.target == "DROP" and rule.value("d") == "127.0.0.0/8" for rule in model.rules.rules_of("filter", "KUBE-FIREWALL")
    )
    if not guarded:
        say = "route_localnet is 1 and no rule drops packets to 127.0.0.0/8: neighbours reach what listens on loopback only"
        yield Fault("K31", Verdict.WARN, say, (knob.line,))


def leftovers_of_other_versions(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K37: chains of an older version, or of userspace mode, beside the present ones."""
    for name in _PORTALS:
        jumps = model.references.get(("nat", name), [])
        if jumps and model.present:
            yield Fault("K37", Verdict.WARN, f"{name} of userspace mode is still jumped to", (at(model, jumps[0], name),))
            return
    kinds = {kind for service in model.by_suffix.values() for kind in service.chains}
    old = [chain for service in model.services if (chain := service.chains.get("XLB"))]
    if "XLB" in kinds and kinds & {"EXT", "SVL"}:
        used = [rule for chain in old for rule in model.references.get(("nat", chain), [])]
        lines = tuple(at(model, rule) for rule in used[:3]) or declared(model, model.rules.chain("nat", old[0]))
        say = f"{len(old)} KUBE-XLB chains of a proxy up to 1.23 stand beside KUBE-EXT chains of 1.24 or newer"
        yield Fault("K37", Verdict.WARN if used else Verdict.INFO, say, lines, len(old))


def ipvs_device(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K38: ipvs mode's dummy device still owns the service addresses."""
    if host.ipvs0 and host.ipvs0_addresses and host.mode in ("iptables", "nftables"):
        say = f"kube-ipvs0 still holds {host.ipvs0_addresses} service addresses while kube-proxy runs in {host.mode} mode"
        yield Fault("K38", Verdict.CRIT, say, (host.ipvs0, *((host.proxy,) if host.proxy else ())), host.ipvs0_addresses)


def rules_of_another_mode(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K39: rules of iptables mode, which send on or refuse, while kube-proxy runs in another."""
    if host.mode not in ("ipvs", "nftables"):
        return
    live: list[Rule] = []
    for service in model.services:
        if service.picks:
            live += [rule for chain in service.chains.values() for rule in model.references.get(("nat", chain), [])]
    refusing = [rule for rule in model.rules.rules_of("filter", "KUBE-SERVICES") if rule.target == "REJECT"]
    if refusing and model.references.get(("filter", "KUBE-SERVICES")):
        say = f"{len(refusing)} services are still refused by rules of iptables mode while kube-proxy runs in {host.mode} mode"
        yield Fault("K39", Verdict.CRIT, say, tuple(at(model, rule, "REJECT") for rule in refusing[:3]), len(refusing))
    hooked = any(rule.chain in ("PREROUTING", "OUTPUT") for rule in model.references.get(("nat", "KUBE-SERVICES"), []))
    if live and hooked:
        say = f"{len(live)} rules of iptables mode are still in force while kube-proxy runs in {host.mode} mode"
        lines = (at(model, live[0]), *((host.proxy,) if host.proxy else ()))
        yield Fault("K39", Verdict.CRIT, say, lines, len(live))


def many_rules(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K40: so many rules that every sync is slow."""
    nat = model.rules.tables.get("nat")
    count = sum(len(chain.rules) for chain in nat.chains.values()) if nat else 0
    if host.save_ms is not None and host.save_ms >= limits["save_ms_warn"]:
        say = f"saving the rules took {host.save_ms / 1000:.1f} s: every sync of kube-proxy is slow"
        yield Fault("K40", Verdict.WARN, say, (), host.save_ms, "save_ms_warn")
    elif nat and count > limits["nat_rules_info"]:
        say = f"nat holds {count} rules: syncs take long; nftables mode scales better"
        yield Fault("K40", Verdict.INFO, say, (Line(model.rules.section, nat.line, "nat"),), count, "nat_rules_info")


def bridged_replies(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K42: replies between pods on one bridge bypass iptables and are not translated back."""
    bridge = next((name for name in _BRIDGES if name in host.bridges), None)
    name = "bridge-nf-call-ip6tables" if model.rules.family == 6 else "bridge-nf-call-iptables"
    knob = host.knob(name)
    if bridge is None or host.devices is None or not model.present:
        return
    if knob is None and any(path.endswith(name) for path in host.absent_knobs):
        say = f"br_netfilter is not loaded while pods are on the bridge {bridge}: pod to service to pod on this node fails"
        yield Fault("K42", Verdict.CRIT, say, (host.devices[bridge],))
    elif knob and knob.value == "0":
        say = f"{name} is 0 while pods are on the bridge {bridge}: pod to service to pod on this node fails"
        yield Fault("K42", Verdict.CRIT, say, (knob.line, host.devices[bridge]))


def no_hairpin(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K43: a bridge does not send a frame back where it came from."""
    off = [(name, line) for name, (hairpin, line) in (host.hairpins or {}).items() if not hairpin]
    if off and model.present:
        names = some(name for name, _ in off)
        say = f"{len(off)} bridge ports have hairpin mode off ({names}): their pods cannot reach themselves by a service"
        yield Fault("K43", Verdict.WARN, say, tuple(line for _, line in off[:3]), len(off))


def other_drops(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K46: another nftables table may drop what iptables accepts."""
    for table, hook, line in host.drop_chains[:3]:
        say = f"nftables table {table} may drop packets on {hook}; what it drops stays dropped whatever iptables says"
        yield Fault("K46", Verdict.WARN, say, (line,))


def second_family(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """K35: the cluster has v6 pods but kube-proxy wrote no v6 rules."""
    v6 = [cidr for cidr in host.cluster_cidrs if ":" in cidr]
    if model.rules.family != 6 or not v6 or not model.rules.complete or model.present:
        return
    if "nat" not in model.rules.tables and not model.rules.ended:
        say = f"{model.rules.section} holds no nat table: whether kube-proxy wrote IPv6 rules cannot be told"
        yield Fault("K35", Verdict.UNKNOWN, say, reason=Reason.TRUNCATED)
    else:
        say = f"the cluster's pods use {v6[0]} too, but ip6tables has no KUBE-SERVICES"
        yield Fault("K35", Verdict.WARN, say, (host.proxy,) if host.proxy else ())


def has_kubelet_chains(model: KubeProxy) -> bool:
    """True when a kubelet has been here: KUBE- chains that are not another program's."""
    names = (name for table in model.rules.tables.values() for name in table.chains)
    return any(name.startswith("KUBE-") and not is_foreign(name) for name in names)


CHECKS = (
    rules_of_another_mode,
    ipvs_device,
    bridged_replies,
    other_drops,
    listeners_on_node_ports,
    second_family,
    open_localnet,
    ephemeral_ports,
    leftovers_of_other_versions,
    no_hairpin,
    many_rules,
)
