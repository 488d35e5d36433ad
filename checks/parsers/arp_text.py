"""Neighbours as ``arp -n`` and ``arp -an`` print them: they tell an answered entry from an unanswered one, and no more.

>>> lines = [(1, "Address                  HWtype  HWaddress           Flags Mask            Iface"),
...          (2, "192.0.2.7                ether   02:00:5e:10:00:07   C                     eth0"),
...          (3, "192.0.2.9                        (incomplete)                              eth0")]
>>> is_arp(lines), [data["state"] for _, data in read_arp_lines(lines)]
(True, [['COMPLETE'], ['INCOMPLETE']])
>>> read_arp_lines([(1, "? (192.0.2.7) at 02:00:5e:10:00:07 [ether] PERM on eth0")])[0][1]
{'dst': '192.0.2.7', 'dev': 'eth0', 'state': ['PERMANENT'], 'lladdr': '02:00:5e:10:00:07'}
"""

from __future__ import annotations

import re
from typing import Any

from checks.errors import ParseError

_BSD = re.compile(r"^\S+ \((?P<ip>[0-9.]+)\) at (?P<mac><incomplete>|[0-9a-fA-F:]+)(?P<flags> \[\w+\].*?)? on (?P<dev>\S+)\s*$")
_LINUX = re.compile(r"^(?P<ip>\S+)\s+(?:\w+\s+(?P<mac>[0-9a-fA-F:]+)\s+(?P<flags>[CMPDU]+)|\(incomplete\))\s+(?P<dev>\S+)\s*$")


def is_arp(lines: list[tuple[int, str]]) -> bool:
    """True for either form."""
    return bool(lines) and (lines[0][1].startswith("Address ") or bool(_BSD.match(lines[0][1])))


def read_arp_lines(lines: list[tuple[int, str]]) -> list[tuple[int, dict[str, Any]]]:
    """One object per entry, as ``ip -j neigh`` would print it. Raises ParseError for another line, and for a host's name."""
    return [(number, _read(number, line)) for number, line in lines if not line.startswith(("Address ", "Entries:"))]


def _read(number: int, line: str) -> dict[str, Any]:
    row = _BSD.match(line) or _LINUX.match(line)
    if not row or not re.fullmatch(r"[0-9.]+", row["ip"]):
        raise ParseError(f"line {number} is not an entry with an address; run ip neigh, or arp -n", line=number)
    flags, mac = row["flags"] or "", row["mac"] or "<incomplete>"
    fixed = "PERM" in flags or flags in ("M", "CM")
    state = "INCOMPLETE" if mac.startswith("<") else "PERMANENT" if fixed else "COMPLETE"
    data = {"dst": row["ip"], "dev": row["dev"], "state": [state]}
    return data if state == "INCOMPLETE" else data | {"lladdr": mac}
