"""Faults of nginx's listen lines as to IPv6.

Since nginx 1.3.4 ``[::]:80`` takes IPv6 only, so a site needs ``listen 80`` and ``listen [::]:80``. A socket belongs to an
address and a port, not to a server: its options, ``ssl`` among them, hold for every server that listens there.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from checks.analyzers.ip_fault import Fault, Place
from checks.parsers.nginx_conf import SOCKET_OPTIONS, Listen, Server
from checks.results import Verdict

_STATEMENTS = frozenset(
    {"listen", "server_name", "root", "index", "location", "return", "include", "ssl_certificate", "access_log", "error_log"}
)
_HTTPS = 443


def place(listen: Listen, mark: str = "") -> Place:
    """Where a listen line stands."""
    return ("nginx", listen.line, mark)


def tcp(server: Server) -> list[Listen]:
    """The listen lines for TCP that others reach."""
    return [one for one in server.listens if not one.has("quic") and not one.has("udp") and not one.is_loopback]


def run_together(servers: Iterable[Server]) -> list[Fault]:
    """A listen line without its semicolon takes in the statement that follows."""
    return [
        Fault(
            "semicolon", Verdict.CRIT, f"{one.where} has no semicolon: nginx takes {word!r} for one of its options", (place(one),)
        )
        for server in servers
        for one in server.listens
        for word in [next((word for word in one.options if word in _STATEMENTS), "")]
        if word
    ]


def without_ipv6(servers: Iterable[Server], asked: str) -> list[Fault]:
    """Servers that listen on a port over IPv4 and not over IPv6."""
    faults = []
    for server in servers:
        mine = tcp(server)
        over6 = {one.port for one in mine if one.is_v6}
        lost = {one.port: one for one in mine if one.is_v4 and one.port not in over6}
        named = bool(asked) and asked in server.names
        if lost and (named or not asked):
            ports = ", ".join(map(str, sorted(lost)))
            says = f"{server.name} listens on port {ports} over IPv4 only ({next(iter(lost.values())).where})"
            verdict = Verdict.CRIT if named else Verdict.WARN
            faults.append(Fault("no_ipv6", verdict, says, tuple(place(one) for one in lost.values()), sorted(lost)))
    return faults


def bound_twice(servers: Iterable[Server]) -> list[Fault]:
    """``[::]:80 ipv6only=off`` takes the port from ``listen 80``: nginx cannot bind both."""
    every = [one for server in servers for one in tcp(server)]
    wide = {one.port: one for one in every if one.address == "::" and one.value("ipv6only") == "off"}
    v4 = {one.port: one for one in every if one.is_v4}
    return [
        Fault(
            "bound_twice",
            Verdict.CRIT,
            f"{one.where} takes IPv4 too (ipv6only=off), and so does {v4[port].where}: bind() fails with address in use",
            (place(one, "ipv6only=off"), place(v4[port])),
            port,
        )
        for port, one in wide.items()
        if port in v4
    ]


def set_twice(servers: Iterable[Server]) -> list[Fault]:
    """Socket options that are given twice for one address and port: nginx refuses the second."""
    sockets: dict[tuple[str, int, bool], list[Listen]] = {}
    for server in servers:
        for one in server.listens:
            sockets.setdefault((one.address, one.port, one.has("quic")), []).append(one)
    faults = []
    for (address, port, _), same in sockets.items():
        given = [one for one in same if any(one.has(option) for option in SOCKET_OPTIONS)]
        for first, second in combinations(given, 2):
            where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            says = f"socket options of {where} are set twice, at {first.where} and {second.where}: nginx does not start"
            faults.append(Fault("set_twice", Verdict.CRIT, says, (place(first), place(second)), port))
            break
    return faults


def without_tls(servers: Iterable[Server]) -> list[Fault]:
    """IPv6 sockets that speak plain HTTP where the IPv4 one beside them, or the certificate of the server, wants TLS."""
    known = list(servers)
    secure = {(one.address, one.port) for s in known for one in tcp(s) if one.has("ssl") or s.ssl_on}
    faults: dict[tuple[str, int], Fault] = {}
    for server in known:
        ports = {one.port for one in tcp(server) if one.is_v4 and (one.has("ssl") or (one.address, one.port) in secure)}
        for one in tcp(server):
            key = (one.address, one.port)
            wanted = one.port in ports or (one.port == _HTTPS and server.has_certificate)
            if one.is_v6 and wanted and key not in secure:
                says = f"{one.where} listens on [{one.address}]:{one.port} without ssl: IPv6 visitors get plain HTTP there"
                faults.setdefault(key, Fault("no_ssl", Verdict.CRIT, says, (place(one),), one.port))
    return list(faults.values())
