"""ipv6.dns: can this host reach the name servers that it asks?

Knowledge: resolv.conf(5) (three servers, 5 s each), interfaces(5), resolvconf(8). ``dns-nameserver`` in /etc/network/interfaces
works only with ifupdown and the resolvconf package together; netplan and systemd-resolved do not read it.
"""

from __future__ import annotations

import re
from dataclasses import replace

from checks.analyzers.route_lookup import Fib
from checks.analyzers.route_tables import Flow
from checks.collectors.ip import ROUTE4, ROUTE6, RULE4, RULE6
from checks.collectors.ipv6 import RESOLVER
from checks.errors import EvidenceError
from checks.parsers.files import Files, split_files
from checks.parsers.ip_prefix import Address
from checks.parsers.ip_rule import plain_rules
from checks.parsers.reading import is_files, read_file
from checks.parsers.resolv_conf import USED, NameServer, ResolvConf, parse_resolv_conf
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.ip_sections import Tables, lines
from checks.results import Evidence, Reason, Verdict

_STUB = "127.0.0.53"
_UPSTREAMS = "/run/systemd/resolve/resolv.conf"
_FLAT = re.compile(r"\s*dns-nameservers?\s+(.*)")


def judge_dns(report: Report) -> None:
    section = report.need("resolver")
    files = split_files(section.text) if is_files(section) else Files()
    asked, shift = read_file(section, "/etc/resolv.conf", parse_resolv_conf)
    own = _shifted(asked, shift)
    servers, stub = _upstreams(report, files, own)
    report.fact("nameservers", [f"{s.address}%{s.zone}" if s.zone else s.address for s in servers])
    report.fact("stub", stub)
    report.fact("resolv_conf_link", files.text("link").strip() or None)
    if not servers:
        says = "resolv.conf names no server: programs ask 127.0.0.1"
        report.find("no_server", Verdict.WARN, says, value=0, evidence=lines(report, ("resolver", shift + 1, "")))
    else:
        _judge_servers(report, servers, asked.timeout_s)
    if len(own) > USED and not stub:
        says = f"resolv.conf names {len(own)} servers; only the first {USED} are asked"
        report.find("too_many", Verdict.INFO, says, value=len(own), evidence=_at(report, own[USED:]))
    _judge_hosts(report, files)
    _judge_interfaces(report, files, [*own, *servers])


def _shifted(conf: ResolvConf, shift: int) -> list[NameServer]:
    return [replace(server, line=server.line + shift) for server in conf.servers]


def _upstreams(report: Report, files: Files, own: list[NameServer]) -> tuple[list[NameServer], bool]:
    """The servers that are asked in the end: behind systemd-resolved's stub its upstreams."""
    if not own or any(server.address != _STUB for server in own):
        return own[:USED], False
    if _UPSTREAMS not in files:
        says = f"the stub {_STUB} is asked, and {_UPSTREAMS} with its upstreams is not in the output"
        raise EvidenceError(says, Reason.MISSING, "resolver", own[0].line)
    conf, shift = read_file(report.need("resolver"), _UPSTREAMS, parse_resolv_conf)
    return _shifted(conf, shift), True


def _judge_servers(report: Report, servers: list[NameServer], timeout_s: int) -> None:
    bare = [server for server in servers if server.is_link_local and not server.zone]
    for server in bare:
        says = f"{server.address} is link-local and lacks its device (write {server.address}%eth0)"
        report.find("no_zone", Verdict.CRIT, says, value=server.address, evidence=_at(report, [server]))
    tables = Tables(report)
    fibs = {family: _fib(tables, family) for family in sorted({s.family for s in servers if not s.is_local})}
    lost = [s for s in servers if s not in bare and _is_lost(s, fibs.get(s.family))]
    if lost and len(lost) == len(servers) - len(bare):
        says = f"none of {len(servers)} name servers has a route: {_names(lost)}"
        report.find("unreachable", Verdict.CRIT, says, value=len(lost), evidence=_at(report, lost))
    elif lost:
        says = f"{_names(lost)} has no route: a lookup that asks it first waits {timeout_s} s"
        report.find("unreachable", Verdict.WARN, says, value=len(lost), evidence=_at(report, lost))
    elif not bare and all(fibs.values()):
        report.find("unreachable", Verdict.OK, f"{len(servers)} name servers can be reached", evidence=_at(report, servers))
    for family in (family for family, fib in fibs.items() if fib is None):
        says = f"the IPv{family} routes were not collected, so nobody knows whether the servers can be reached"
        report.unknown(Reason.MISSING, says, rule="unreachable")


