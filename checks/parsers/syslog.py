"""The priority of a syslog line: facility times 8 plus severity (RFC 3164, RFC 5424).

jc reads 5424 and 3164 with two different readers, takes 192 for valid and leaves the process id in the text: own sums here.

>>> message = parse_message("<158>Jan  7 10:00:00 node-1 app[12]: hi")
>>> message.pri, message.facility, message.severity, message.name, message.format
(158, 19, 6, 'local3.info', 'rfc3164')
>>> parse_message("<165>1 2003-10-11T22:14:15.003Z node-1 evntslog - ID47 - text").name
'local4.notice'
>>> selects("local3.*;*.err", 19, 6), selects("*.=err", 19, 6), selects("mail,local3.warning", 19, 6)
(True, False, False)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError

HIGHEST = 191
RELAY_DEFAULT = 13
SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
# What Linux calls them: cron is 9 (glibc, rsyslog). RFC 5424 calls 9 and 15 clock daemons; 12 to 15 have no keyword.
FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "", "", "", "",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
RFC_FACILITIES = {9: "clock daemon", 10: "security messages", 12: "NTP", 13: "log audit", 14: "log alert", 15: "clock daemon"}
_ALIASES = {"error": "err", "warn": "warning", "panic": "emerg", "security": "auth"}
_HEAD = re.compile(r"^(?:([1-9][0-9]{0,5}) )?<([^>]{1,16})>(.*)$", re.DOTALL)
_RFC3164 = re.compile(r"^[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} ")


@dataclass(frozen=True)
class Message:
    """A syslog line. ``pri`` is None when the line has none; ``fault`` says why a written one is wrong."""

    pri: int | None
    written: str
    format: str
    octets: int | None = None
    fault: str = ""

    @property
    def facility(self) -> int:
        return (RELAY_DEFAULT if self.pri is None else self.pri) // 8

    @property
    def severity(self) -> int:
        return (RELAY_DEFAULT if self.pri is None else self.pri) % 8

    @property
    def name(self) -> str:
        """facility.severity in the words of Linux."""
        return f"{FACILITIES[self.facility] or self.facility}.{SEVERITIES[self.severity]}"


def parse_message(line: str) -> Message:
    """Read one line. Raises ParseError for a text with neither a priority nor the time stamp of a syslog line."""
    line = line.removeprefix("\ufeff")
    match = _HEAD.match(line)
    if not match and _format(line) == "other":
        raise ParseError("the text has neither a priority such as <14> nor the time stamp of a syslog line", line=1)
    if not match:
        return Message(None, "", _format(line))
    octets, written, rest = int(match[1]) if match[1] else None, match[2], match[3]
    if not re.fullmatch(r"[0-9]+", written):
        return Message(None, written, _format(rest), octets, f"<{written}> is no number")
    if len(written) > 1 and written[0] == "0":
        return Message(None, written, _format(rest), octets, f"<{written}> has a leading zero")
    if int(written) > HIGHEST:
        return Message(None, written, _format(rest), octets, f"<{written}> is above {HIGHEST}")
    return Message(int(written), written, _format(rest), octets)


def selects(selector: str, facility: int, severity: int) -> bool:
    """Whether a selector of rsyslog or syslogd takes that message. Of parts joined by ``;`` a later ``none`` or ``!`` takes away.

    Raises ParseError for a selector that names an unknown facility or severity.
    """
    chosen = False
    for part in selector.split(";"):
        facilities, dot, wanted = part.strip().rpartition(".")
        if not dot:
            raise ParseError(f"{part.strip()[:40]!r} is not facility.severity")
        numbers = {_facility(name) for name in facilities.split(",")}
        if None in numbers or facility in numbers:
            taken = _takes(wanted, severity)
            chosen = taken if wanted == "none" or wanted.startswith("!") else chosen or taken
    return chosen


def _facility(name: str) -> int | None:
    name = _ALIASES.get(name.strip(), name.strip())
    if name == "*":
        return None
    if name not in FACILITIES or not name:
        raise ParseError(f"{name[:40]!r} is no facility")
    return FACILITIES.index(name)


def _takes(wanted: str, severity: int) -> bool:
    if wanted == "none":
        return False
    if wanted.startswith("!"):
        return not _takes(wanted[1:], severity)
    exact, name = wanted.startswith("="), wanted.removeprefix("=")
    if name == "*":
        return True
    name = _ALIASES.get(name, name)
    if name not in SEVERITIES:
        raise ParseError(f"{name[:40]!r} is no severity")
    number = SEVERITIES.index(name)
    return severity == number if exact else severity <= number


def _format(rest: str) -> str:
    if re.match(r"^1 \S+ ", rest):
        return "rfc5424"
    return "rfc3164" if _RFC3164.match(rest) else "other"
