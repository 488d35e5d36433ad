"""Reading the sections of the ip family into tables that probes share. No probes of its own.

A section that is there but damaged ends the judgement: no finding is made of half an answer. A section that was never given (a
paste of one command) leaves out what it would have decided, and that is said as ``unknown``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from checks.analyzers.ip_fault import Fault
from checks.analyzers.route_lookup import Fib
from checks.errors import EvidenceError
from checks.parsers.ip_addr import Addresses, parse_addresses
from checks.parsers.ip_conf import Conf, parse_conf
from checks.parsers.ip_link import Links, parse_links
from checks.parsers.ip_neigh import Neighbours, parse_neighbours
from checks.parsers.ip_route import Routes, parse_routes
from checks.parsers.ip_rule import Rules, parse_rules, plain_rules
from checks.parsers.reading import read
from checks.probes.base import Probe, Report
from checks.results import Evidence, Reason

T = TypeVar("T")
_NO_IPV6 = (b"not supported",)
_INTERRUPTED = b"Dump was interrupted"


class Tables:
    """The tables of one report, each read when it is asked for."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.absent: list[str] = []

    def need(self, name: str, parse: Callable[[str], T]) -> T:
        """The section, read. Raises EvidenceError when it is absent, damaged or changed while it was read."""
        section = self.report.need(name)
        if _INTERRUPTED in section.stderr:
            raise EvidenceError(f"the table of {name} changed while it was read; collect it again", Reason.TRUNCATED, name)
        return read(section, parse)

    def want(self, name: str, parse: Callable[[str], T]) -> T | None:
        """The section, read; None when it was never given. Raises EvidenceError when it is damaged."""
        if name in self.report.sections:
            return self.need(name, parse)
        if not any(collector.name == name and collector.optional for collector in self.report.probe.collectors):
            self.absent.append(name)
        return None

    def _filled(self, name: str, found: T | None, rows: str) -> T | None:
        """A table that no running host has empty. Raises EvidenceError for one that is."""
        if found is not None and not getattr(found, rows):
            raise EvidenceError(f"{name} lists nothing, and a host always has something there", Reason.EMPTY, name)
        return found

    def tell_absent(self) -> None:
        """Say what was not looked at."""
        if self.absent:
            names = ", ".join(dict.fromkeys(self.absent))
            self.report.unknown(Reason.MISSING, f"not collected and therefore not looked at: {names}")

    def routes(self, family: int) -> Routes | None:
        """The routes of a family; none at all on a host without IPv6."""
        name = f"route{family}"
        if family == 6 and self._no_ipv6(name):
            return Routes("none", framed=True, routes=())
        found = self.want(name, lambda text: parse_routes(text, family))
        if found and family == 4 and found.routes and not any(route.table in ("main", "local") for route in found.routes):
            raise EvidenceError(f"{name} shows only table {found.routes[0].table}, not the main one", Reason.MISSING, name)
        return self._filled(name, found, "routes") if family == 4 else found

    def rules(self, family: int) -> Rules | None:
        """The policy rules of a family. Raises EvidenceError when the tool leaves out what a rule asks for."""
        name = f"rule{family}"
        if family == 6 and self._no_ipv6(name):
            return plain_rules(6)
        rules = self._filled(name, self.want(name, lambda text: parse_rules(text, family)), "rules")
        if rules and not rules.complete:
            say = "busybox does not print whole policy rules (not, goto, ports are left out), and this host has special ones"
            raise EvidenceError(say, Reason.UNPARSED, name, next((rule.line for rule in rules.rules if rule.is_selective), 1))
        return rules

    def links(self, name: str = "link") -> Links | None:
        """The devices."""
        return self._filled(name, self.want(name, parse_links), "links")

    def addresses(self, name: str = "addr") -> Addresses | None:
        """The addresses."""
        return self._filled(name, self.want(name, parse_addresses), "addresses")

    def neighbours(self, name: str = "neigh") -> Neighbours | None:
        """The neighbour table."""
        return self._filled(name, self.want(name, parse_neighbours), "entries")

    def conf(self) -> Conf | None:
        """The switches of every device."""
        return self.want("conf", parse_conf)

    def fib(self, family: int, links: Links | None = None, conf: Conf | None = None) -> Fib | None:
        """Routes and rules of a family, ready for lookups."""
        routes, rules = self.routes(family), self.rules(family)
        return fib_of(routes, rules, links, conf) if routes and rules else None

    def _no_ipv6(self, name: str) -> bool:
        section = self.report.sections.get(name)
        return section is not None and bool(section.rc) and any(word in section.stderr for word in _NO_IPV6)


def fib_of(routes: Routes, rules: Rules, links: Links | None, conf: Conf | None) -> Fib:
    """The tables with what devices and switches add to a lookup."""
    if links is None:
        return Fib(routes, rules, ignores_linkdown=_ignores_linkdown(conf))
    vrfs = {link.name: str(link.info.get("table", "")) for link in links.links if link.kind == "vrf"}
    slaves = {link.name: vrfs[link.master] for link in links.links if link.master in vrfs}
    return Fib(
        routes,
        rules,
        groups={link.name: link.group or "default" for link in links.links},
        vrf_tables=vrfs | slaves,
        ignores_linkdown=_ignores_linkdown(conf),
        down=frozenset(link.name for link in links.links if not link.up),
    )


def _ignores_linkdown(conf: Conf | None) -> Callable[[str], bool]:
    return lambda dev: bool(conf and conf.effective(dev, "ignore_routes_with_linkdown"))


def find_all(report: Report, faults: Iterable[Fault]) -> bool:
    """Add a finding per fault; False when there was none. What is missing in a paste that may not be whole proves nothing."""
    found = list(faults)
    for fault in found:
        if fault.needs and not is_whole(report, fault.needs):
            says = f"{fault.say}; but this paste of {fault.needs} may not be whole"
            report.unknown(Reason.MISSING, says, lines(report, *fault.lines), fault.rule)
            continue
        report.find(
            fault.rule,
            fault.verdict,
            fault.say,
            value=fault.value,
            limit=fault.limit,
            unit=fault.unit,
            evidence=lines(report, *fault.lines),
        )
    return bool(found)


def skip_or_wait(report: Report, say: str) -> None:
    """The probe does not apply, as far as the devices show; a paste that may not be whole does not show it."""
    if is_whole(report, "link"):
        report.skip(say)
    else:
        report.unknown(Reason.MISSING, f"{say}; but this paste of link may not be whole")


def is_whole(report: Report, name: str) -> bool:
    """True for JSON, and for what begins or ends as our collectors print it."""
    text = report.sections[name].text.rstrip("\n") if name in report.sections else ""
    shown = name.startswith("route") and " table local " in text  # the table that comes last
    return shown or text.endswith("== end") or text.lstrip().startswith("[")


def lines(report: Report, *places: tuple[str, int, str]) -> list[Evidence]:
    """Evidence of (section, line, mark); a mark that is not on the line is left out, as other tools spell a value otherwise."""
    found = []
    for section, line, mark in places:
        if section in report.sections and line:
            evidence = report.evidence(section, line)
            found.append(report.evidence(section, line, mark) if mark and mark in evidence.text else evidence)
    return list(dict.fromkeys(found))


PROBES: tuple[Probe, ...] = ()
