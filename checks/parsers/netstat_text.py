"""TCP counters as ``netstat -s`` (net-tools) and ``nstat`` print them, under the names of /proc/net/snmp and /proc/net/netstat.

netstat -s leaves out what is 0: only where its next part, IpExt, follows is a counter known to be 0.

>>> found = parse_netstat_text('''Tcp:
...     2775100 segments send out
...     277512 segments retransmited
... TcpExt:
...     22438 times the listen queue of a socket overflowed
... ''')
>>> found["Tcp"]["RetransSegs"], found["Tcp"]["RetransSegs"].line, found["TcpExt"]
(277512, 3, {'ListenOverflows': 22438})
>>> parse_netstat_text("#kernel\\nTcpOutSegs   8183   0.0\\nTcpExtTCPTimeouts   4   0.0\\n")["TcpExt"]["TCPTimeouts"]
4
"""

from __future__ import annotations

import re

from checks.errors import ParseError
from checks.parsers.keyed import Counter
from checks.parsers.reading import whole_lines

Blocks = dict[str, dict[str, Counter]]

FORM = re.compile(
    r"^\s*\d+ (?:segments|times|SYNs|resets|connection|delayed|DSACKs|total)\b|^(?:Tcp|TcpExt|Ip)[A-Z]\w+\s+\d+\s+\d+\.\d", re.M
)
_SENTENCES = (
    ("Tcp", "OutSegs", r"segments sen[dt] out"),
    ("Tcp", "RetransSegs", r"segments retransmitt?ed"),
    ("Tcp", "InSegs", r"segments received"),
    ("Tcp", "InErrs", r"bad segments received\.?"),
    ("Tcp", "OutRsts", r"resets sent"),
    ("Tcp", "EstabResets", r"connection resets received"),
    ("TcpExt", "ListenOverflows", r"times the listen queue of a socket overflowed"),
    ("TcpExt", "ListenDrops", r"SYNs to LISTEN sockets (?:dropped|ignored)"),
    ("TcpExt", "DelayedACKs", r"delayed acks sent"),
    ("TcpExt", "TCPDSACKRecv", r"DSACKs received"),
    ("TcpExt", "TCPTimeouts", r"other TCP timeouts"),
    ("TcpExt", "TCPAbortOnTimeout", r"connections aborted due to timeout"),
)
_BY_SENTENCE = [(block, name, re.compile(rf"\s*(\d+) {sentence}")) for block, name, sentence in _SENTENCES]
_NAMED = re.compile(r"\s*(TCP\w+): (\d+)")
_NSTAT = re.compile(r"(Tcp(?:Ext)?|IpExt|Ip)([A-Z]\w+)\s+(\d+)\s+\d+\.\d\S*")


def parse_netstat_text(text: str) -> Blocks:
    """Counters by block and name, of the lines that are there. Raises ParseError when none is."""
    found: Blocks = {"Tcp": {}, "TcpExt": {}}
    lines = whole_lines(text)
    for number, line in enumerate(lines, 1):
        if match := _NSTAT.fullmatch(line.rstrip()):
            found.setdefault(match[1], {})[match[2]] = Counter(int(match[3]), number)
        elif match := _NAMED.fullmatch(line.rstrip()):
            found["TcpExt"][match[1]] = Counter(int(match[2]), number)
        for block, name, pattern in _BY_SENTENCE:
            if match := pattern.fullmatch(line.rstrip()):
                found[block][name] = Counter(int(match[1]), number)
    if not found["Tcp"] and not found["TcpExt"]:
        raise ParseError("this holds no TCP counter of netstat -s or nstat", line=1)
    if "TcpExt:" in lines and "IpExt:" in lines[lines.index("TcpExt:") :]:
        head = lines.index("TcpExt:") + 1
        for block, name, _ in _SENTENCES[6:]:
            found[block].setdefault(name, Counter(0, head))
    return {block: counters for block, counters in found.items() if counters}
