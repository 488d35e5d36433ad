"""Collectors of the ipv6 family: kernel switches, sysctl files, name servers, listening ports, address preference.

Addresses, routes, neighbours and devices come from the ip family, rules from the iptables family. Files that may hold keys
are shown without the lines nobody needs; these become empty lines, so that line numbers stay those of the file.
"""

from __future__ import annotations

from checks.collectors.base import Collector, Privilege
from checks.collectors.ip import TABLE

SWITCHES = Collector(
    "switches",
    "IPv6 switches of the kernel and of every device",
    r"""
files /proc/cmdline /sys/module/ipv6/parameters/disable /sys/module/ipv6/parameters/disable_ipv6 \
  /sys/module/ipv6/parameters/autoconf | sed '$d'
if [ -d /proc/sys/net/ipv6/conf ]; then
  _keys='disable_ipv6 accept_ra accept_ra_defrtr autoconf forwarding accept_dad addr_gen_mode use_tempaddr'
  printf '== /proc/sys/net/ipv6/conf\n'
  for _dev in /proc/sys/net/ipv6/conf/*; do
    set -- $(cd "$_dev" && cat $_keys 2>/dev/null)
    [ $# = 8 ] || set -- '' '' '' '' '' '' '' ''
    printf '%s' "${_dev##*/}"
    for _key in $_keys; do
      [ -n "$1" ] || set -- "$(cat "$_dev/$_key" 2>/dev/null)" "$2" "$3" "$4" "$5" "$6" "$7" "$8"
      printf ' %s=%s' "$_key" "$1"; shift
    done
    printf '\n'
  done
  printf '\n'
else printf '!! /proc/sys/net/ipv6/conf missing\n'
fi
files /proc/sys/net/ipv6/bindv6only
""",
    looks_like=r"^(?:==|!!) /proc/sys/net/ipv6/conf\b",
)

SYSCTL_FILES = Collector(
    "sysctl_files",
    "Files that set sysctls at boot",
    "files /usr/lib/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf /run/sysctl.d/*.conf /etc/sysctl.d/*.conf /etc/sysctl.conf",
    looks_like=r"^== /(?:etc|run|usr/lib|usr/local/lib)/sysctl\.d/|^(?:==|!!) /etc/sysctl\.conf|^\s*-?net[./]ipv6[./]\S+\s*=",
    optional=True,
)

ADDR6_AGAIN = Collector(
    "addr_again",
    "Addresses once more, 5 seconds later when an IPv6 address runs out soon or is not usable yet",
    TABLE + "ip -6 addr show 2>/dev/null | grep -Eq 'tentative|valid_lft ([0-9]{1,2}|[12][0-9]{2})sec' && sleep 5\n"
    "ip_or_files '' '-6 addr show' /proc/net/if_inet6",
    optional=True,
    timeout_s=20,
    max_bytes=4 << 20,
)

ROUTE6_AGAIN = Collector(
    "route6_again",
    "IPv6 routes once more, 3 seconds later when the default route runs out soon",
    TABLE + "ip -6 route show default 2>/dev/null | grep -Eq 'expires [0-9]{1,2}sec' && sleep 3\n"
    "ip_or_files '' '-6 route show table all' /proc/net/ipv6_route",
    optional=True,
    timeout_s=20,
    max_bytes=4 << 20,
)

ROUTE6_SIZE = Collector(
    "route6_size",
    "Size of the IPv6 route table and its limit",
    "files /proc/sys/net/ipv6/route/max_size /proc/sys/net/ipv6/route/gc_thresh /proc/net/rt6_stats /proc/sys/kernel/osrelease",
    looks_like=r"^(?:==|!!) /proc/sys/net/ipv6/route/max_size\b",
    optional=True,
)

RESOLVER = Collector(
    "resolver",
    "Name servers, and who wrote them",
    r"""
files /etc/resolv.conf /run/systemd/resolve/resolv.conf /etc/nsswitch.conf | sed '$d'
for _f in /etc/network/interfaces /etc/network/interfaces.d/*; do
  if [ -f "$_f" ] && [ -r "$_f" ]; then
    printf '== %s\n' "$_f"
    sed 's/#.*//; /^[[:space:]]*\(auto\|allow-[a-z]*\|iface\|source[a-z-]*\|dns-[a-z]*\)[[:space:]]/!s/.*//' "$_f"; printf '\n'
  fi
done
printf '== link\n%s\n\n== end\n' "$(readlink /etc/resolv.conf 2>/dev/null)"
""",
    looks_like=r"^(?:==|!!) /etc/resolv\.conf\b|\A(?:[^\S\n]*(?:[#;].*)?\n)*(?:(?:search|domain|options) .*\n)*"
    r"nameserver [0-9a-f.:]+",
)

LISTENERS = Collector(
    "listening",
    "Listening TCP sockets of both families",
    r"""
_out=$(ss -H -ltne 2>/dev/null) || _out=$(ss -ltne 2>/dev/null) || _out=
if [ -n "$_out" ]; then printf '== ss -ltne\n%s\n\n' "$_out"; else files /proc/net/tcp /proc/net/tcp6 | sed '$d'; fi
files /proc/sys/net/ipv6/bindv6only
""",
    looks_like=r"^== (?:ss -ltne|/proc/net/tcp6)$|^LISTEN\s+\d+\s+\d+\s+\S+:\d+|^tcp6?\s+\d+\s+\d+\s+\S+:\d+\s+\S+\s+LISTEN"
    r"|^\s*sl\s+local_address\s+remote_address",
    max_bytes=4 << 20,
)

NFT_RULES = Collector(
    "nft_rules",
    "nftables' own rules for IPv6",
    r"""
if ! have nft; then echo 'nft not found' >&2; exit 127; fi
echo '# Rules of nftables'
as_root nft list ruleset inet && as_root nft list ruleset ip6 && echo '# End of rules'
""",
    looks_like=r"\A(?:#.*\n|flush ruleset\n|[^\S\n]*\n)*table (?:inet|ip6?|arp|bridge|netdev) \S+ \{(?: # handle \d+)?\n",
    optional=True,
    timeout_s=30,
    max_bytes=16 << 20,
    privilege=Privilege.ROOT,
)

PREFERENCE = Collector(
    "preference",
    "Which family programs try first",
    "files /etc/gai.conf",
    looks_like=r"^(?:==|!!) /etc/gai\.conf\b|^\s*#?precedence\s+::",
)

LABELS = Collector(
    "labels",
    "Address labels of the kernel",
    "have ip || exit 127; ip addrlabel list",
    looks_like=r"^prefix \S+ label \d+",
    optional=True,
)
