"""The rules about kube-proxy's chains: K01 to K50 of the catalogue with their sources and remedies. No probes of its own.

Sources name Kubernetes issues unless they say otherwise; "source" means kube-proxy's own code of several versions.
"""

from __future__ import annotations

from checks.probes.base import Probe, Rule, Threshold

_RESTART = "restart kube-proxy on this node and read its log for iptables-restore errors"

RULES: tuple[Rule, ...] = (
    Rule(
        "K01",
        "both backends hold kube-proxy's chains with different contents",
        "71305, 107965; NPD 844",
        "this changes the host: remove the KUBE chains of the stale backend, pin one backend, reboot the node",
    ),
    Rule(
        "K02",
        "kube-proxy runs in iptables mode but KUBE-SERVICES is not in nat",
        "61005; source",
        "read kube-proxy's log for iptables-restore errors; look for rules in the other backend or network namespace",
    ),
    Rule(
        "K03",
        "a built-in chain has no jump to kube-proxy's chain",
        "source: jumps are checked on full syncs only from 1.27 on",
        "find what flushed the chain (firewalld, iptables.service); look again after 30 s; from 1.27 on restart kube-proxy",
    ),
    Rule(
        "K04", "a rule without conditions ends a built-in chain before kube-proxy's jump", "measured", "move or delete that rule"
    ),
    Rule(
        "K05", "a jump leads to a chain that is not in the capture", "measured: the kernel forbids it", "collect the rules again"
    ),
    Rule("K06", "chains of kube-proxy that nothing refers to", "source: kept up to syncPeriod in large clusters", _RESTART),
    Rule("K07", "a service chain is reached but has no endpoint rule", "source", _RESTART),
    Rule("K08", "a service's last balancing rule is conditional", "measured", _RESTART),
    Rule(
        "K09", "probabilities give endpoints unequal shares", "37932, 26292; measured", "find who edited the rules; " + _RESTART
    ),
    Rule("K10", "an endpoint chain does not hold exactly one DNAT of its service's protocol", "source", _RESTART),
    Rule("K11", "an endpoint's hairpin rule names another address than its DNAT", "source", _RESTART),
    Rule(
        "K12",
        "one endpoint stands twice in a service",
        "source",
        "look for two EndpointSlices with the same address, such as a mirrored one",
    ),
    Rule(
        "K13",
        "a DNAT target has no route, or its next hop does not answer",
        "measured",
        "repair the route or the CNI agent; until then this share of the connections fails",
    ),
    Rule(
        "K14",
        "a DNAT target lies in this node's own block and belongs to no pod",
        "measured",
        "compare with the EndpointSlice; if it is not there any more, kube-proxy does not sync: restart it and read its log",
    ),
    Rule(
        "K15",
        "a service has no ready endpoint and is refused",
        "source",
        "look at the pods' readiness and at the service's selector",
    ),
    Rule(
        "K16",
        "a service with Local policy has no pod on this node",
        "source",
        "send its traffic to nodes that run its pods, or set the traffic policy to Cluster",
    ),
    Rule("K17", "one address is both sent to endpoints and refused", "source", _RESTART),
    Rule("K18", "one address leads to two services", "source", "find the two services that claim this address and change one"),
    Rule(
        "K19",
        "the bit that asks for masquerading is not the one that is tested",
        "source",
        "give kubelet and kube-proxy the same masquerade bit and restart kube-proxy",
    ),
    Rule(
        "K20", "the masquerade bit is not the usual one, or clashes with another program", "source", "choose a free masqueradeBit"
    ),
    Rule(
        "K21",
        "the old masquerade rule stands before the newer form",
        "88986, 92035; calico 3145",
        "this changes the host: flush KUBE-POSTROUTING and restart kube-proxy; until then turn tx checksum offload off",
    ),
    Rule("K22", "KUBE-POSTROUTING does not masquerade", "source", _RESTART),
    Rule("K23", "MASQUERADE picks ports without --random-fully", "78547", "iptables 1.6.2 and Kubernetes 1.16 or newer"),
    Rule(
        "K24",
        "the policy of FORWARD is DROP and there is no KUBE-FORWARD",
        "39823",
        "this changes the host: iptables -P FORWARD ACCEPT",
    ),
    Rule(
        "K25",
        "FORWARD refuses new traffic between pods",
        "measured",
        "let the CNI plugin accept pod traffic in FORWARD, or set the policy of FORWARD to ACCEPT",
    ),
    Rule(
        "K26",
        "KUBE-FIREWALL drops every packet",
        "112477, 114549; kube-router 1370",
        "use iptables of one version on host and in images; confirm with nft -j list table ip filter first",
    ),
    Rule(
        "K27",
        "the same rule stands several times in a chain of kube-proxy",
        "82361",
        "iptables 1.8.3 or newer, then reboot the node",
    ),
    Rule("K28", "KUBE-SERVICES does not end with the jump to KUBE-NODEPORTS", "source", _RESTART),
    Rule("K29", "a process listens on a node port", "97360", "move the process to a port outside the node ports"),
    Rule(
        "K30",
        "ephemeral ports overlap the node ports",
        "judgement",
        "set net.ipv4.ip_local_reserved_ports = 30000-32767",
    ),
    Rule(
        "K31",
        "route_localnet is on and nothing guards 127.0.0.0/8",
        "90259",
        "kube-proxy 1.18 or newer, or node ports not on localhost",
    ),
    Rule(
        "K32", "INVALID packets are not dropped", "74839, 117924", "kube-proxy 1.15 or newer, or nf_conntrack_tcp_be_liberal = 1"
    ),
    Rule(
        "K33",
        "KUBE-FORWARD has dropped INVALID packets",
        "94861, 120412",
        "set nf_conntrack_tcp_be_liberal = 1 if routing is asymmetric",
    ),
    Rule("K34", "pod networks lie outside kube-proxy's clusterCIDR", "source", "set clusterCIDR to hold all pod networks"),
    Rule("K35", "pods have IPv6 but kube-proxy wrote no IPv6 rules", "source", "make kube-proxy and the services dual-stack"),
    Rule("K36", "a chain is not named as kube-proxy names it", "source", "find who made it: a hand edit, or another program"),
    Rule("K37", "chains of an older version or of userspace mode are left", "source", "reboot the node, or remove them by hand"),
    Rule(
        "K38",
        "kube-ipvs0 holds addresses though kube-proxy does not run in ipvs mode",
        "source",
        "kube-proxy --cleanup, then delete kube-ipvs0",
    ),
    Rule(
        "K39",
        "rules of iptables mode are in force though kube-proxy runs in another",
        "source",
        "kube-proxy --cleanup, then restart it",
    ),
    Rule("K40", "so many rules that syncs are slow", "source", "nftables mode (kernel 5.13 or newer), or fewer services"),
    Rule("K41", "a canary chain is missing", "source", ""),
    Rule(
        "K42",
        "bridged packets do not pass iptables",
        "source",
        "modprobe br_netfilter; net.bridge.bridge-nf-call-iptables = 1",
    ),
    Rule("K43", "a bridge port does not send frames back", "source", "turn hairpinMode on in the CNI configuration"),
    Rule(
        "K44",
        "no route covers the service addresses",
        "calico 8481; measured",
        "add a default route, or a route for the service network",
    ),
    Rule(
        "K45",
        "another program's DNAT takes a node port first",
        "source",
        "free the port, or move the other program's jump behind KUBE-SERVICES",
    ),
    Rule(
        "K46",
        "another nftables table may drop on forward or input",
        "measured",
        "accept cluster traffic there too (firewalld: zones)",
    ),
    Rule("K47", "a node port is asked for at an address that is not the node's", "source", ""),
    Rule(
        "K48",
        "packets are marked to be dropped, but nothing drops them",
        "85527, 85572",
        "kubelet makes KUBE-FIREWALL up to 1.26: is it running?",
    ),
    Rule(
        "K49",
        "KUBE-MARK-DROP does not exist and this kube-proxy needs it",
        "80462, 92275",
        "start the kubelet of the same version (before 1.27), or upgrade kube-proxy",
    ),
    Rule(
        "K50",
        "source ranges of a load balancer leave out the pods",
        "109575, 110289",
        "add the pod network to loadBalancerSourceRanges",
    ),
    Rule(
        "foreign_native_rule",
        "a native nftables rule stands in a table that iptables prints",
        "measured: it is printed without its conditions",
        "read that table with nft list table ip filter",
    ),
    Rule(
        "affinity",
        "the two halves of session affinity do not fit each other",
        "source; list length measured",
        "restart kube-proxy; raise ip_list_tot of xt_recent when more clients than that use one endpoint",
    ),
    Rule("chains", "kube-proxy's chains hold together", "the rules above"),
    Rule("path", "where the packet goes", "laboratory: equal to the kernel's behaviour", "follow the lines of the path"),
    Rule("services", "the services that were asked for have endpoints", "the rules above"),
)

