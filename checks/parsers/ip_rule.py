"""Policy rules, from ``ip -j rule`` or the text of iproute2 and busybox.

busybox prints neither ``not``, ``goto``, ``l3mdev`` nor ports, so a busybox dump of more than the plain rules cannot be believed
(``Rules.complete``). A selector that is not known is kept in ``unread``: whether such a rule matches cannot be told.

>>> rules = parse_rules('''0:\\tfrom all lookup local
... 100:\\tnot from 10.1.0.0/24 fwmark 0x10/0xff lookup 100 suppress_prefixlength 0
... 32766:\\tfrom all lookup main
... ''').rules
>>> [(rule.priority, rule.invert, rule.mark, rule.mask, rule.table, rule.line) for rule in rules]
[(0, False, 0, 0, 'local', 1), (100, True, 16, 255, '100', 2), (32766, False, 0, 0, 'main', 3)]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from checks.errors import ParseError
from checks.parsers.ip_output import built, guarded, read_output
from checks.parsers.ip_prefix import Prefix
from checks.parsers.ip_route import table_name

_ACTIONS = frozenset({"blackhole", "unreachable", "prohibit", "nop"})
_RANGES = {"sport": "sport", "dport": "dport", "uidrange": "uid"}
_VALUES = frozenset({"from", "to", "tos", "dsfield", "fwmark", "iif", "oif", "ipproto", "lookup", "table", "realms", "proto"})
_NUMBERS = {"suppress_prefixlength": "suppress_prefixlen", "suppress_ifgroup": "suppress_ifgroup", "goto": "goto"}
_HARMLESS = frozenset({"protocol", "flow_to", "flow_from", "realms", "flow", "priority", "not", "unresolved", "detached"})
_READ = _HARMLESS.union(
    ("src", "srclen", "dst", "dstlen", "tos", "dsfield", "fwmark", "fwmask", "iif", "iif_detached", "oif", "oif_detached"),
    ("ipproto", "ip_proto", "sport", "sport_start", "sport_end", "dport", "dport_start", "dport_end", "uid_start", "uid_end"),
    ("table", "l3mdev", "suppress_prefixlen", "suppress_ifgroup", "goto", "action", "nop"),
)

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy rule. ``action`` is lookup, goto, nop or the error it gives; ``unread`` holds selectors that are not known."""

    family: int
    priority: int
    src: Prefix
    dst: Prefix
    invert: bool = False
    iif: str = ""
    oif: str = ""
    mark: int = 0
    mask: int = 0
    tos: int = 0
    ipproto: str = ""
    sport: Range | None = None
    dport: Range | None = None
    uid: Range | None = None
    action: str = "lookup"
    table: str = ""
    goto: int | None = None
    l3mdev: bool = False
    suppress_prefixlen: int | None = None
    suppress_group: str = ""
    unread: tuple[str, ...] = ()
    line: int = 0

    @property
    def is_selective(self) -> bool:
        """True when not every packet matches."""
        return bool(self.invert or self.src.length or self.dst.length or self.iif or self.oif or self.mask or self.tos
                    or self.ipproto or self.sport or self.dport or self.uid or self.l3mdev or self.unread)  # fmt: skip


@dataclass(frozen=True)
class Rules:
    """The rules of one family in the order they are tried. ``complete`` is False when the tool leaves parts of a rule out."""

    tool: str
    framed: bool
    rules: tuple[Rule, ...]

    @property
    def complete(self) -> bool:
        """False for a busybox dump that holds more than plain lookups of the three usual tables."""
        return self.tool != "busybox" or all(
            rule.table in ("local", "main", "default") and not rule.is_selective for rule in self.rules
        )


@guarded
def parse_rules(text: str, family: int = 4) -> Rules:
    """All rules of one family. Raises ParseError when the text was cut or is not what ``ip rule`` prints."""
    output = read_output(text)
    if output.tool == "json":
        rules = [built(element.line, _from_json, element.data, family) for element in output.elements]
    elif output.tool == "procfs":
        raise ParseError("policy rules need the ip command: /proc does not show them")
    else:
        rules = [
            built(number, lambda at, text: _from_json(at, _read_line(at, text), family), line) for number, line in output.lines
        ]
    first = [rule for rule in rules if rule.table == "local" and not rule.is_selective]
    if len({rule.priority for rule in first}) < len(first):
        say = f"line {first[1].line} begins another list: give the rules of IPv4 (rule4) and of IPv6 (rule6) apart"
        raise ParseError(say, line=first[1].line)
    return Rules(output.tool, output.framed, tuple(sorted(rules, key=lambda rule: rule.priority)))


