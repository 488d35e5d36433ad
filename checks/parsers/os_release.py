"""``/etc/os-release``: which distribution this is (os-release(5)).

>>> parse_os_release('NAME="Kylin Linux Advanced Server"\\nID="kylin"\\nVERSION_ID="V10"\\n')["ID"]
'kylin'
"""

from __future__ import annotations

import re

from checks.parsers.reading import whole_lines

_ASSIGNMENT = re.compile(r"""^([A-Z][A-Z0-9_]*)=(?:"([^"]*)"|'([^']*)'|(\S*))\s*$""")


def parse_os_release(text: str) -> dict[str, str]:
    """Values by name; lines that assign nothing are comments."""
    found = {}
    for line in whole_lines(text):
        if match := _ASSIGNMENT.match(line):
            found[match[1]] = next(value for value in (*match.groups()[1:], "") if value is not None)
    return found
