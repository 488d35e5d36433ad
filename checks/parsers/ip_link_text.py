"""Lines of ``ip link`` and ``ip addr`` as the objects that ``ip -j`` would print: a device's header line and what follows it.

With ``-o`` the lines of a device are joined by backslashes; busybox prints no state and no statistics; iproute2 4.11 has other
columns under ``RX:`` than 6.1, so they are read by the names above them.

>>> text = [(4, "2: vx@eth0: <UP> mtu 1450 state UNKNOWN qlen 0"), (5, "    vxlan id 7 dev eth0 srcport 0 0 dstport 8472"),
...         (6, "    RX: bytes  packets  errors  dropped overrun mcast"), (7, "    9    2    1   0   0   0")]
>>> line, data = read_link_lines(text)[0]
>>> line, data["ifname"], data["link"], data["linkinfo"], data["stats"]["rx"]["errors"]
(4, 'vx', 'eth0', {'info_kind': 'vxlan', 'info_data': {'id': '7', 'link': 'eth0', 'port': '8472'}}, 1)
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from checks.errors import ParseError
from checks.parsers.ip_output import Output
from checks.results import Reason

_HEAD = re.compile(r"^(\d+): (\S+?)(?:@(\S+))?: <([^>]*)>(.*)$")
_SHORT = re.compile(r"^(\d+): (\S+?)\s+(?=inet6?\s)(.*)$")  # ip -o addr
_STATS = re.compile(r"^([RT])X(?: errors)?:\s+(\S.*)$")
_KINDS = re.compile(
    r"^(bareudp|bond|bridge|can|dsa|dummy|erspan6?|geneve|gre|gretap|gtp|hsr|ifb|ip6gre|ip6gretap|ip6tnl|ipip|ipoib|ipvlan|ipvtap|macsec"
    r"|macvlan|macvtap|netdevsim|netkit|nlmon|openvswitch|rmnet|sit|team|tun|vcan|veth|vlan|vrf|vti6?|vxcan|vxlan|wireguard|wwan|xfrm)$"
)
_HEAD_KEYS = {"mtu": "mtu", "state": "operstate", "master": "master", "group": "group", "qdisc": "qdisc", "vrf": "master"}
_INFO_KEYS = {"dev": "link", "dstport": "port"} | {key: key for key in ("id", "local", "remote", "group", "table", "mode")}

Lines = list[tuple[int, str]]
Objects = list[tuple[int, dict[str, Any]]]


def read_link_lines(lines: Lines) -> Objects:
    """One object per device, with the number of its header line. Raises ParseError for what ``ip`` does not print."""
    found: Objects = []
    columns: tuple[str, list[str]] | None = None
    for number, line in ((number, part) for number, text in lines for part in text.split("\\")):
        if head := _HEAD.match(line):
            found.append((number, _read_head(head)))
            columns = None
        elif not found or not line.startswith((" ", "\t")):
            raise _not_ip(number, line)
        elif stats := _STATS.match(line.strip()):
            columns = ("rx" if stats[1] == "R" else "tx", stats[2].split())
        elif columns:
            way, names = columns
            found[-1][1].setdefault("stats", {}).setdefault(way, {}).update(_numbers(names, line))
            columns = None
        else:
            _read_detail(found[-1][1], line.split())
    return found


def refuse_cut(output: Output) -> None:
    """Raises ParseError for a paste that ends between two lines that belong together: a device's first two, an address and its
    lifetimes."""
    last = output.lines[-1][1] if output.lines and not output.framed else ""
    timed = any(line.lstrip().startswith("valid_lft ") for _, line in output.lines)
    if (_HEAD.match(last) and "\\" not in last) or (timed and re.match(r"^\s+inet6? ", last)):
        raise ParseError("the list stops in the middle of a device; it was cut", Reason.TRUNCATED, line=output.lines[-1][0])


def split_short(line: str) -> tuple[str, str] | None:
    """The device and the rest of a line of ``ip -o addr``, or None for any other line."""
    match = _SHORT.match(line)
    return (match[2], match[3]) if match else None


def _not_ip(number: int, line: str) -> ParseError:
    if re.match(r"^\S+(: flags=|\s+Link encap:)", line):
        return ParseError(f"line {number}: this is the output of ifconfig; run ip link and ip addr", line=number)
    if re.match(r"^\S+ +(?:UP|DOWN|UNKNOWN|LOWERLAYERDOWN|DORMANT|NOTPRESENT|TESTING) +\S", line):
        return ParseError(f"line {number}: this is ip -br, which leaves out what decides; run it without -br", line=number)
    return ParseError(f"line {number} is not of ip link: {line[:80]!r}", line=number)


def _read_head(head: re.Match[str]) -> dict[str, Any]:
    data: dict[str, Any] = {"ifindex": int(head[1]), "ifname": head[2], "flags": head[4].split(",") if head[4] else []}
    if head[3] and head[3] != "NONE":
        data["link"] = head[3]
    words = head[5].split()
    for key, value in pairwise(words):
        if key in _HEAD_KEYS:
            data.setdefault(_HEAD_KEYS[key], value)
    return data


def _read_detail(data: dict[str, Any], words: list[str]) -> None:
    if words and words[0].startswith("link/"):
        data["link_type"] = words[0].removeprefix("link/")
        if len(words) > 1 and re.fullmatch(r"[0-9a-fA-F:.]+", words[1]):
            data["address"] = words[1]
    elif words and _KINDS.match(words[0]):
        about = {_INFO_KEYS[key]: value for key, value in pairwise(words) if key in _INFO_KEYS}
        data["linkinfo"] = {"info_kind": words[0], "info_data": about}


def _numbers(names: list[str], line: str) -> dict[str, int]:
    values = line.split()
    if not all(re.fullmatch("[0-9]{1,20}", value) for value in values):
        return {}
    return {name: int(value) for name, value in zip(names, values, strict=False)}
