"""The kernel's answers to ``ip route get``: the section the collector prints, or a paste of one answer.

The error a lookup ends in is the answer too: "Invalid argument" is a blackhole (or, for a packet that comes in, a failed source
check), "No route to host" an unreachable route (or forwarding switched off), "Permission denied" a prohibit route.

>>> answers = parse_route_get('''== ip -j route get 10.9.1.1
... RTNETLINK answers: No route to host
...
... -- status 2
...
... == end
... ''')
>>> answers.full.error, answers.full.line
('EHOSTUNREACH', 2)
>>> parse_route_get("192.0.2.7 via 192.0.2.1 dev eth0 src 192.0.2.2 uid 0\\n    cache\\n").full.route.nexthops[0].gateway
'192.0.2.1'
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.files import split_files
from checks.parsers.ip_output import built, guarded, read_output
from checks.parsers.ip_route import ERRORS, Route, build_route
from checks.parsers.ip_route_text import read_lines
from checks.results import Reason

ERRNO = {
    "Invalid argument": "EINVAL",
    "No route to host": "EHOSTUNREACH",
    "Permission denied": "EACCES",
    "Network is unreachable": "ENETUNREACH",
    "Invalid cross-device link": "EXDEV",
}
_ERRNO_NUMBERS = {"-22": "EINVAL", "-113": "EHOSTUNREACH", "-13": "EACCES", "-101": "ENETUNREACH"}
_ANSWER = re.compile(r"^(?:ip: )?RTNETLINK answers: (.*?)\s*$")
_NO_DEVICE = re.compile(r"^(?:ip: )?(?:Cannot find device|Device .* does not exist|ip: can't find device)", re.IGNORECASE)
_NOT_KNOWN = re.compile(
    r"(?:argument|Command) \"?fibmatch|is expected rather than \"fibmatch\"|invalid argument 'fibmatch'|^Usage:|BusyBox"
)


@dataclass(frozen=True)
class KernelAnswer:
    """One answer: a route, or the errno. ``line`` is the deciding line of the section."""

    route: Route | None = None
    error: str = ""
    line: int = 0

    @property
    def result(self) -> str:
        """A route type, or the errno."""
        return self.route.type if self.route else self.error


@dataclass(frozen=True)
class KernelAnswers:
    """``full`` answers the whole question, ``match`` names the route of the table, ``plain`` asks without source and device."""

    full: KernelAnswer
    match: KernelAnswer | None = None
    plain: KernelAnswer | None = None


@guarded
def parse_route_get(text: str, family: int = 4) -> KernelAnswers:
    """Read the answers. Raises ParseError when the section was cut, and for a message that is not known."""
    if not text.strip():
        raise ParseError("there is no answer", Reason.EMPTY)
    if not text.startswith("== "):
        answer = _read(text, 1, family)
        if answer is None:
            raise ParseError("this is not an answer to ip route get", line=1)
        return KernelAnswers(answer)
    files = split_files(text)
    if not files.complete:
        raise ParseError("the answers were cut: their closing line is missing", Reason.TRUNCATED)
    full = match = plain = None
    for command in files:
        body = re.sub(r"\n-- status \d+\n*\Z", "", files.text(command)) + "\n"
        answer = _read(body, files.line_of(command), family)
        if " fibmatch " in command:
            match = answer
        elif full is None:
            full = answer
        else:
            plain = answer
    if full is None:
        raise ParseError("the kernel's answer is not in the output", Reason.MISSING)
    return KernelAnswers(full, match, plain)


def _read(body: str, first: int, family: int) -> KernelAnswer | None:
    """One answer; None when this ip does not know the question."""
    for offset, text in enumerate(body.split("\n")):
        if message := _ANSWER.match(text):
            if message[1] not in ERRNO:
                raise ParseError(f"line {first + offset}: the error {message[1]!r} is not known", line=first + offset)
            return KernelAnswer(error=ERRNO[message[1]], line=first + offset)
        if _NO_DEVICE.match(text):
            return KernelAnswer(error="ENODEV", line=first + offset)
        if _NOT_KNOWN.search(text):
            return None
    output = read_output(body)
    if output.tool == "json":
        rows = [(element.line, element.data) for element in output.elements]
    else:
        rows = read_lines(output.lines)
    if len(rows) != 1:
        raise ParseError(f"one route was expected, not {len(rows)}", line=first)
    line, data = rows[0]
    route = built(line + first - 1, build_route, data, 6 if ":" in str(data.get("dst", "")) else family)
    if route.type in ERRORS:  # a kernel such as 3.10 answers IPv6 with the route instead of an errno
        return KernelAnswer(error=_ERRNO_NUMBERS.get(str(data.get("error", "")), ERRORS[route.type]), line=route.line)
    return KernelAnswer(route, line=route.line)
