"""Disk limits and traffic of a cgroup, by device number: cgroup v2's nested keys and v1's device lines.

>>> parse_nested("8:16 rbps=2097152 wbps=max riops=max wiops=120\\n")
{'8:16': {'rbps': 2097152, 'wbps': None, 'riops': None, 'wiops': 120}}
>>> parse_devices("8:0 1048576\\n")
{'8:0': 1048576}
>>> parse_operations("8:0 Read 4096\\n8:0 Write 8192\\n8:0 Sync 0\\n8:0 Total 12288\\nTotal 12288\\n")
{'8:0': {'Read': 4096, 'Write': 8192, 'Sync': 0, 'Total': 12288}}
"""

from __future__ import annotations

import re

from checks.errors import ParseError
from checks.parsers.reading import whole_lines

_DEVICE = re.compile(r"^(\d+:\d+) (\d+)$")
_OPERATION = re.compile(r"^(\d+:\d+) (\w+) (\d+)$")
_NESTED = re.compile(r"^(\d+:\d+)((?: [\w.]+=(?:max|\d+))*) ?$")


def parse_nested(text: str) -> dict[str, dict[str, int | None]]:
    """Keys and values by device; None for ``max``. Devices without any traffic stand alone on a line."""
    found = {}
    for number, line in enumerate(whole_lines(text), 1):
        match = _NESTED.match(line)
        if not match:
            raise ParseError(f"line {number} is not a device with keys and values: {line[:80]!r}", line=number)
        pairs = (pair.split("=") for pair in match[2].split())
        found[match[1]] = {key: None if value == "max" else int(value) for key, value in pairs}
    return found


def parse_devices(text: str) -> dict[str, int]:
    """One number by device."""
    found = {}
    for number, line in enumerate(whole_lines(text), 1):
        match = _DEVICE.match(line)
        if not match:
            raise ParseError(f"line {number} is not a device and a number: {line[:80]!r}", line=number)
        found[match[1]] = int(match[2])
    return found


def parse_operations(text: str) -> dict[str, dict[str, int]]:
    """Numbers by device and operation; the last line is the total of all. Raises ParseError when that line is missing."""
    lines = whole_lines(text)
    if not lines or not re.fullmatch(r"Total \d+", lines[-1]):
        raise ParseError("the closing line Total is missing", line=len(lines))
    found: dict[str, dict[str, int]] = {}
    for number, line in enumerate(lines[:-1], 1):
        match = _OPERATION.match(line)
        if not match:
            raise ParseError(f"line {number} is not a device, an operation and a number: {line[:80]!r}", line=number)
        found.setdefault(match[1], {})[match[2]] = int(match[3])
    return found
