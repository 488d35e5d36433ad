"""ipv6.nginx: does each of nginx's servers listen over IPv6 as it does over IPv4?

Knowledge: nginx documentation of listen (ipv6only is on since 1.3.4) and its error messages. The files are read; ``nginx -t`` and
``nginx -T`` are never run, because as root they may create files.
"""

from __future__ import annotations

from typing import Any

from checks.analyzers import ipv6_nginx as faults
from checks.analyzers.ipv6_ports import ports_of
from checks.collectors.ipv6 import LISTENERS
from checks.collectors.nginx import NGINX
from checks.params import Param
from checks.parsers.nginx_conf import Listen, Server, parse_nginx
from checks.parsers.reading import read
from checks.parsers.ss_listeners import parse_listeners
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.ip_facts import FACT_ROWS
from checks.probes.ip_sections import find_all, lines
from checks.results import Verdict


def judge_nginx(report: Report) -> None:
    section = report.sections.get("nginx")
    if section is not None and section.rc == 127 and b"nginx.conf not found" in section.stderr:
        report.skip("there is no nginx.conf on this host")
        return
    servers = read(report.need("nginx"), parse_nginx)
    asked = report.params.get("server_name") or ""
    report.fact("server_count", len(servers))
    report.fact("nginx_listens", [_fact(server, one) for server in servers for one in server.listens][:FACT_ROWS])
    if asked and not any(asked in server.names for server in servers):
        report.find("no_ipv6", Verdict.CRIT, f"none of {len(servers)} servers is called {asked}", value=asked)
    found = [
        *faults.run_together(servers),
        *faults.bound_twice(servers),
        *faults.set_twice(servers),
        *faults.without_tls(servers),
    ]
    find_all(report, found)
    lost = faults.without_ipv6(servers, asked)
    report.fact("ipv4_only", len(lost))
    over6 = [one for server in servers for one in faults.tcp(server) if one.is_v6]
    if not find_all(report, lost) and not report.findings and servers:
        evidence = lines(report, *(faults.place(one) for one in over6[:5]))
        report.find("no_ipv6", Verdict.OK, f"each of {len(servers)} servers listens over IPv6 as over IPv4", evidence=evidence)
    elif not servers:
        report.find("no_ipv6", Verdict.INFO, "nginx has no server")
    if "listening" in report.sections and not found:
        _judge_reload(report, over6)


def _judge_reload(report: Report, over6: list[Listen]) -> None:
    """Lines for IPv6 whose port nobody listens on: nginx still runs with its old configuration."""
    ports = ports_of(read(report.need("listening"), parse_listeners))
    idle = [one for one in over6 if one.port not in ports or ports[one.port].over6 is False]
    if idle:
        says = f"{idle[0].where} wants [{idle[0].address}]:{idle[0].port}, and nobody listens there over IPv6: not reloaded?"
        report.find("idle_listen", Verdict.WARN, says, value=idle[0].port, evidence=lines(report, *map(faults.place, idle[:5])))


def _fact(server: Server, one: Listen) -> dict[str, Any]:
    return {
        "server": server.name,
        "addr": one.address,
        "port": one.port,
        "v6": one.is_v6,
        "ipv6only": one.value("ipv6only") or None,
        "ssl": one.has("ssl") or server.ssl_on,
        "default_server": one.has("default_server") or one.has("default"),
        "where": one.where,
    }


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.nginx",
        title="nginx over IPv6",
        question="Does each of nginx's servers listen over IPv6 as it does over IPv4?",
        collectors=(NGINX, LISTENERS),
        judge=judge_nginx,
        params=(Param("server_name", "hostname", help="the server that must be reached; all are looked at when it is left out"),),
        facts=(
            FactSpec("nginx_listens", "list", "listen lines: server, addr, port, v6, ipv6only, ssl, default_server, where"),
            FactSpec("server_count", "int", "server blocks"),
            FactSpec("ipv4_only", "int", "server blocks, of the asked name, that listen on a port over IPv4 and not over IPv6"),
        ),
        rules=(
            Rule(
                "no_ipv6",
                "a server listens over IPv4 and not over IPv6",
                "nginx documentation of listen",
                "add listen [::]:PORT; beside listen PORT; with the same options (ssl too), then reload nginx",
            ),
            Rule(
                "semicolon",
                "a listen line has no semicolon",
                "the writeup's lines, pasted as they are, stop nginx from starting",
                "end the line with ;",
            ),
            Rule(
                "bound_twice",
                "ipv6only=off and an IPv4 listen on one port",
                "nginx: bind() to 0.0.0.0:80 failed (98: Address already in use)",
                "take ipv6only=off away: since nginx 1.3.4 two lines are right; the change takes a restart, not a reload",
            ),
            Rule(
                "set_twice",
                "options of one socket are given in two servers",
                "nginx: duplicate listen options for [::]:80",
                "keep ipv6only and the other socket options on one listen line per address and port",
            ),
            Rule(
                "no_ssl",
                "an IPv6 socket for HTTPS has no ssl",
                "the writeup has listen [::]:443 without ssl, which serves plain HTTP on the port of HTTPS",
                "write listen [::]:443 ssl; and reload nginx",
            ),
            Rule(
                "idle_listen",
                "a listen line for IPv6 whose port nobody listens on",
                "nginx -s reload keeps the old configuration when the new one fails",
                "look into nginx's error log, then reload; restart when ipv6only was changed",
            ),
        ),
        sources=("nginx.org: ngx_http_core_module, listen", "crossplane"),
    ),
)
