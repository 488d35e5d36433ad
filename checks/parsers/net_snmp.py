"""``/proc/net/snmp`` and ``/proc/net/netstat``: pairs of lines, names then values. Columns differ between kernels: go by name.

Own reader: jc reads the same text, but takes a value line that was cut for a whole one and knows no line numbers.

>>> blocks = parse_snmp('''Tcp: RtoAlgorithm MaxConn OutSegs RetransSegs
... Tcp: 1 -1 8183 4
... ''')
>>> blocks["Tcp"]["RetransSegs"], blocks["Tcp"]["RetransSegs"].line
(4, 2)
"""

from __future__ import annotations

import re

from checks.errors import ParseError
from checks.parsers.keyed import Counter
from checks.parsers.netstat_text import FORM, parse_netstat_text
from checks.parsers.reading import whole_lines
from checks.results import Reason

_LINE = re.compile(r"^(\w+): ?(.*)$")


def parse_snmp(text: str) -> dict[str, dict[str, Counter]]:
    """Counters by block and name, also of ``netstat -s`` and ``nstat``. Raises ParseError when a pair of lines is not whole."""
    lines = whole_lines(text)
    if FORM.search(text) and not re.search(r"^Tcp(?:Ext)?: [A-Z]", text, re.MULTILINE):
        return parse_netstat_text(text)
    if not lines or len(lines) % 2:
        raise ParseError("names and values do not come in pairs of lines; the text was cut", Reason.TRUNCATED, line=len(lines))
    blocks: dict[str, dict[str, Counter]] = {}
    for number in range(1, len(lines), 2):
        names, values = _LINE.match(lines[number - 1]), _LINE.match(lines[number])
        if not names or not values or names[1] != values[1] or len(names[2].split()) != len(values[2].split()):
            raise ParseError(f"lines {number} and {number + 1} are no pair of names and values", line=number)
        try:
            pairs = zip(names[2].split(), map(int, values[2].split()), strict=True)
            blocks[names[1]] = {name: Counter(value, number + 1) for name, value in pairs}
        except ValueError as error:
            raise ParseError(f"line {number + 1} holds a value that is no number", line=number + 1) from error
    return blocks
