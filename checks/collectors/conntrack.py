"""Collectors of connection tracking: sizes, per-CPU counters, and the flows themselves. Nothing is ever deleted."""

from __future__ import annotations

from checks.collectors.base import Collector, Privilege

LIMITS = Collector(
    "conntrack_limits",
    "Size and settings of connection tracking",
    """
_n=/proc/sys/net/netfilter
files $_n/nf_conntrack_count $_n/nf_conntrack_max $_n/nf_conntrack_buckets $_n/nf_conntrack_tcp_be_liberal \\
  $_n/nf_conntrack_udp_timeout $_n/nf_conntrack_udp_timeout_stream $_n/nf_conntrack_tcp_timeout_established
""",
    looks_like=r"^(?:==|!!) \S*/nf_conntrack_(?:count|max)",
)

STATS = Collector(
    "conntrack_stats",
    "Counters of connection tracking, by CPU",
    "cat /proc/net/stat/nf_conntrack",
    sampled=True,
    looks_like=r"^entries +(?:clashres|searched) +found |^[^\S\n]*cpu=\d+\s+(?:searched=\d+ )?found=\d+ ",
)

FULL = Collector(
    "conntrack_full",
    "Kernel messages of a full table",
    r"""
if ! have dmesg; then echo 'dmesg not found' >&2; exit 127; fi
_log=$(as_root dmesg) || exit
printf '%s\n' "$_log" | awk '/nf_conntrack: .*table full/'
printf '== end\n'
""",
    looks_like=r"^(?:(?:<\d+>)?\[[ \w.:]+\] |(?:.*[ ])?kernel: ).*(?:nf|ip)_conntrack: .*table full",
    optional=True,
    privilege=Privilege.ROOT,
)

# conntrack -L loads connection tracking into a kernel that has none, so the kernel is looked at first.
FLOWS = Collector(
    "conntrack_udp",
    "Tracked UDP flows",
    r"""
if [ ! -e /proc/sys/net/netfilter/nf_conntrack_count ]; then echo 'connection tracking not found in the kernel' >&2; exit 127
elif have conntrack; then as_root conntrack -L -p udp -o extended || exit
else
  [ -e /proc/net/nf_conntrack ] || { echo '/proc/net/nf_conntrack not found' >&2; exit 127; }
  as_root cat /proc/net/nf_conntrack || exit
fi
printf '== end\n'
""",
    looks_like=r"^(?:ipv[46] +\d+ +)?(?:udp|tcp|icmp|sctp) +\d+ +\d+ .*\bsrc=\S+ dst=\S+ .*\bsrc=",
    timeout_s=30,
    max_bytes=64 << 20,
    privilege=Privilege.ROOT,
)
