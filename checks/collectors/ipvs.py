"""Collectors of ipvs mode. ipvsadm would load the module, so the kernel's own table is read, and only when it is there."""

from __future__ import annotations

from checks.collectors.base import Collector

IP_VS = Collector(
    "ip_vs",
    "Virtual servers of ipvs",
    r"""
# not ipvsadm: it would load the module
[ -e /proc/net/ip_vs ] || { echo '/proc/net/ip_vs not found' >&2; exit 127; }
cat /proc/net/ip_vs && printf '== end\n'
""",
    looks_like=(
        r"^[^\S\n]*IP Virtual Server version .*$"
        r"|^[^\S\n]*(?:TCP|UDP|SCTP) +[\da-fA-F.:\[\]]+:\w{2,5} +(?:w?rr|w?lc|lblcr?|sh|dh|sed|nq|mh)\b"
        r"|\ACan't initialize ipvs: |\A\w+: \S*/proc/net/ip_vs'?: No such file"
    ),
    max_bytes=16 << 20,
)

IPVS_KNOBS = Collector(
    "ipvs_knobs",
    "Settings of ipvs",
    r"""
_v=/proc/sys/net/ipv4/vs
files $_v/conntrack $_v/conn_reuse_mode $_v/expire_nodest_conn $_v/expire_quiescent_template \
  /proc/sys/net/ipv4/conf/all/arp_ignore /proc/sys/net/ipv4/conf/all/arp_announce
""",
    looks_like=r"^(?:==|!!) \S*/ipv4/vs/",
    optional=True,
)
