"""Counts of TCP sockets: /proc/net/sockstat, and the summary of ``ss -s``, under the names of sockstat.

>>> parse_sockstat("sockets: used 1201\\nTCP: inuse 401 orphan 16 tw 52 alloc 417 mem 38\\n")
{'inuse': 401, 'orphan': 16, 'tw': 52, 'alloc': 417, 'mem': 38}
>>> summary = parse_sockstat("Total: 9\\nTCP:   33456 (estab 200, closed 33010, orphaned 2, timewait 32768)\\n")
>>> summary, summary["tw"].line
({'orphan': 2, 'tw': 32768}, 2)
"""

from __future__ import annotations

import re

from checks.errors import ParseError
from checks.parsers.keyed import Counter
from checks.parsers.reading import whole_lines

_SUMMARY = re.compile(
    r"TCP: +\d+ \(estab \d+, closed \d+, orphaned (\d+),(?: synrecv \d+,)? timewait (\d+)(?:/\d+)?\)(?:, ports \d+)?"
)
_NAMES = ("inuse", "orphan", "tw", "alloc", "mem")


def parse_sockstat(text: str) -> dict[str, Counter]:
    """The counts of the TCP line. Raises ParseError when that line is missing or not whole."""
    for number, line in enumerate(whole_lines(text), 1):
        if match := _SUMMARY.fullmatch(line.rstrip()):
            return {"orphan": Counter(int(match[1]), number), "tw": Counter(int(match[2]), number)}
        words = line.split()
        if words[:1] == ["TCP:"] and len(words) % 2 == 1 and all(re.fullmatch(r"[0-9]{1,18}", word) for word in words[2::2]):
            counts = {name: Counter(int(value), number) for name, value in zip(words[1::2], words[2::2], strict=True)}
            if set(_NAMES) <= set(counts):
                return counts
    raise ParseError("there is no whole TCP line of sockstat", line=1)
