"""Connection tracking as text: flows of ``conntrack -L`` (plain or extended) and /proc/net/nf_conntrack, and the per-CPU counters.

>>> flows = parse_flows('''ipv4     2 udp      17 29 src=10.244.1.5 dst=10.96.0.10 sport=40000 dport=53 [UNREPLIED] src=10.96.0.10 dst=10.244.1.5 sport=53 dport=40000 mark=0 use=1
... == end
... ''')
>>> flow = flows.flows[0]
>>> flow.protocol, flow.seconds, flow.dst, flow.dport, flow.reply_src, flow.unreplied, flow.line, flows.whole
('udp', 29, '10.96.0.10', 53, '10.96.0.10', True, 1, True)
>>> sum_counters('entries  found drop\\n0000000f 00000001 00000002\\n0000000f 00000000 00000003\\n')
{'entries': 15, 'found': 1, 'drop': 5}
>>> sum_counters('cpu=0   found=7 insert_failed=2 drop=2 \\ncpu=1   found=1 insert_failed=0 drop=0 \\n')
{'found': 8, 'insert_failed': 2, 'drop': 2}
"""  # noqa: E501

from __future__ import annotations

import re
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.iptables_values import is_address, port
from checks.parsers.reading import whole_lines

_FLOW = re.compile(
    r"(?:ipv[46]\s+\d+\s+)?(udp|tcp|udplite|sctp|dccp|icmp|icmpv6|gre|unknown)\s+\d+\s+(\d{1,12})\s+(?:([A-Z_]+)\s+)?"
    r"src=(\S+) dst=(\S+)(.*?)\s(?:\[UNREPLIED\]\s+)?src=(\S+) dst=(\S+)(.*)$",
    re.ASCII,
)
_ENTRIES = "entries"
_SHOWN = re.compile(r"conntrack v\S+ \(conntrack-tools\): (\d{1,9}) flow entries have been shown", re.ASCII)
_BY_CPU = re.compile(r"cpu=\d{1,5}(?:\s+\w+=\d{1,19})+$", re.ASCII)
_END = re.compile(r"== end$|# End of: [^|]*$")


@dataclass(frozen=True, slots=True)
class Flow:
    """One tracked flow: its first packet's addresses, and where the answer is expected from."""

    protocol: str
    seconds: int
    src: str
    sport: int
    dst: str
    dport: int
    reply_src: str
    reply_sport: int
    unreplied: bool
    line: int

    @property
    def told(self) -> str:
        """The flow in words."""
        return f"{self.src}:{self.sport} to {self.dst}:{self.dport}/{self.protocol}"


@dataclass
class Flows:
    """All flows of a capture. ``whole`` is True when its end mark was seen."""

    flows: list[Flow] = field(default_factory=list)
    whole: bool = False


def _port(text: str, name: str) -> int:
    match = re.search(rf"\b{name}=(\d+)", text)
    return (port(match[1]) or 0) if match else 0


def parse_flows(text: str) -> Flows:
    """Read the flows; a last line without its end is left out. Raises ParseError for a line that is no flow."""
    found = Flows()
    lines = text.split("\n")
    lines.pop()
    for number, line in enumerate(lines, 1):
        if _END.match(line) or ((shown := _SHOWN.match(line)) and int(shown[1]) == len(found.flows)):
            found.whole = True
        elif line.strip() and not line.startswith(("conntrack v", "# Part of: ", "# End of: ")):
            match = _FLOW.match(line.strip())
            if match is None or not all(map(is_address, (match[4], match[5], match[7], match[8]))):
                raise ParseError("this line is not a tracked flow", line=number)
            first, answer = match[6], match[9]
            ends = (match[4], _port(first, "sport"), match[5], _port(first, "dport"), match[7], _port(answer, "sport"))
            found.flows.append(Flow(match[1], int(match[2]), *ends, "[UNREPLIED]" in line, number))
    return found


def _sum_named(lines: list[str]) -> dict[str, int]:
    total: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not _BY_CPU.match(line.strip()):
            raise ParseError("this row is not one of conntrack -S", line=number)
        for name, value in re.findall(r"(\w+)=(\d{1,19})(?!\S)", line, re.ASCII)[1:]:
            total[name] = total.get(name, 0) + int(value)
    return total


def sum_counters(text: str) -> dict[str, int]:
    """The counters of /proc/net/stat/nf_conntrack, hexadecimal with a row per CPU, or of ``conntrack -S``, decimal, summed.

    ``entries`` is the same in every row.
    """
    lines = whole_lines(text)
    if lines and _BY_CPU.match(lines[0].strip()):
        return _sum_named(lines)
    names = lines[0].split() if lines else []
    if not names or names[0] != _ENTRIES or len(lines) < 2:
        raise ParseError("this is not /proc/net/stat/nf_conntrack: a header and a row per CPU", line=1)
    total = dict.fromkeys(names, 0)
    for number, line in enumerate(lines[1:], 2):
        values = line.split()
        if len(values) != len(names) or not all(re.fullmatch(r"[0-9a-f]{8,16}", each) for each in values):
            raise ParseError("this row has not one hexadecimal number per column", line=number)
        for name, value in zip(names, values, strict=True):
            total[name] = int(value, 16) if name == _ENTRIES else total[name] + int(value, 16)
    return total
