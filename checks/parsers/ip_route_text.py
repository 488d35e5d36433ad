"""Lines of ``ip route`` as the objects that ``ip -j route`` would print: one shape for both, read by ``checks.parsers.ip_route``.

iproute2 4.11 (CentOS 7) has no JSON and puts blanks in other places than later versions; ``-o`` joins the lines of a route with a
backslash; busybox prints no protocol and no nexthops of a multipath route. Words that are not known are kept under ``extra``.

>>> read_lines([(7, "unreachable default dev lo  table unspec  proto kernel  metric 7  error -9")])
[(7, {'type': 'unreachable', 'dst': 'default', 'dev': 'lo', 'table': 'unspec', 'protocol': 'kernel', 'metric': 7, 'error': '-9'})]
>>> joined = "10.7.0.0/16 \\\\\\tnexthop via 192.0.2.1  dev eth0 weight 3 onlink\\\\\\tnexthop dev eth1 weight 1"
>>> read_lines([(1, joined)])[0][1]["nexthops"]
[{'gateway': '192.0.2.1', 'dev': 'eth0', 'weight': 3, 'flags': ['onlink']}, {'dev': 'eth1', 'weight': 1}]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from checks.errors import ParseError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TYPES = _words("unicast local broadcast multicast anycast blackhole unreachable prohibit throw nat none xresolve")
_FLAGS = _words(
    "onlink linkdown dead pervasive offload notify trap rt_trap rt_offload offload_failed rt_offload_failed unresolved"
)
_METRICS = _words(
    "mtu advmss hoplimit window rtt rttvar rto_min ssthresh cwnd initcwnd initrwnd reordering features quickack congctl"
    " fastopen_no_cookie"
)
_PLAIN = _words("dev scope table tos metric weight nhid pref expires from error iif oif uid mark users used age")
_RENAMED = {"proto": "protocol", "src": "prefsrc", "dsfield": "tos", "realms": "flow", "realm": "flow"}
_AFTER_ENCAP = _words("via dev table proto scope metric nhid")
_NUMBERS = frozenset({"metric", "weight", "nhid"})
_TARGET = re.compile(r"^(default|[0-9a-fA-F.:]+(/\d{1,3})?)$")
_OTHER_TOOLS = (
    ("Kernel IPv6 routing table", "route -6 -n"),
    ("Routing tables", "netstat -rn"),
)


def read_lines(lines: list[tuple[int, str]]) -> list[tuple[int, dict[str, Any]]]:
    """One object per route, with the number of its first line. Raises ParseError for a line that is not of ``ip route``."""
    found: list[tuple[int, dict[str, Any]]] = []
    for number, text in lines:
        for part in text.split("\\"):
            words = part.split()
            if not words:
                continue
            if words[0] == "nexthop" and found:
                found[-1][1].setdefault("nexthops", []).append(_read_words(iter(words[1:])))
            elif words[0] == "cache" and found:
                found[-1][1]["cache"] = " ".join(words[1:])
            else:
                found.append((number, _read_route(number, words)))
    return found


def _read_route(number: int, words: list[str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    rest = iter(words)
    word = next(rest)
    if word in TYPES:
        data["type"] = word
        word = next(rest, "")
    if not _TARGET.match(word):
        line = " ".join(words)
        tool = next((tool for start, tool in _OTHER_TOOLS if line.startswith(start)), "")
        hint = f"this is the output of {tool}; run ip route show table all" if tool else f"not a route: {line[:80]!r}"
        raise ParseError(f"line {number}: {hint}", line=number)
    data["dst"] = word
    data.update(_read_words(rest))
    return data


def _read_words(words: Iterator[str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    in_encap = False  # a tunnel's own src, dst and tos stand between "encap" and the way out
    for word in words:
        in_encap = word == "encap" or (in_encap and word not in _AFTER_ENCAP)
        if in_encap:
            data.setdefault("encap", []).append(word)
        elif word in _FLAGS:
            data.setdefault("flags", []).append(word)
        elif word in _METRICS:
            _read_metric(data, word, words)
        elif word == "via":
            _read_via(data, words)
        elif word in _PLAIN or word in _RENAMED:
            data[_RENAMED.get(word, word)] = _value(word, next(words, ""))
        else:
            data.setdefault("extra", []).append(word)
    return data


def _read_metric(data: dict[str, Any], name: str, words: Iterator[str]) -> None:
    value = next(words, "")
    metrics = data.setdefault("metrics", [{}])[0]
    if value == "lock":
        metrics[name + "_lock"] = True
        value = next(words, "")
    metrics[name] = int(value) if re.fullmatch(r"\d{1,9}", value, re.ASCII) else value


def _read_via(data: dict[str, Any], words: Iterator[str]) -> None:
    value = next(words, "")
    if value in ("inet", "inet6"):
        data["via"] = {"family": value, "host": next(words, "")}
    else:
        data["gateway"] = value


def _value(word: str, value: str) -> str | int:
    return int(value) if word in _NUMBERS and re.fullmatch(r"-?\d+", value, re.ASCII) else value
