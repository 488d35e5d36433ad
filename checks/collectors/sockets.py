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
    looks_like=r"^LISTEN +\d+ +\d+ +\S+:\S+ +\S+:\S+",
)

LISTEN_COUNTERS = Collector(
    "netstat",
    "Extended TCP counters of the host",
    "cat /proc/net/netstat",
    sampled=True,
    looks_like=r"^TcpExt: SyncookiesSent ",
)

LISTEN_KNOBS = Collector(
    "listen_knobs",
    "Bounds of the accept queues",
    "d=/proc/sys/net; files $d/core/somaxconn $d/ipv4/tcp_max_syn_backlog $d/ipv4/tcp_abort_on_overflow $d/ipv4/tcp_migrate_req",
    looks_like=r"^== /proc/sys/net/core/somaxconn$",
)
