"""Collectors of the ip family: devices, addresses, routes, rules, neighbours, and what the kernel answers when asked for a route.

Every table is asked for in JSON, printed with one element per line so that a line of evidence is one route or one neighbour;
where ``ip`` knows no JSON (CentOS 7, busybox) as text between ``== COMMAND`` and ``== end``; without ``ip`` from /proc.
"""

from __future__ import annotations

from dataclasses import replace

from checks.collectors.base import Collector

TABLE = r"""
ip_table() { # $1: options that only iproute2 knows; the rest: what to show. Status 127 without ip.
  _options=$1; shift
  have ip || return 127
  _out=$(ip -j $_options "$@"); _rc=$?
  case $_rc$_out in 0\[*) printf '%s\n' "$_out" | sed 's/},{"/},\
{"/g'; return;; esac
  case $(ip -V 2>&1) in *iproute2*) _name=ip;; *) _name='busybox ip';; esac
  _out=$(ip -o $_options "$@" 2>/dev/null) || _out=$(ip -o "$@") || return
  printf '== %s -o %s\n%s\n\n== end\n' "$_name" "$*" "$_out"
}
ip_or_files() { # $1: options that only iproute2 knows; $2: what to show; the rest: files to read where there is no ip
  _only=$1; _show=$2; shift 2
  ip_table "$_only" $_show; _rc=$?
  [ $_rc = 127 ] || return $_rc
  files "$@"
}
"""

_LIST = r"\A\s*\[\s*\{[^}]*?"
_STATES = r"(?:REACHABLE|STALE|DELAY|PROBE|FAILED|INCOMPLETE|PERMANENT|NOARP)"
_V4 = r"\d+(?:\.\d+){3}(?:/\d+)?"
_DEFAULT4 = r"default(?! via [0-9a-f]*:)(?!.* pref )"
_TYPES = r"(?:unicast|local|broadcast|multicast|anycast|blackhole|unreachable|prohibit|throw)"
_NO_NEIGHBOUR = rf"(?!.*\b{_STATES} *$)"
_ROUTES = r'(?=[\s\S]*"(?:protocol|gateway|flags)":)(?![\s\S]*"(?:state|cache)":\s*\[)'
_MEGABYTES_4 = 4 << 20

LINK = Collector(
    "link",
    "Network devices",
    TABLE
    + "ip_or_files '-s -d' 'link show' /proc/net/dev /sys/class/net/*/flags /sys/class/net/*/mtu /sys/class/net/*/operstate",
    looks_like=_LIST
    + r'"ifname":(?![\s\S]*"addr_info":)|\A\s*\d+: [^\s:]+: <[A-Z0-9_,-]*> mtu \d+(?![\s\S]*^ +inet6? )|^== ip .*link show$',
    also_like=r'"addr_info":\s*\[|^\d+: [^\s:]+: <[A-Z0-9_,-]*> mtu \d+(?=[\s\S]*^ +inet6? )',
    max_bytes=_MEGABYTES_4,
)

ADDR = Collector(
    "addr",
    "Addresses",
    TABLE + "ip_or_files '' 'addr show' /proc/net/if_inet6 /proc/net/fib_trie",
    looks_like=r'"addr_info":\s*\[|^(?:\d+: \S+)? +inet6? [0-9a-f.:]+(?:/\d+| peer )|^== /proc/net/if_inet6$',
    max_bytes=_MEGABYTES_4,
)

ADDR_AGAIN = Collector(
    "addr_again",
    "Addresses once more, 5 seconds later when one of them is about to expire or not yet usable",
    TABLE + "ip addr show 2>/dev/null | grep -Eq 'tentative|valid_lft [0-9]{1,2}sec' && sleep 5\n"
    "ip_or_files '' 'addr show' /proc/net/if_inet6 /proc/net/fib_trie",
    looks_like=ADDR.looks_like,
    optional=True,
    timeout_s=20,
    max_bytes=_MEGABYTES_4,
)

