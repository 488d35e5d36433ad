"""What ``nft list table`` and ``nft list ruleset`` print as text: tables, chains, rules, sets and maps, each with its line.

>>> found = parse_text('''table ip kube-proxy {
...     chain services {
...         ip daddr . meta l4proto . th dport vmap @service-ips
...     }
... }
... ''')
>>> [(each.kind, each.line) for each in found]
[('table', 1), ('chain', 2), ('rule', 3)]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from checks.errors import ParseError
from checks.parsers.nft_words import elements, rule
from checks.results import Reason

TABLE = re.compile(r"^[^\S\n]*table (ip|ip6|inet|arp|bridge|netdev) (\S+) \{", re.MULTILINE)
_BLOCK = re.compile(r"(chain|set|map|flowtable|ct helper|counter|quota) (\S+) \{$")
_HOOK = re.compile(r"type (\w+) hook (\w+)(?: device \S+)? priority (\w+|-?\d+)(?: ([+-]) (\d{1,6}))?; policy (\w+);")
_HANDLE = re.compile(r" # handle \d+$")
_PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}


@dataclass(frozen=True, slots=True)
class NftObject:
    """One listed object: table, chain, rule, set, map or element; its data as the JSON of nft holds them."""

    kind: str
    data: dict[str, Any]
    line: int


def parse_text(text: str) -> list[NftObject]:
    """Read a listing. Raises ParseError when it is not one or was cut."""
    if not TABLE.search(text):
        raise ParseError("this is no listing of nft")
    found: list[NftObject] = []
    table: dict[str, Any] = {}
    block: tuple[str, dict[str, Any]] | None = None
    for number, line in _logical(text):
        if match := TABLE.match(line):
            table = {"family": match[1], "name": match[2]}
            found.append(NftObject("table", table, number))
        elif not table:
            continue  # a warning, or what was typed
        elif block is None and (match := _BLOCK.match(line)):
            block = (match[1], {"family": table["family"], "table": table["name"], "name": match[2].strip('"')})
            found.append(NftObject(match[1], block[1], number))
        elif line == "}":
            table, block = (table, None) if block else ({}, None)
        elif block and block[0] == "chain":
            found += _chain_line(block[1], number, line)
        elif block:
            _set_line(block[1], line)
    if table:
        raise ParseError("the listing of nft ends before its table does", Reason.TRUNCATED)
    return found


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Lines without blanks around them; a list in braces that goes on over lines is one."""
    held, begin = "", 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = _HANDLE.sub("", raw.strip())
        if held:
            held += " " + line
        elif line and line[0] != "#":
            held, begin = line, number
        if held and (held.count("{") == held.count("}") or re.fullmatch(r"[^={]*\{", held) or held == "}"):
            yield begin, held
            held = ""
    if held:
        yield begin, held


def _chain_line(chain: dict[str, Any], number: int, line: str) -> list[NftObject]:
    if match := _HOOK.match(line):
        priority = _PRIORITIES.get(match[3])
        base = priority if priority is not None else int(match[3]) if re.fullmatch(r"-?\d{1,9}", match[3]) else 0
        base += (1 if match[4] == "+" else -1) * int(match[5] or 0)
        chain |= {"type": match[1], "hook": match[2], "prio": base, "policy": match[6]}
        return []
    if re.match(r'comment "[^"]*"$|policy \w+;?$', line):
        return []
    where = {"family": chain["family"], "table": chain["table"], "chain": chain["name"]}
    return [NftObject("rule", {**where, "expr": rule(line)}, number)]


def _set_line(data: dict[str, Any], line: str) -> None:
    if match := re.match(r"type ([^:]+?)(?: : (\w+))?$", line):
        data["type"] = match[1].split(" . ")
        if match[2]:
            data["map"] = match[2]
    elif match := re.match(r"elements = \{(.*)\}$", line):
        data["elem"] = elements(match[1])
    elif line.startswith("flags "):
        data["flags"] = line.removeprefix("flags ").split(",")
