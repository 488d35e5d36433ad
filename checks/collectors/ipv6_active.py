"""Collectors of the ipv6 family that send traffic: echo requests, one request to a web server, questions to the name server."""

from __future__ import annotations

from checks.collectors.base import Collector, Privilege

_PING = r"""
if have ping6; then ping6 -c 3 -W 2 -s {size} "$1" 2>&1
elif have ping; then ping -6 -c 3 -W 2 -s {size} "$1" 2>&1
else echo 'ping not found' >&2; exit 127
fi
"""

PING = Collector(
    "ping",
    "Three small echo requests, which no link may refuse (1280 bytes)",
    _PING.format(size=1232),
    args=("dst",),
    looks_like=r"^PING [^\n]*\([0-9A-Fa-f]*:[^\n]*\b(?:\d{1,3}|1[0-3]\d\d)(?:\(\d+\))? (?:data )?bytes"
    r"|^(?:ping6?: )?(?:connect|sendto|sendmsg): Network (?:is )?unreachable",
    timeout_s=15,
    privilege=Privilege.ACTIVE,
)
PING_LARGE = Collector(
    "ping_large",
    "Three large echo requests, as long as Ethernet takes (1500 bytes)",
    _PING.format(size=1452),
    args=("dst",),
    looks_like=r"^PING [^\n]*\([0-9A-Fa-f]*:[^\n]*\b(?:14\d\d|1[5-9]\d\d|[2-9]\d\d\d)(?:\(\d+\))? (?:data )?bytes",
    optional=True,
    timeout_s=15,
    privilege=Privilege.ACTIVE,
)
WEB = Collector(
    "web",
    "The head of a web page, over IPv6",
    r"""
[ -n "$1" ] || { echo 'no site was asked for'; exit 0; }
have curl || { echo 'curl not found' >&2; exit 127; }
curl -6 -sS -I -k -m 5 "https://$1/" 2>&1
_rc=$?; printf '== curl %s\n' $_rc
""",
    args=("site",),
    looks_like=r"^curl: \(\d+\) |^HTTP/[\d.]+ \d{3}",
    optional=True,
    timeout_s=15,
    privilege=Privilege.ACTIVE,
)
_DIG = "dig +noall +comments +question +answer +time=3 +tries=1"
AAAA = Collector(
    "aaaa",
    "The IPv6 addresses of a name",
    rf"""
[ -n "$1" ] || {{ echo 'no name was asked for' >&2; exit 1; }}
if have dig; then {_DIG} AAAA "$1"
elif have drill; then drill AAAA "$1"
elif have host; then host -t AAAA "$1"
elif have getent; then getent -s dns ahostsv6 "$1" || printf '%s has no AAAA record\n' "$1"
else echo 'dig not found' >&2; exit 127
fi
printf '== end\n'
""",
    args=("site",),
    looks_like=r"^;;? ?\S+\s+IN\s+AAAA\s*$|^\S+ has (?:IPv6 address [0-9a-f:]+|no AAAA record)$|^[0-9a-f:]+ +STREAM\b",
    timeout_s=15,
    privilege=Privilege.ACTIVE,
)
NAME_SERVERS = Collector(
    "name_servers",
    "The name servers of the zone, and their IPv6 addresses",
    rf"""
[ -n "$1" ] || {{ echo 'no name was asked for' >&2; exit 1; }}
have dig || {{ echo 'dig not found' >&2; exit 127; }}
_zone=$1
while :; do
  _ns=$(dig +short +time=3 +tries=1 NS "$_zone" | sed -n '/^;/!p' | sort | sed 8q)
  [ -n "$_ns" ] && break
  case $_zone in *.*.*) _zone=${{_zone#*.}};; *) break;; esac
done
{_DIG} NS "$_zone"
for _n in $_ns; do {_DIG} AAAA "$_n"; done
printf '== end\n'
""",
    args=("site",),
    looks_like=r"^;;? ?\S+\s+IN\s+NS\s*$",
    optional=True,
    timeout_s=60,
    privilege=Privilege.ACTIVE,
)
