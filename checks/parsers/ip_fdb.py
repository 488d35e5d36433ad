"""Forwarding entries of bridges and VXLAN devices, from ``bridge -j fdb`` or its text.

>>> entries = parse_fdb('''02:00:5e:10:00:f2 dev flannel.1 dst 192.0.2.20 self permanent
... 33:33:00:00:00:01 dev eth0 self permanent
... ''')
>>> [(entry.mac, entry.dev, entry.dst, entry.permanent, entry.line) for entry in entries]
[('02:00:5e:10:00:f2', 'flannel.1', '192.0.2.20', True, 1), ('33:33:00:00:00:01', 'eth0', '', True, 2)]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from checks.errors import ParseError
from checks.parsers.ip_output import built, guarded, read_output

_MAC = re.compile(r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")


@dataclass(frozen=True)
class FdbEntry:
    """Frames for ``mac`` on ``dev`` go to the VXLAN endpoint ``dst``."""

    mac: str
    dev: str
    dst: str = ""
    permanent: bool = False
    line: int = 0


@guarded
def parse_fdb(text: str) -> tuple[FdbEntry, ...]:
    """All entries. Raises ParseError when the text was cut or is not what ``bridge fdb`` prints."""
    output = read_output(text)
    if output.tool == "json":
        return tuple(built(element.line, _entry, element.data) for element in output.elements)
    return tuple(built(number, _read_line, line.split()) for number, line in output.lines)


def _entry(line: int, data: Mapping[str, Any]) -> FdbEntry:
    mac = str(data.get("mac", "")).lower()
    if not _MAC.match(mac):
        raise ParseError(f"line {line} is no forwarding entry", line=line)
    permanent = data.get("state") in ("permanent", "static")
    return FdbEntry(mac, str(data.get("ifname", "")), str(data.get("dst", "")), permanent, line)


def _read_line(number: int, words: list[str]) -> FdbEntry:
    values = {"mac": words[0].lower()}
    for key, value in pairwise(words[1:]):
        if key in ("dev", "dst"):
            values["ifname" if key == "dev" else "dst"] = value
    if "permanent" in words or "static" in words:
        values["state"] = "permanent"
    return _entry(number, values)