ROUTE4 = Collector(
    "route4",
    "IPv4 routes of all tables",
    TABLE + "ip_or_files '' '-4 route show table all' /proc/net/route /proc/net/fib_trie",
    looks_like=_LIST + rf'"dst":\s*"(?:default|[\d.]+(?:/\d+)?)"{_ROUTES}'
    rf"|^(?:default|{_V4})[^\n]*\n?\s+nexthop (?:via \d+\.|dev )"
    rf"|^(?:{_TYPES} )?(?:{_DEFAULT4}|{_V4}) (?:via|dev|proto|table|metric|scope|nhid) {_NO_NEIGHBOUR}(?!.*\n +cache)"
    r"|^(?:blackhole|unreachable|prohibit) \d+\.|\AIface\s+Destination\s+Gateway|^== /proc/net/route$",
    also_like=r"^Destination +Gateway +Genmask +Flags +(?:Metric|MSS)",
    max_bytes=_MEGABYTES_4,
)

ROUTE6 = Collector(
    "route6",
    "IPv6 routes of all tables",
    TABLE + "ip_or_files '' '-6 route show table all' /proc/net/ipv6_route",
    looks_like=_LIST + rf'"dst":\s*"[0-9a-f]*:[0-9a-f:]*(?:/\d+)?"{_ROUTES}'
    rf"|^(?:{_TYPES} )?[0-9a-f]*:[0-9a-f:]*(?:/\d+)? {_NO_NEIGHBOUR}.*\bmetric \d+|^== /proc/net/ipv6_route$",
    also_like=r'^(?:local|anycast) [0-9a-f]*:[0-9a-f:]* dev \S+ (?:table local )?proto|"type":\s*"local",\s*"dst":\s*"[0-9a-f]*:',
    optional=True,
    max_bytes=_MEGABYTES_4,
)

_RULE_LINE = r"^\d+:\s+(?:not )?from \S+ .*\b(?:lookup|goto|nop|blackhole|unreachable|prohibit)\b"

RULE4 = Collector(
    "rule4",
    "IPv4 policy rules",
    TABLE + "ip_table '' -4 rule show",
    looks_like=_LIST + rf'"priority":\s*\d+,|{_RULE_LINE}',
)

RULE6 = Collector(
    "rule6",
    "IPv6 policy rules",
    TABLE + "ip_table '' -6 rule show",
    looks_like=_LIST + rf'"priority":\s*\d+,.*"src":\s*"[0-9a-f]*:|{_RULE_LINE}.*[0-9a-f]*::',
    optional=True,
)

_NEIGH = "ip_or_files '' 'neigh show' /proc/net/arp"
_NEIGH_LOOKS = rf'"state":\s*\["{_STATES}"\]|^[0-9a-f.:]+ (?:dev \S+ )?.*\b{_STATES} *$|\AIP address\s+HW type'

_ARP_LOOKS = r"^Address +HWtype +HWaddress|^\S+ \([0-9.]+\) at (?:<incomplete>|[0-9a-f:]{17}) .*\bon \S+$"

NEIGH = Collector(
    "neigh",
    "Neighbours (ARP and NDP)",
    TABLE + _NEIGH,
    looks_like=_NEIGH_LOOKS,
    also_like=_ARP_LOOKS,
    max_bytes=_MEGABYTES_4,
)

NEIGH_AGAIN = Collector(
    "neigh_again",
    "Neighbours once more, 3 seconds later when one of them has not answered",
    TABLE + f"ip neigh show 2>/dev/null | grep -Eq 'FAILED|INCOMPLETE' && sleep 3\n{_NEIGH}",
    looks_like=_NEIGH_LOOKS,
    optional=True,
    timeout_s=20,
    max_bytes=_MEGABYTES_4,
)

NEIGH_SAMPLES = replace(NEIGH, name="neighbours", sampled=True, also_like="")
LINK_SAMPLES = replace(LINK, name="links", sampled=True, also_like="")

CONF = Collector(
    "conf",
    "Forwarding and ARP switches of every device",
    r"""
show() { # $1: directory; the rest: switches; one line per device
  _dir=$1; shift
  printf '== %s\n' "$_dir"
  for _dev in "$_dir"/*; do
    printf '%s' "${_dev##*/}"
    for _key in "$@"; do printf ' %s=%s' "$_key" "$(cat "$_dev/$_key" 2>/dev/null)"; done
    printf '\n'
  done
  printf '\n'
}
[ -d /proc/sys/net/ipv4/conf ] || { echo 'there is no /proc/sys/net/ipv4/conf' >&2; exit 2; }
show /proc/sys/net/ipv4/conf forwarding rp_filter proxy_arp proxy_arp_pvlan arp_ignore arp_announce arp_filter accept_local \
  route_localnet src_valid_mark send_redirects ignore_routes_with_linkdown
show /proc/sys/net/ipv4/neigh proxy_delay
files /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/fib_multipath_hash_policy
""",
    looks_like=r"^== /proc/sys/net/ipv4/conf$",
)