def _fib(tables: Tables, family: int) -> Fib | None:
    routes = tables.routes(family)
    return Fib(routes, tables.rules(family) or plain_rules(family)) if routes else None


def _is_lost(server: NameServer, fib: Fib | None) -> bool:
    if fib is None or server.is_local or server.is_link_local:
        return False
    return fib.lookup(Flow(Address.parse(server.address))).is_error


def _names(servers: list[NameServer]) -> str:
    return ", ".join(server.address for server in servers[:USED])


def _at(report: Report, servers: list[NameServer]) -> list[Evidence]:
    return lines(report, *(("resolver", server.line, server.address) for server in servers))


def _judge_hosts(report: Report, files: Files) -> None:
    """The hosts line of nsswitch.conf: without dns or resolve no name server is asked at all."""
    path = "/etc/nsswitch.conf"
    for number, line in enumerate(files.text(path).split("\n"), files.line_of(path)):
        if line.startswith("hosts:"):
            words = re.sub(r"\[[^\]]*\]|#.*", " ", line).split()[1:]
            report.fact("hosts", words, "resolver", number)
            if not {"dns", "resolve"} & set(words):
                says = f"nsswitch.conf looks hosts up in {' '.join(words) or 'nothing'}, never in DNS"
                report.find("no_dns", Verdict.WARN, says, evidence=lines(report, ("resolver", number, "hosts:")))


def _judge_interfaces(report: Report, files: Files, known: list[NameServer]) -> None:
    """Name servers that /etc/network/interfaces names and no resolver file has."""
    addresses = {server.address for server in known}
    for path in (path for path in files if path.startswith("/etc/network/interfaces")):
        for number, line in enumerate(files.text(path).split("\n"), 1):
            match = _FLAT.match(line)
            idle = [word for word in match[1].split() if _plain(word) not in addresses] if match else []
            if idle:
                says = f"{path}:{number} names {idle[0]}, but no resolver file has it: nothing here reads that line"
                place = ("resolver", files.line_of(path) + number - 1, idle[0])
                report.find("interfaces_ignored", Verdict.WARN, says, value=idle[0], evidence=lines(report, place))


def _plain(word: str) -> str:
    try:
        return str(Address.parse(word))
    except EvidenceError:
        return word


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.dns",
        title="Name servers",
        question="Can this host reach the name servers that it asks?",
        collectors=(RESOLVER, ROUTE4, ROUTE6, replace(RULE4, optional=True), RULE6),
        judge=judge_dns,
        facts=(
            FactSpec("nameservers", "list", "the servers that are asked; behind systemd-resolved its upstreams"),
            FactSpec("stub", "bool", "systemd-resolved's stub is asked"),
            FactSpec("resolv_conf_link", "str", "where /etc/resolv.conf points; null when it is a file"),
            FactSpec("hosts", "list", "sources of the hosts line in nsswitch.conf"),
        ),
        rules=(
            Rule(
                "unreachable",
                "a name server has no route, or none has one",
                "resolv.conf(5): a server that does not answer costs the timeout, 5 s",
                "take the server out where resolv.conf is made (netplan, NetworkManager, DHCP), or give the host a route",
            ),
            Rule(
                "no_zone",
                "a link-local name server without its device",
                "RFC 4007",
                "write the address with %DEVICE, or use a global address",
            ),
            Rule(
                "no_server",
                "no name server is set",
                "resolv.conf(5)",
                "set name servers in netplan, NetworkManager or systemd-networkd",
            ),
            Rule("too_many", "more than three name servers", "resolv.conf(5): MAXNS is 3"),
            Rule("no_dns", "the hosts line of nsswitch.conf names neither dns nor resolve", "nsswitch.conf(5)", "add dns to it"),
            Rule(
                "interfaces_ignored",
                "/etc/network/interfaces names a server that no resolver file has",
                "resolvconf(8); Ubuntu uses netplan since 17.10",
                "set the server in netplan (nameservers:) or systemd-resolved; resolvconf -u rewrites resolv.conf, nothing more",
            ),
        ),
        sources=("resolv.conf(5)", "nsswitch.conf(5)", "interfaces(5)", "resolvconf(8)"),
    ),
)
