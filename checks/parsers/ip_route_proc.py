"""Routes without ip: /proc/net/route (the main table, little-endian hex words), fib_trie (own addresses), ipv6_route, route -n.

/proc/net/route shows neither the nexthops of a multipath route nor the type of an error route other than its reject flag, which a
blackhole does not have; a route without a device is therefore read as one of these two, never as a way out. ``route -n`` shows
that file in words.

>>> from checks.parsers.ip_output import read_output
>>> text = ("== /proc/net/route\\nIface\\tDestination\\tGateway\\tFlags\\tRefCnt\\tUse\\tMetric\\tMask\\tMTU\\tWindow\\tIRTT\\n"
...         "eth0\\t00000000\\t010200C0\\t0003\\t0\\t0\\t100\\t00000000\\t0\\t0\\t0\\n\\n== end\\n")
>>> read_proc(read_output(text), 4)
[(3, {'dst': '0.0.0.0/0', 'metric': 100, 'dev': 'eth0', 'gateway': '192.0.2.1'})]
>>> read_route_n([(1, "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface"),
...               (2, "10.244.1.0      192.0.2.7       255.255.255.0   UG    0      0        0 eth0")])
[(2, {'dst': '10.244.1.0/24', 'metric': 0, 'dev': 'eth0', 'gateway': '192.0.2.7'})]
"""

from __future__ import annotations

import re
from typing import Any

from checks.errors import ParseError
from checks.parsers.ip_output import Output
from checks.parsers.ip_prefix import Address
from checks.results import Reason

_UP, _GATEWAY, _REJECT = 0x1, 0x2, 0x200
_LOCAL6, _ANYCAST6 = 0x80000000, 0x00100000
_ALL_ONES = 0xFFFFFFFF


def read_proc(output: Output, family: int) -> list[tuple[int, dict[str, Any]]]:
    """Objects as ``ip -j route`` would print them, with their line. Raises ParseError when the files are not there."""
    wanted = "/net/ipv6_route" if family == 6 else "/net/route"
    if not any(path.endswith(wanted) for path in output.files):
        raise ParseError(f"the output holds no {wanted.rpartition('/')[2]} file", Reason.MISSING)
    if family == 6:
        return [(number, _read_v6(number, line.split())) for number, line in output.file(wanted) if _is_real(line)]
    rows = [(number, _read_v4(number, line.split())) for number, line in output.file(wanted)[1:] if line.strip()]
    return rows + _read_trie(output.file("/net/fib_trie"))


def _read_v4(number: int, words: list[str]) -> dict[str, Any]:
    if len(words) < 8 or not all(re.fullmatch(r"[0-9A-F]{8}", words[i]) for i in (1, 2, 7)):
        raise ParseError(f"line {number} is not a row of /proc/net/route", line=number)
    flags, mask = int(words[3], 16), _word(words[7])
    data: dict[str, Any] = {"dst": f"{Address(4, _word(words[1]))}/{mask.bit_count()}", "metric": int(words[6])}
    if words[0] == "*":
        data["type"] = "unreachable" if flags & _REJECT else "blackhole"
        return data
    data["dev"] = words[0]
    if flags & _GATEWAY and _word(words[2]):
        data["gateway"] = str(Address(4, _word(words[2])))
    return data


def _word(text: str) -> int:
    """A number in the byte order of x86 and arm64, which is how the kernel prints addresses here."""
    return int.from_bytes(bytes.fromhex(text)[::-1], "big")


def _is_real(line: str) -> bool:
    """False for the kernel's "nothing matches" entry, a reject route of all-ones metric."""
    words = line.split()
    return bool(words) and not (len(words) == 10 and int(words[5], 16) == _ALL_ONES)


def _read_v6(number: int, words: list[str]) -> dict[str, Any]:
    if len(words) != 10 or not re.fullmatch(r"[0-9a-f]{32}", words[0]):
        raise ParseError(f"line {number} is not a row of /proc/net/ipv6_route", line=number)
    flags, gateway = int(words[8], 16), int(words[4], 16)
    data: dict[str, Any] = {
        "dst": f"{Address(6, int(words[0], 16))}/{int(words[1], 16)}",
        "metric": int(words[5], 16),
        "dev": words[9],
    }
    if flags & _REJECT:
        data["type"] = "unreachable"
    elif flags & (_LOCAL6 | _ANYCAST6):
        data |= {"type": "local" if flags & _LOCAL6 else "anycast", "table": "local"}
    elif words[0].startswith("ff"):
        data |= {"type": "multicast", "table": "local"}
    if gateway:
        data["gateway"] = str(Address(6, gateway))
    return data


def _read_trie(lines: list[tuple[int, str]]) -> list[tuple[int, dict[str, Any]]]:
    """The local table of fib_trie: the host's own addresses and the broadcast addresses."""
    found: list[tuple[int, dict[str, Any]]] = []
    table, leaf = "", ""
    for number, line in lines:
        if match := re.match(r"^(?:Id (\S+)|(Main|Local)):$", line):
            table = match[1] or match[2].lower()
        elif match := re.match(r"^\s*\|--\s+([\d.]+)$", line):
            leaf = match[1]
        elif (match := re.match(r"^\s+/(\d+) (?:host|link) (LOCAL|BROADCAST)\b", line)) and table in ("local", "main"):
            found.append((number, {"type": match[2].lower(), "dst": f"{leaf}/{match[1]}", "table": "local"}))
    return list({(data["type"], data["dst"]): (number, data) for number, data in reversed(found)}.values())[::-1]


def is_route_n(lines: list[tuple[int, str]]) -> bool:
    """True for what ``route -n`` prints, and for ``netstat -rn``, which leaves out the metric."""
    return bool(lines) and lines[0][1].startswith(("Kernel IP routing table", "Destination "))


def read_route_n(lines: list[tuple[int, str]]) -> list[tuple[int, dict[str, Any]]]:
    """The rows of ``route -n`` as objects. Raises ParseError for names instead of addresses, and for netstat's columns."""
    rows = [(number, line.split()) for number, line in lines if not line.startswith("Kernel IP routing table")]
    if not rows:
        raise ParseError("there is no row below the heading", Reason.TRUNCATED, line=lines[0][0])
    if rows[0][1] != _COLUMNS:
        number, words = rows[0]
        tool = "netstat -rn, which shows no metric" if "irtt" in words else "another tool"
        raise ParseError(f"line {number}: this is the output of {tool}; run ip route show table all", line=number)
    return [(number, _read_row(number, words)) for number, words in rows[1:]]


def _read_row(number: int, words: list[str]) -> dict[str, Any]:
    if len(words) != len(_COLUMNS) or not words[4].isdigit():
        raise ParseError(f"line {number} is not a row of route -n", line=number)
    target, gateway, mask, flags, metric, dev = *words[:5], words[7]
    try:
        length = Address.parse(mask).value.bit_count()
        data: dict[str, Any] = {"dst": f"{Address.parse('0.0.0.0' if target == 'default' else target)}/{length}"}  # noqa: S104
        way = None if gateway in ("*", "-") else Address.parse(gateway)
    except ParseError:
        raise ParseError(f"line {number} holds a name instead of an address; run route -n", line=number) from None
    data["metric"] = int(metric)
    if dev in ("*", "-") or "!" in flags:
        return data | {"type": "unreachable" if "!" in flags else "blackhole"}
    return data | {"dev": dev} | ({"gateway": str(way)} if "G" in flags and way and way.value else {})


_COLUMNS = "Destination Gateway Genmask Flags Metric Ref Use Iface".split()  # noqa: SIM905