THRESHOLDS: tuple[Threshold, ...] = (
    Threshold("leak_crit", 0.001, "ratio", "connections that reach no endpoint", "all 1/n leaks 0.296 at n=3"),
    Threshold("share_ratio_warn", 1.10, "ratio", "largest to smallest share", "five digits give at most 1.025 at n=5000"),
    Threshold("share_ratio_crit", 2.0, "ratio", "largest to smallest share", "judgement"),
    Threshold("probability_off_warn", 1e-5, "ratio", "distance of a probability from 1/k", "five digits give at most 6e-6", "V"),
    Threshold("leftover_chains_warn", 50, "chains", "chains that nothing refers to", "judgement"),
    Threshold("repeats_warn", 3, "rules", "identical rules in one chain", "issue 82361", "I"),
    Threshold("repeats_crit", 50, "rules", "identical rules in one chain", "judgement"),
    Threshold("nat_rules_info", 20000, "rules", "rules in nat", "judgement"),
    Threshold("save_ms_warn", 5000, "ms", "time that saving the rules took", "judgement"),
)

SOURCES: tuple[str, ...] = (
    "kube-proxy pkg/proxy/iptables/proxier.go of 1.1, 1.2, 1.14, 1.16 to 1.30",
    "Kubernetes issues 37932, 61005, 71305, 82361, 92035, 107965, 112477, 117924",
    "laboratory: Debian 12, iptables 1.8.9 legacy and nft, nftables 1.0.6",
)

PROBES: tuple[Probe, ...] = ()
