"""syslog.pri: what facility and severity does a syslog line carry, and does a selector take it?

Knowledge: RFC 3164, RFC 5424, syslog(3), rsyslog.conf(5). It reads the text it is given, no host. A writeup's table
calls facility 9 the clock daemon, as RFC 5424 does; on Linux 9 is cron.
"""

from __future__ import annotations

from checks.collectors.syslog import MESSAGE
from checks.errors import ParseError
from checks.params import Param
from checks.parsers.reading import read, whole_lines
from checks.parsers.syslog import RELAY_DEFAULT, RFC_FACILITIES, Message, parse_message, selects
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.results import Reason, Section, Verdict


def judge(report: Report) -> None:
    section = report.need("message")
    lines = [(number, line) for number, line in enumerate(read(section, whole_lines), 1) if line.strip()]
    messages = [(number, read_line(section, number, line)) for number, line in lines]
    number, message = next(((number, found) for number, found in messages if found.fault), messages[0])
    _facts(report, message, number)
    _judge(report, message, number, others=len(messages) - 1)
    selector = report.params.get("selector")
    if selector and not message.fault:
        taken = selects(selector, message.facility, message.severity)
        report.fact("selected", taken)
        say = f"the selector {selector} {'takes' if taken else 'does not take'} {message.name}"
        evidence = [report.evidence("message", number)]
        report.find("selector", Verdict.OK if taken else Verdict.WARN, say, evidence=evidence)


def read_line(section: Section, number: int, line: str) -> Message:
    """One line of the section; a ParseError learns where it stands."""
    try:
        return parse_message(line)
    except ParseError as error:
        raise ParseError(error.say, error.reason, section.name, number) from error


def _facts(report: Report, message: Message, number: int) -> None:
    report.fact("format", message.format, "message", number)
    report.fact("octet_count", message.octets)
    report.fact("pri", message.pri, "message", number)
    if message.fault:
        return
    report.fact("facility", message.facility)
    report.fact("severity", message.severity)
    report.fact("name", message.name)
    report.fact("rfc5424_facility", RFC_FACILITIES.get(message.facility))


def _judge(report: Report, message: Message, number: int, *, others: int) -> None:
    mark = f"<{message.written}>" if message.written else ""
    evidence = [report.evidence("message", number, mark)]
    more = f"; {others} more lines were not judged" if others and not message.fault else ""
    if message.fault:
        report.find(
            "invalid", Verdict.CRIT, f"the priority {message.fault}: it is 0 to 191, without leading zeros", evidence=evidence
        )
    elif message.pri is None:
        say = f"the line has no priority, as in a file; a relay would call it <{RELAY_DEFAULT}>, {message.name}{more}"
        report.unknown(Reason.MISSING, say, evidence, rule="missing")
    else:
        other = RFC_FACILITIES.get(message.facility)
        aside = f" (RFC 5424 calls facility {message.facility} {other})" if other else ""
        sums = f"{message.facility} x 8 + {message.severity}"
        report.find("priority", Verdict.OK, f"<{message.pri}> = {sums} = {message.name}{aside}{more}", evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="syslog.pri",
        title="Priority of a syslog line",
        question="What facility and severity does a syslog line carry?",
        collectors=(MESSAGE,),
        judge=judge,
        params=(
            Param("text", "text", None, "the line, as <158>Jan  7 10:00:00 node-1 app[12]: hi"),
            Param("selector", "text", None, "a selector that should take it, as local3.*;*.err"),
        ),
        facts=(
            FactSpec("pri", "int", "the number; none when the line has no valid one"),
            FactSpec("facility", "int", "0 to 23"),
            FactSpec("severity", "int", "0 (emerg) to 7 (debug)"),
            FactSpec("name", "str", "facility.severity as Linux names them"),
            FactSpec("rfc5424_facility", "str", "RFC 5424's name where it differs"),
            FactSpec("format", "str", "rfc5424, rfc3164 or other"),
            FactSpec("octet_count", "int", "length before the line, as TCP transports send it"),
            FactSpec("selected", "bool", "the selector takes it"),
        ),
        rules=(
            Rule("priority", "the line has a priority", "RFC 5424, 6.2.1; syslog(3)"),
            Rule(
                "invalid",
                "the priority is no number from 0 to 191",
                "RFC 5424, 6.2.1",
                "correct the program that writes the line",
            ),
            Rule("missing", "the line has no priority", "RFC 3164, 4.3.3"),
            Rule("selector", "the selector does not take the line", "rsyslog.conf(5)", "correct the selector, or the priority"),
        ),
        sources=("RFC 3164", "RFC 5424", "syslog(3)", "rsyslog.conf(5)"),
    ),
)
