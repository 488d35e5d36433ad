"""ipv6.pref: which family do programs of this host try first, and with which source address?

Knowledge: RFC 6724, gai.conf(5). It is about connections that this host makes, not those it takes, so nothing here is a fault.
"""

from __future__ import annotations

from checks.analyzers.ipv6_devices import outward
from checks.collectors.ipv6 import LABELS, PREFERENCE, SWITCHES
from checks.errors import ParseError
from checks.parsers.files import split_files
from checks.parsers.gai_conf import Order, parse_gai_conf
from checks.parsers.ipv6_switches import parse_switches
from checks.parsers.reading import is_files, read, read_file
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.ip_sections import lines
from checks.results import Reason, Section, Verdict

_PATH = "/etc/gai.conf"
_V4, _V6 = "192.0.2.1", "2001:db8::1"


def judge_pref(report: Report) -> None:
    order, shift = _order(report.need("preference"))
    v4, v6 = order.precedence(_V4), order.precedence(_V6)
    line = order.line(_V4) or order.line(_V6)
    report.fact("precedence_v4", v4, "preference", line and line + shift)
    report.fact("precedence_v6", v6)
    report.fact("first", "v4" if v4 > v6 else "v6" if v6 > v4 else "either")
    evidence = lines(report, ("preference", line and line + shift, ""))
    if v4 > v6:
        says = f"programs try IPv4 first: precedence {v4} against {v6} of IPv6"
    elif v4 == v6:
        says = f"neither family is preferred: both have precedence {v4}"
    else:
        says = f"programs try IPv6 first: precedence {v6} against {v4} of IPv4" + ("" if line else ", as built in")
    report.find("order", Verdict.INFO, says, value=v4, evidence=evidence)
    _judge_temporary(report)
    if "labels" in report.sections and report.has("labels"):
        report.fact("labels", [row for row in report.sections["labels"].lines if row.startswith("prefix ")])


def _order(section: Section) -> tuple[Order, int]:
    """The order of the file; without the file the built-in one."""
    if is_files(section):
        files = split_files(section.text)
        if files.complete and files.absent.get(_PATH) == "missing":
            return parse_gai_conf(""), 0
    elif "precedence" not in section.text and "label" not in section.text:
        raise ParseError("this is not /etc/gai.conf", Reason.UNPARSED, "preference")
    return read_file(section, _PATH, parse_gai_conf)


def _judge_temporary(report: Report) -> None:
    if "switches" not in report.sections:
        return
    switches = read(report.need("switches"), parse_switches)
    devices = [dev for dev in outward(switches.devices) if switches.own(dev, "use_tempaddr") == 2]
    report.fact("temporary", devices)
    if devices:
        says = f"connections from {', '.join(devices[:5])} come from temporary addresses that change daily (use_tempaddr=2)"
        places = (("switches", switches.line(dev), "use_tempaddr=2") for dev in devices[:5])
        report.find("temporary", Verdict.INFO, says, value=len(devices), evidence=lines(report, *places))


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.pref",
        title="IPv4 or IPv6 first",
        question="Which family do programs of this host try first?",
        collectors=(PREFERENCE, LABELS, SWITCHES),
        judge=judge_pref,
        facts=(
            FactSpec("first", "str", "v4, v6 or either"),
            FactSpec("precedence_v4", "int", "precedence of IPv4 addresses"),
            FactSpec("precedence_v6", "int", "precedence of public IPv6 addresses"),
            FactSpec("temporary", "list", "devices that prefer temporary source addresses"),
            FactSpec("labels", "list", "the kernel's address labels"),
        ),
        rules=(
            Rule("order", "which family has the greater precedence", "gai.conf(5), RFC 6724"),
            Rule("temporary", "use_tempaddr is 2 on a device that leads outwards", "RFC 8981"),
        ),
        sources=("gai.conf(5)", "RFC 6724", "RFC 8981"),
    ),
)