GC = Collector(
    "gc",
    "Size and limits of the neighbour tables",
    "files /proc/sys/net/ipv4/neigh/default/gc_thresh1 /proc/sys/net/ipv4/neigh/default/gc_thresh2 "
    "/proc/sys/net/ipv4/neigh/default/gc_thresh3 /proc/net/stat/arp_cache /proc/sys/net/ipv6/neigh/default/gc_thresh1 "
    "/proc/sys/net/ipv6/neigh/default/gc_thresh2 /proc/sys/net/ipv6/neigh/default/gc_thresh3 /proc/net/stat/ndisc_cache",
    sampled=True,
    looks_like=r"^== /proc/net/stat/arp_cache$",
)

NEIGH_FULL = Collector(
    "neigh_full",
    "Kernel messages of a full neighbour table, where any user may read them",
    r"""
have dmesg || { echo 'dmesg not found' >&2; exit 127; }
_log=$(dmesg 2>&1) || { printf '%s\n' "$_log" >&2; exit 1; }
printf '== /proc/uptime\n%s\n\n== dmesg\n' "$(cat /proc/uptime)"
printf '%s\n' "$_log" | grep '[Nn]eighbo.*r table overflow'
printf '\n== end\n'
""",
    looks_like=r"^(?:(?:<\d+>)?\[[ \w.:,]+\] |.*\bkernel: )?(?:\[ *[\d.]+\] )?(?:\w+: )*[Nn]eighbou?r table overflow[.!]\s*$",
    optional=True,
)

TABLES = Collector(
    "tables",
    "Names of routing tables",
    "files /etc/iproute2/rt_tables /usr/share/iproute2/rt_tables /etc/iproute2/rt_tables.d/*.conf",
    looks_like=r"^== /etc/iproute2/rt_tables$",
    optional=True,
)

ROUTE_GET = Collector(
    "route_get",
    "The kernel's own answer",
    r"""
have ip || exit 127
json=; [ "$(ip -j route show 2>/dev/null | head -c 1)" = '[' ] && json=-j
ask() { printf '== ip %s\n' "$*"; ip "$@" 2>&1; printf '\n-- status %s\n\n' $?; }
full() { # $1: how to ask; the typed parameters follow it
  _how=$1; shift
  ask $_how "$1" ${2:+from "$2"} ${3:+iif "$3"} ${4:+mark "$4"} ${5:+oif "$5"}
}
full "$json route get" "$@"
full "$json route get fibmatch" "$@"
[ -z "$3" ] || ask $json route get "$1"
printf '== end\n'
""",
    args=("dst", "src", "iif", "mark", "oif"),
    looks_like=r'"cache":\s*\[|^(?:local |broadcast )?[0-9a-f.:]+ .*\bdev \S+ .*\n +cache|\ARTNETLINK answers: |^== ip .* get',
)

FDB = Collector(
    "fdb",
    "Forwarding entries of bridges and VXLAN devices",
    r"""
have bridge || exit 127
_out=$(bridge -j fdb show 2>/dev/null) || _out=
case $_out in \[*) printf '%s\n' "$_out" | sed 's/},{"/},\
{"/g'; exit;; esac
_out=$(bridge fdb show) || exit
printf '== bridge fdb show\n%s\n\n== end\n' "$_out"
""",
    looks_like=_LIST + r'"mac":|^[0-9a-f]{2}(?::[0-9a-f]{2}){5} dev \S+ |^== bridge fdb show$',
    max_bytes=_MEGABYTES_4,
)

POD = Collector(
    "pod",
    "Routes and neighbours inside the pod, as /proc shows them to the host",
    '[ -n "$1" ] || { printf "== end\\n"; exit 0; }\nfiles "/proc/$1/net/route" "/proc/$1/net/arp" "/proc/$1/net/fib_trie"',
    args=("pid",),
    looks_like=r"^== /proc/\d+/net/(?:route|arp)$",
    optional=True,
)