def plain_rules(family: int) -> Rules:
    """The three rules (two for IPv6) of a host where nobody made any."""
    everything = Prefix(family, 0, 0)
    tables = {0: "local", 32766: "main", 32767: "default"} if family == 4 else {0: "local", 32766: "main"}
    rules = tuple(Rule(family, priority, everything, everything, table=table) for priority, table in tables.items())
    return Rules("assumed", framed=True, rules=rules)


def _from_json(line: int, data: dict[str, Any], family: int) -> Rule:
    if "priority" not in data or not ("src" in data or "table" in data):
        raise ParseError(f"line {line} is not a policy rule", line=line)
    mark = int(str(data.get("fwmark", 0)), 0)
    action = "goto" if "goto" in data else "nop" if "nop" in data else str(data.get("action", "lookup"))
    tos, unread = _tos(data.get("tos", data.get("dsfield", 0)))
    return Rule(
        family=family,
        priority=int(data["priority"]),
        src=_prefix(data, "src", family),
        dst=_prefix(data, "dst", family),
        invert="not" in data,
        iif=str(data.get("iif", "")),
        oif=str(data.get("oif", "")),
        mark=mark,
        mask=int(str(data.get("fwmask", 0xFFFFFFFF if mark else 0)), 0),
        tos=tos,
        ipproto=str(data.get("ipproto", data.get("ip_proto", ""))),
        sport=_range(data, "sport"),
        dport=_range(data, "dport"),
        uid=_range(data, "uid"),
        action=action if action != "to_tbl" else "lookup",
        table=table_name(str(data.get("table", ""))),
        goto=int(data["goto"]) if str(data.get("goto", "none")).isdigit() else None,
        l3mdev="l3mdev" in data,
        suppress_prefixlen=int(data["suppress_prefixlen"]) if "suppress_prefixlen" in data else None,
        suppress_group=str(data.get("suppress_ifgroup", "")),
        unread=(*unread, *(key for key in data if key not in _READ)),
        line=line,
    )


def _prefix(data: dict[str, Any], key: str, family: int) -> Prefix:
    return Prefix.parse(str(data.get(key, "all")), family, data.get(key + "len"))


def _range(data: dict[str, Any], key: str) -> Range | None:
    if key in data:
        return int(data[key]), int(data[key])
    return (int(data[key + "_start"]), int(data[key + "_end"])) if key + "_start" in data else None


def _tos(value: Any) -> tuple[int, tuple[str, ...]]:
    """A TOS value is hexadecimal in iproute2, decimal in busybox, and may be a name from rt_dsfield that only the host knows."""
    text = str(value)
    known = re.fullmatch(r"0x[0-9a-fA-F]+|\d+", text, re.ASCII)
    return (int(text, 0), ()) if known else (0, (f"tos {text}",))


def _read_line(number: int, line: str) -> dict[str, Any]:
    """One line of text as the object that ``ip -j rule`` would print."""
    match = re.match(r"^(\d+):\s+(.*)$", line)
    if not match:
        raise ParseError(f"line {number} is not a policy rule: {line[:80]!r}", line=number)
    data: dict[str, Any] = {"priority": int(match[1])}
    words = iter(match[2].split())
    for word in words:
        if word in _VALUES:
            _read_value(data, word, next(words, ""))
        elif word in _RANGES:
            low, _, high = next(words, "").partition("-")
            data |= {_RANGES[word] + "_start": int(low), _RANGES[word] + "_end": int(high or low)}
        elif word in _NUMBERS:
            data[_NUMBERS[word]] = next(words, "")
        elif word in _ACTIONS:
            data["action"] = word
        elif word == "not" or word.startswith("["):
            data[word.strip("[]")] = None
        else:
            data[word] = None
    return data


def _read_value(data: dict[str, Any], word: str, value: str) -> None:
    if word == "fwmark":
        mark, slash, mask = value.partition("/")
        data["fwmark"] = mark
        if slash:
            data["fwmask"] = mask
    elif word in ("lookup", "table"):
        data |= {"l3mdev": None} if value == "[l3mdev-table]" else {"table": value}
    else:
        data[{"from": "src", "to": "dst", "proto": "protocol"}.get(word, word)] = value
