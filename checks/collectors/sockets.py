"""Collectors for sockets, by ss: busybox has none, old ones know no -H. ss never gets -K; nstat, which writes, is not used."""

from __future__ import annotations

from checks.collectors.base import Collector

LISTENERS = Collector(
    "listeners",
    "Listening TCP sockets",
    """
if ! have ss; then echo 'ss absent'; exit 0; fi
ss -H -ltnpe 2>/dev/null || ss -ltnpe || exit
echo end
""",
    sampled=True,
    looks_like=r"^(?:tcp +)?LISTEN +\d+ +\d+ +\S+:\S+ +\S+:\S+|^tcp6? +\d+ +\d+ +\S+:\S+ +\S+:\* +LISTEN\b",
)

UDP_LISTENERS = Collector(
    "udp_listeners",
    "UDP sockets without a peer",
    """
if ! have ss; then echo 'ss absent'; exit 0; fi
ss -H -lunpe 2>/dev/null || ss -lunpe || exit
echo end
""",
    sampled=True,
    looks_like=r"^UNCONN +\d+ +\d+ +\S+:[\w-]+ +\S+:\*",
    also_like=r"^udp +UNCONN +\d+ +\d+ +\S+:[\w-]+ +\S+:\*|^udp6? +\d+ +\d+ +\S+:[\w-]+ +\S+:\*",
    optional=True,
)

LISTEN_COUNTERS = Collector(
    "netstat",
    "Extended TCP counters of the host",
    "cat /proc/net/netstat",
    sampled=True,
    looks_like=r"^TcpExt: SyncookiesSent |^TcpExt: *$|^\s*\d+ times the listen queue of a socket overflowed$"
    r"|^TcpExtListenOverflows\s+\d+\s",
)

LISTEN_KNOBS = Collector(
    "listen_knobs",
    "Bounds of the accept queues",
    "d=/proc/sys/net; files $d/core/somaxconn $d/ipv4/tcp_max_syn_backlog $d/ipv4/tcp_abort_on_overflow $d/ipv4/tcp_migrate_req",
    looks_like=r"^== /proc/sys/net/core/somaxconn$",
)

# Twenty looks, a tenth of a second apart: Nagle's algorithm holds data back for 40 ms at a time, which one look may miss.
CONNECTIONS = Collector(
    "connections",
    "Connections of a port, twenty times",
    """
if ! have ss; then echo 'ss absent'; exit 0; fi
counters() {
  printf '== uptime %s\n' "$1"; cat /proc/uptime
  printf '\n== netstat %s\n' "$1"; cat /proc/net/netstat; printf '\n'
}
counters a
n=0
while [ $n -lt 20 ]; do
  n=$((n + 1)); printf '== sample %s\n' $n
  filter="( dport = :$1 or sport = :$1 )"
  { ss -H -tino state established "$filter" 2>/dev/null || ss -tino state established "$filter" | tail -n +2; } | head -n 200
  printf '\n'
  sleep 0.1 2>/dev/null || sleep 1
done
counters b
printf '== end\n'
""",
    args=("port",),
    looks_like=r"\A== uptime a$[\s\S]*^== sample 1$"
    r"|^(?:ESTAB +)?\d+ +\d+ +\S+:[\w-]+ +\S+:[\w-]+.*\n\s*[a-z].*\bcwnd:\d+",
    timeout_s=40,
)

SOCKSTAT = Collector(
    "sockstat",
    "Sockets in use and the limits of TCP",
    "files /proc/net/sockstat /proc/sys/net/ipv4/tcp_mem /proc/sys/net/ipv4/tcp_max_orphans "
    "/proc/sys/net/ipv4/tcp_max_tw_buckets",
    looks_like=r"^== /proc/net/sockstat$|\Asockets: used \d+$|^TCP: +\d+ \(estab \d+, closed",
)
