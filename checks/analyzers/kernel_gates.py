"""Questions that a kernel's version answers: known defects and when they were fixed, features and when they came.

Numbers are those of the mainline kernel. On a vendor kernel "below" means "may be missing": vendors backport.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from checks.analyzers.kernel_version import KernelRelease, Version
from checks.results import Verdict


class State(StrEnum):
    """Where a kernel stands to a gate."""

    PASSED = "passed"
    BELOW = "below"
    MAYBE_BACKPORTED = "maybe_backported"


@dataclass(frozen=True)
class Gate:
    """A version from which something is good. ``since`` bounds a defect that came with an earlier version.

    ``verdict`` is that of a mainline kernel below the gate; a vendor kernel gets at most ``warn``.
    """

    id: str
    good_from: Version
    verdict: Verdict
    below: str
    passed: str
    remedy: str
    source: str
    since: Version = (0, 0, 0)
    defect: bool = False
    label: str = ""

    def state(self, kernel: KernelRelease) -> State:
        """Whether the kernel is past the gate."""
        if self.id == KMEM_LEAK:
            return _kmem_leak(kernel)
        if not self.since <= kernel.version < self.good_from:
            return State.PASSED
        return State.MAYBE_BACKPORTED if kernel.is_vendor_backport else State.BELOW

    @property
    def number(self) -> str:
        """The first good version, as people write it."""
        return self.label or f"{self.good_from[0]}.{self.good_from[1]}"


KMEM_LEAK = "memcg_kmem_leak"
_EL7_BUILD = re.compile(r"^3\.10\.0-(\d+)")


def _kmem_leak(kernel: KernelRelease) -> State:
    """Fixed somewhere in the el7 builds 3.10.0-1062 to 1075: builds between the two may have it."""
    build = _EL7_BUILD.match(kernel.text)
    if not build or kernel.distro != "el7" or int(build[1]) >= 1075:
        return State.PASSED
    return State.BELOW if int(build[1]) < 1062 else State.MAYBE_BACKPORTED


_UPGRADE = "plan a kernel upgrade, or ask the vendor for the backport"

GATES: tuple[Gate, ...] = (
    Gate(
        "memcg_stat_cost",
        (4, 16, 0),
        Verdict.WARN,
        "reading memory.stat costs cgroups x items x CPUs, so every reader stalls a CPU when many cgroups exist",
        "memory.stat no longer walks every cgroup for every item",
        _UPGRADE,
        "commit a983b5ebee57 (4.16)",
        defect=True,
    ),
    Gate(
        "memcg_stat_walks",
        (4, 19, 0),
        Verdict.WARN,
        "reading memory.stat walks the cgroup tree 17 times",
        "memory.stat walks the cgroup tree once",
        _UPGRADE,
        "commit 8de7ecc6483b (4.19)",
        defect=True,
    ),
    Gate(
        "memcg_numa_stat_cost",
        (5, 8, 0),
        Verdict.WARN,
        "reading memory.numa_stat walks every memory cgroup, dead ones too; cadvisor in the kubelet reads it",
        "memory.numa_stat no longer walks the whole cgroup tree",
        _UPGRADE,
        "commit dd8657b6c1cb (5.8); a writeup that links it names 4.19, which is wrong",
        defect=True,
    ),
    Gate(
        KMEM_LEAK,
        (3, 10, 0),
        Verdict.WARN,
        "this el7 kernel leaks memory cgroups with kernel memory accounting on",
        "this kernel has not the el7 leak of kernel memory accounting",
        "boot with cgroup.memory=nokmem, or move to kernel 3.10.0-1075 or newer",
        "docker/for-linux issue 841, kubernetes issue 61937",
        defect=True,
        label="3.10.0-1075",
    ),
    Gate(
        "pids",
        (4, 3, 0),
        Verdict.CRIT,
        "the pids controller does not exist yet",
        "the pids controller exists",
        "move to kernel 4.3 or newer; on a vendor kernel look for pids in /proc/cgroups",
        "cgroups(7)",
    ),
    Gate(
        "cgroup2_cpu",
        (4, 15, 0),
        Verdict.CRIT,
        "cgroup v2 has no cpu controller yet, so cpu.max cannot appear",
        "cgroup v2 has the cpu controller",
        "stay on cgroup v1 or move to kernel 5.8 or newer",
        "cgroups(7)",
    ),
    Gate(
        "cgroup2_kubernetes",
        (5, 8, 0),
        Verdict.WARN,
        "cgroup v2 works in part, and Kubernetes asks for 5.8 (cpuset came with 5.0, freezer with 5.2)",
        "cgroup v2 is complete enough for Kubernetes",
        "stay on cgroup v1 or move to kernel 5.8 or newer",
        "Kubernetes documentation, page About cgroup v2",
    ),
    Gate(
        "cfs_slice_expiry",
        (5, 4, 0),
        Verdict.WARN,
        "unused CPU quota expires per CPU, so groups with many threads are throttled below their limit",
        "unused CPU quota no longer expires early",
        "read the stable kernel's changelog for the backport of de53fd7aedb1, or move to 5.4",
        "commit de53fd7aedb1 (5.4), kubernetes issue 67577",
        since=(4, 18, 0),
        defect=True,
    ),
    Gate(
        "ipvs_conn_reuse",
        (5, 9, 0),
        Verdict.WARN,
        "IPVS either waits a second or loses balance when a client port is used again (net.ipv4.vs.conn_reuse_mode)",
        "IPVS reuses client ports without the one-second delay",
        "set net.ipv4.vs.conn_reuse_mode to suit the kernel, or move to 5.9",
        "probe catalogue, kernel gates 4.1 to 5.8",
        since=(4, 1, 0),
        defect=True,
    ),
    Gate(
        "vxlan_checksum",
        (5, 7, 0),
        Verdict.WARN,
        "packets that are masqueraded twice may leave a VXLAN device with a wrong checksum",
        "the VXLAN checksum of twice-masqueraded packets is right",
        "turn the transmit checksum offload of the VXLAN device off, or upgrade",
        "probe catalogue, fixed in the time of 5.7",
        defect=True,
    ),
    Gate(
        "nft_kube_proxy",
        (5, 13, 0),
        Verdict.WARN,
        "kube-proxy's nftables mode is not supported",
        "kube-proxy's nftables mode is supported",
        "keep kube-proxy in iptables mode, or move to 5.13",
        "Kubernetes KEP 3866",
    ),
    Gate(
        "reuseport_migrate",
        (5, 14, 0),
        Verdict.WARN,
        "connections in the queue of a closing SO_REUSEPORT listener are lost (no net.ipv4.tcp_migrate_req)",
        "net.ipv4.tcp_migrate_req exists",
        "drain a listener before it closes, or move to 5.14",
        "kernel documentation, ip-sysctl",
    ),
    Gate(
        "softnet_cpu_id",
        (5, 10, 0),
        Verdict.INFO,
        "softnet_stat names no CPU, so a row's number is its CPU only while all CPUs are online",
        "softnet_stat names the CPU of each row",
        "",
        "commit 7d58e6555870 (5.10)",
    ),
    Gate(
        "ipv6_route_max_size",
        (6, 3, 0),
        Verdict.INFO,
        "net.ipv6.route.max_size bounds the number of IPv6 routes",
        "the number of IPv6 routes has no small bound",
        "",
        "kernel documentation, ip-sysctl",
    ),
    Gate(
        "tcp_info_notsent",
        (4, 6, 0),
        Verdict.INFO,
        "ss shows no notsent bytes, so Nagle can only be guessed",
        "ss shows notsent bytes",
        "",
        "linux/tcp.h, tcpi_notsent_bytes",
    ),
    Gate(
        "neigh_gc_permanent",
        (5, 0, 0),
        Verdict.INFO,
        "permanent neighbour entries count towards gc_thresh",
        "permanent neighbour entries do not count towards gc_thresh",
        "",
        "probe catalogue, neighbour table",
    ),
)
