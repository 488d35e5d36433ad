"""Counters of one interface as ``ethtool -S`` and ``ip -s -s link`` print them, under the names of /sys/class/net/*/statistics.

>>> found = parse_nic_text('''NIC statistics:
...      rx_packets: 812
...      rx_missed_errors: 7
... ''')
>>> found["rx_missed_errors"]
(7, 3)
>>> link = parse_nic_text('''2: eth0: <UP> mtu 1500
...     RX: bytes  packets  errors  dropped overrun mcast
...     81234123   812      0       34      0       0
...     RX errors: length   crc     frame   fifo    missed
...                0        2       0       0       7
... ''')
>>> link["rx_packets"], link["rx_dropped"], link["rx_crc_errors"], link["rx_missed_errors"]
((812, 3), (34, 3), (2, 5), (7, 5))
"""

from __future__ import annotations

import re

from checks.errors import ParseError
from checks.parsers.reading import whole_lines

_ETHTOOL = re.compile(r"\s+([\w.-]+): ([0-9]{1,20})")
_HEAD = re.compile(r"\s+(RX|TX)( errors)?: +([a-z ]+?) *")
_LINK = {"errors": "errors", "dropped": "dropped", "packets": "packets", "overrun": "over_errors", "carrier": "carrier_errors"}
_ERRORS = {"crc": "crc_errors", "frame": "frame_errors", "fifo": "fifo_errors", "missed": "missed_errors"}


def parse_nic_text(text: str) -> dict[str, tuple[int, int]]:
    """Value and line by counter. Raises ParseError when the text holds none."""
    found: dict[str, tuple[int, int]] = {}
    side, names = "", list[str]()
    for number, line in enumerate(whole_lines(text), 1):
        words = line.split()
        if match := _ETHTOOL.fullmatch(line.rstrip()):
            found[match[1]] = int(match[2]), number
        elif match := _HEAD.fullmatch(line):
            known = _ERRORS if match[2] else _LINK
            side, names = match[1].lower(), [known.get(word, "") for word in match[3].split()]
        elif names and len(words) == len(names) and all(re.fullmatch(r"[0-9]{1,20}", word) for word in words):
            found |= {f"{side}_{name}": (int(word), number) for name, word in zip(names, words, strict=True) if name}
            names = []
        else:
            names = []
    if "rx_packets" not in found and not any(name.startswith("rx_") for name in found):
        raise ParseError("this shows no counter of an interface", line=1)
    return found
