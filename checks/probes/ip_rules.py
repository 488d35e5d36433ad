"""The rules of the ip family: stable ids, conditions in words, what to do, where that is known from. No probes of its own."""

from __future__ import annotations

from checks.probes.base import Probe, Rule

_LAB = "two-node network namespace laboratory"
_IP = "iproute2 and kernel ip-sysctl documentation"
_CALICO = "calico documentation and projectcalico/calico issues"

_ALL = (
    Rule(
        "R01",
        "there is no IPv4 default route on a Kubernetes node",
        f"{_LAB}; projectcalico/calico#8481: proxy ARP stops answering and the host cannot reach ClusterIPs",
        "add a default route, or a route for 169.254.1.1 and the service network, by any interface that is up",
    ),
    Rule(
        "R02",
        "a gateway lies in no network connected on its device, and the route is not onlink",
        _IP,
        "add onlink to the route, or a link route to the gateway's /32",
    ),
    Rule(
        "R03",
        "a route leaves by a device that is missing, down or without carrier",
        _IP,
        "restore the carrier, or remove the stale route at its owner: CNI agent, NetworkManager profile, routing daemon",
    ),
    Rule(
        "R04",
        "the address that was asked for ends in a blackhole, an unreachable or prohibit route, or in no route at all",
        f"{_LAB}; errno of ip route get for each kind",
        "find who installed the route by its proto: bird and 80 are calico, bgp and ospf routing daemons, or static",
    ),
    Rule(
        "R05",
        "a pod of this node has no /32 route to its own device",
        f"{_LAB}: ARP is still answered, but packets to the pod die in the block's blackhole",
        "restart the CNI agent; recreate the pod",
    ),
    Rule(
        "R06",
        "two routes of one prefix and metric go different ways, or two network plugins claim one pod network",
        "leftovers seen after a change of network plugin",
        "drain the node, remove the old plugin's interfaces and its files in /etc/cni/net.d, reboot",
    ),
    Rule(
        "R07",
        "a network that a peer owns has no route here",
        f"{_LAB}; set comparison with the nodes' pod networks",
        "check the agent or BGP session of the peer: calicoctl node status, the log of flanneld",
    ),
    Rule(
        "R08",
        "the next hop of a host-gw route is not on a connected network, or does not answer",
        "flannel host-gw and calico without encapsulation need all nodes in one layer 2 network",
        "put the nodes in one layer 2 network, or switch the backend to vxlan or IPIP",
    ),
    Rule(
        "R09",
        "a calico block goes to a node in another network without encapsulation",
        "projectcalico/calico#7462: CrossSubnet on a network that drops foreign sources",
        "set ipipMode or vxlanMode to Always, or switch off the source and destination check of the cloud",
    ),
    Rule(
        "R10",
        "the IPIP tunnel is absent, down, without an address, too large, or its routes are not onlink",
        f"{_CALICO}; IPIP is protocol 4 and IPv4 only",
        "load the ipip module, let protocol 4 pass INPUT and the cloud's firewall (Azure drops it), set the tunnel's MTU to 1480",
    ),
    Rule(
        "R11",
        "an inner MTU does not fit into the outer one",
        "overhead: IPIP 20, VXLAN 50 over IPv4 and 70 over IPv6, Geneve 50, WireGuard 60 and 80",
        "set the pods' MTU to that of the underlay less the overhead in the CNI configuration, and recreate the pods",
    ),
    Rule(
        "R12",
        "the source check (rp_filter) drops packets of a source that comes in by this device",
        f"RFC 3704 and ip-sysctl: the greater of all and the device's value holds; {_LAB}",
        "use loose mode (2), or 0, on the asymmetric interface; the value of all counts too, the greater one holds",
    ),
    Rule(
        "R13",
        "calico before 3.12 with loose rp_filter on all",
        "projectcalico/felix#1322 and #2082: felix ends with 'RPF check is set to loose'",
        "set net.ipv4.conf.all.rp_filter=1, or upgrade calico",
    ),
    Rule(
        "R14",
        "forwarding is off where packets of others must pass",
        f"{_LAB}: proxy ARP stops too",
        "set net.ipv4.ip_forward=1 in sysctl.d; Docker and kubelet set it at start, a later sysctl --system may undo it",
    ),
    Rule(
        "R15",
        "proxy ARP is off on a calico device",
        f"{_LAB}: the pod's gateway 169.254.1.1 stays INCOMPLETE",
        "restart calico-node; find out what rewrites sysctls",
    ),
    Rule(
        "R16",
        "the next hop does not answer ARP or neighbour discovery, twice in a row",
        "kernel neighbour states: FAILED and INCOMPLETE are unanswered, STALE is healthy",
        "check that the peer is up, the VLAN, the cable, and security groups that filter ARP or ND",
    ),
    Rule(
        "R17",
        "many neighbours do not answer",
        "a scan, or a dead network",
        "find what talks to these addresses: ip neigh show nud failed",
    ),
    Rule(
        "R18",
        "the neighbour table is nearly full, was full between the samples, or the kernel says that it overflows",
        "kernel gc_thresh; e2b-dev/infra#3508: additions fail at 1017 to 1019 of 1024",
        "raise net.ipv4.neigh.default.gc_thresh1, 2 and 3 in the initial network namespace, for example to 8192, 32768, 65536",
    ),
    Rule(
        "R19", "one hardware address answers for several addresses", "normal for routers, virtual addresses, proxy ARP and calico"
    ),
    Rule(
        "R20",
        "one address changed its hardware address",
        "duplicate address or cloned machine",
        "find the duplicate with arping from a third host",
    ),
    Rule(
        "R21",
        "two default routes of one metric leave by different devices, or the best one has no carrier",
        _IP,
        "give the default routes different metrics, or restore the carrier",
    ),
    Rule(
        "R22",
        "the rule that looks up the host's own addresses first is missing or moved",
        "ip-rule; cilium moves it to 100",
        "restore it: ip rule add pref 0 lookup local",
    ),
    Rule("R23", "a rule for marked or chosen packets points to an empty table", "ip-rule: the next rule is tried"),
    Rule(
        "R24",
        "an address that cannot serve: on two devices, on a device that is down, or without its primary",
        _IP,
        "remove the second copy of the address, or switch the device on",
    ),
    Rule(
        "R25",
        "a device is up without carrier, or counts errors or drops",
        "kernel operational states; UNKNOWN is normal for lo, tun and most tunnels",
        "check cable, switch port and the peer of the pair",
    ),
    Rule(
        "R26",
        "an address runs out within a minute and nobody renews it",
        "dhclient, systemd-networkd and NetworkManager renew at half the lease",
        "restart the DHCP client",
    ),
    Rule(
        "R27",
        "a peer's VXLAN endpoint has no permanent neighbour or forwarding entry",
        "flannel vxlan",
        "restart flanneld; check the subnet lease in etcd",
    ),
    Rule(
        "dad",
        "duplicate address detection found another owner, or has not ended",
        "RFC 4862; iproute2 flags dadfailed and tentative",
        "find the other owner of the address on the link; remove and add the address again",
    ),
    Rule(
        "podgw",
        "inside the pod the way to the gateway 169.254.1.1 is not as calico makes it, or the node does not answer for it",
        f"{_CALICO}; {_LAB}",
        "recreate the pod; if it stays so, look at the node's side of the same list",
    ),
    Rule(
        "proxy_delay",
        "the node waits before it answers ARP for the gateway",
        f"{_LAB}: with the kernel's default of 80 the first packet took 668 ms; calico writes 0",
        "restart calico-node, which sets proxy_delay to 0",
    ),
    Rule("model_mismatch", "our own lookup in the dumped tables disagrees with the kernel's answer", "the kernel is right"),
)
_BY_ID = {rule.id: rule for rule in _ALL}


def rules(*ids: str) -> tuple[Rule, ...]:
    """The rules with these ids."""
    return tuple(_BY_ID[rule] for rule in ids)


PROBES: tuple[Probe, ...] = ()
