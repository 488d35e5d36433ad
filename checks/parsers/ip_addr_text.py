"""Lines of ``ip addr`` and rows of /proc as the ``addr_info`` objects that ``ip -j addr`` would print.

>>> heads, found = read_addr_lines([(3, "2: eth0    inet 192.0.2.10/24 brd 192.0.2.255 scope global secondary eth0\\\\"
...                                     "       valid_lft 3600sec preferred_lft 1800sec")])
>>> found[0][:2], found[0][2]["local"], found[0][2]["secondary"], found[0][2]["valid_life_time"]
((3, 'eth0'), '192.0.2.10', True, '3600')
"""

from __future__ import annotations

import re
from typing import Any

from checks.errors import ParseError
from checks.parsers.ip_link_text import Lines, Objects, read_link_lines, split_short
from checks.parsers.ip_output import Output
from checks.parsers.ip_prefix import Address

FLAGS = (
    "secondary", "temporary", "tentative", "dadfailed", "deprecated", "dynamic", "noprefixroute", "mngtmpaddr", "nodad", "home",
    "optimistic", "autojoin", "stable-privacy",
)  # fmt: skip
_VALUES = {"brd": "broadcast", "scope": "scope", "metric": "metric", "any": "anycast", "proto": "protocol"}
_FLAGS6 = {0x01: "temporary", 0x02: "nodad", 0x04: "optimistic", 0x08: "dadfailed", 0x20: "deprecated", 0x40: "tentative"}
_SCOPES6 = {0x00: "global", 0x10: "host", 0x20: "link", 0x40: "site"}

Found = list[tuple[int, str, dict[str, Any]]]


def read_addr_lines(lines: Lines) -> tuple[Objects, Found]:
    """The devices' header objects, and each address with its line and its device."""
    heads: Lines = []
    found: Found = []
    dev = ""
    for number, text in lines:
        short = split_short(text)
        if short:
            dev, text = short[0], "    " + short[1]
        for part in text.split("\\"):
            words = part.split()
            if words[:1] in (["inet"], ["inet6"]) and part[:1].isspace():
                found.append((number, dev, _read_address(number, words)))
            elif words[:1] == ["valid_lft"] and found:
                found[-1][2].update(_read_lifetimes(words))
            elif not short:
                heads.append((number, part))
                if match := re.match(r"^\d+: (\S+?)(?:@\S+)?: <", part):
                    dev = match[1]
    return read_link_lines(heads), found


def _read_address(number: int, words: list[str]) -> dict[str, Any]:
    address, _, plen = words[1].partition("/") if len(words) > 1 else ("", "", "")
    data: dict[str, Any] = {"family": words[0], "local": address}
    rest = iter(words[2:])
    for word in rest:
        if word == "peer":
            data["address"], _, plen = next(rest, "").partition("/")
        elif word in _VALUES:
            data[_VALUES[word]] = next(rest, "")
        elif word in FLAGS:
            data[word] = True
    if not address:
        raise ParseError(f"line {number} names no address", line=number)
    data["prefixlen"] = plen or ("128" if words[0] == "inet6" else "32")
    return data


def _read_lifetimes(words: list[str]) -> dict[str, str]:
    found = {}
    for name, key in (("valid_lft", "valid_life_time"), ("preferred_lft", "preferred_life_time")):
        if name in words[:-1] and (match := re.match(r"(\d+)(?:sec)?$", words[words.index(name) + 1])):
            found[key] = match[1]
    return found


def read_proc_addresses(output: Output) -> Found:
    """IPv6 addresses of if_inet6 with their device; IPv4 ones of fib_trie, whose device /proc does not tell."""
    found: Found = []
    for number, line in output.file("/net/if_inet6"):
        words = line.split()
        if not words:
            continue
        if len(words) != 6:
            raise ParseError(f"line {number} is not a row of /proc/net/if_inet6", line=number)
        flags = int(words[4], 16)
        data: dict[str, Any] = {"local": str(Address(6, int(words[0], 16))), "prefixlen": int(words[2], 16)}
        data["scope"] = _SCOPES6.get(int(words[3], 16), "global")
        found.append((number, words[5], data | {name: True for bit, name in _FLAGS6.items() if flags & bit}))
    leaf, seen = "", set[str]()
    for number, line in output.file("/net/fib_trie"):
        if match := re.match(r"^\s*\|--\s+([\d.]+)$", line):
            leaf = match[1]
        elif re.match(r"^\s+/32 host LOCAL\b", line) and leaf not in seen:
            seen.add(leaf)
            found.append((number, "", {"local": leaf, "prefixlen": 32}))
    return found
