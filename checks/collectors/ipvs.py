"""Collectors of ipvs mode, and of the sets of addresses that its rules and those of network plugins match.

ipvsadm would load the module, so the kernel's own table is read, and only when it is there. ipset loads its module too, so it is
asked only where the module is loaded.
"""

from __future__ import annotations

from checks.collectors.base import Collector, Privilege

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

IPSETS = Collector(
    "ipsets",
    "Sets of addresses that rules match",
    r"""
if ! have ipset; then echo 'ipset not found' >&2; exit 127; fi
[ -d /sys/module/ip_set ] || { echo 'ip_set not found in the kernel' >&2; exit 127; }
as_root ipset save || exit
printf '== end\n'
""",
    looks_like=r"^[^\S\n]*create \S+ (?:hash|bitmap|list):\w|^[^\S\n]*Name: \S+\n[^\S\n]*Type: (?:hash|bitmap|list):\w",
    optional=True,
    timeout_s=30,
    max_bytes=16 << 20,
    privilege=Privilege.ROOT,
)
