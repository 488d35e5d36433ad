"""Collectors for the receive path and for TCP. Counters are read from /proc: nstat writes a history file, ss may be missing."""

from __future__ import annotations

from checks.collectors.base import Collector

SOFTNET = Collector(
    "softnet",
    "Packets processed, dropped and put off, by CPU",
    "cat /proc/net/softnet_stat",
    sampled=True,
    looks_like=r"\A\s*[0-9a-f]{8}( [0-9a-f]{8}){8,19}\s*$",
)

NETDEV_KNOBS = Collector(
    "netdev_knobs",
    "Settings of the receive path, and the CPUs online",
    """
core=/proc/sys/net/core
files $core/netdev_max_backlog $core/netdev_budget $core/netdev_budget_usecs $core/dev_weight /sys/devices/system/cpu/online
""",
    looks_like=r"^== /proc/sys/net/core/netdev_max_backlog$",
)

# $1 is a process of the network namespace to read, or empty for the host's: no nsenter, no tools in the image, no root.
_NET = "/proc/${1:-self}/net"

SNMP = Collector(
    "snmp",
    "TCP and IP counters",
    f"cat {_NET}/snmp",
    args=("pid",),
    sampled=True,
    looks_like=r"^Tcp: RtoAlgorithm |^\s*\d+ segments (?:retransmit|sen[dt] out)|^TcpRetransSegs\s+\d+\s",
)

NETSTAT = Collector(
    "netstat",
    "Extended TCP counters",
    f"cat {_NET}/netstat",
    args=("pid",),
    sampled=True,
    looks_like=r"^TcpExt: SyncookiesSent ",
)

SOFTIRQS = Collector(
    "softirqs",
    "Softirqs by kind and CPU",
    "cat /proc/softirqs",
    sampled=True,
    looks_like=r"^\s*NET_RX:\s+\d",
)

CPU_TIMES = Collector(
    "stat",
    "CPU times by CPU",
    "grep '^cpu' /proc/stat",
    sampled=True,
    looks_like=r"\Acpu  \d+ \d+ \d+ \d+|^[\d:]+ (?:[AP]M )? *CPU +%usr .*%soft",
)

KSOFTIRQD = Collector(
    "ksoftirqd",
    "CPU time of the ksoftirqd threads",
    """
for dir in /proc/[0-9]*; do
  { IFS= read -r comm <"$dir/comm"; } 2>/dev/null || continue
  case $comm in ksoftirqd/*) cat "$dir/stat" ;; esac
done
echo end
""",
    sampled=True,
    looks_like=r"^\d+ \(ksoftirqd/\d+\) ",
)
