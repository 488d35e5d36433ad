"""/etc/iproute2/rt_tables and rt_tables.d: the names of routing tables.

>>> parse_rt_tables("#\\n# reserved values\\n#\\n255\\tlocal\\n254\\tmain\\n0x64 uplink # the second provider\\n")
{255: 'local', 254: 'main', 100: 'uplink'}
"""

from __future__ import annotations

import re

from checks.parsers.reading import whole_lines


def parse_rt_tables(text: str) -> dict[int, str]:
    """Names by number. Comments and lines of another form are passed over, as ip does."""
    found: dict[int, str] = {}
    for line in whole_lines(text):
        if match := re.match(r"^\s*(0x[0-9a-fA-F]{1,8}|[0-9]{1,10})\s+([^\s#]+)", line):
            found[int(match[1], 0)] = match[2]
    return found
