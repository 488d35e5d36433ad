"""Policy rules of other tools, and what is no rule."""

from __future__ import annotations

import pytest

from checks.errors import ParseError
from checks.parsers.ip_rule import parse_rules

WIREGUARD = (
    "0:\tfrom all lookup local \n"
    "32764:\tfrom all lookup main suppress_prefixlength 0 \n"
    "32765:\tnot from all fwmark 0xca6c lookup 51820 \n"
)


def test_it_reads_wireguards_rules() -> None:
    local, suppress, mark = parse_rules(WIREGUARD).rules
    assert (local.table, local.is_selective) == ("local", False)
    assert (suppress.suppress_prefixlen, suppress.table) == (0, "main")
    assert (mark.invert, mark.mark, mark.mask, mark.table, mark.line) == (True, 0xCA6C, 0xFFFFFFFF, "51820", 3)


@pytest.mark.parametrize(("line", "field", "value"), [
    ("9:\tfrom all fwmark 0x200/0xf00 lookup 2004", "mask", 0xF00),
    ("220:\tfrom all lookup 220", "table", "220"),
    ("100:\tfrom 192.0.2.7 lookup uplink realms 5", "unread", ()),
    ("100:\tfrom all iif lo [detached] lookup 100 proto kernel", "iif", "lo"),
    ("100:\tfrom all uidrange 0-99 lookup 100", "uid", (0, 99)),
    ("100:\tfrom all sport 53 lookup 100", "sport", (53, 53)),
    ("1000:\tfrom all lookup [l3mdev-table]", "l3mdev", True),
    ("300:\tfrom all goto 32766", "goto", 32766),
    ("300:\tfrom all goto 999 [unresolved]", "unread", ()),
    ("300:\tfrom all nop", "action", "nop"),
    ("300:\tfrom all unreachable", "action", "unreachable"),
    ("300:\tfrom all tun_id 7 lookup 100", "unread", ("tun_id", "7")),
    ("300:\tfrom all tos lowdelay lookup 100", "unread", ("tos lowdelay",)),
    ("300:\tfrom all suppress_ifgroup 5 lookup main", "suppress_group", "5"),
])  # fmt: skip
def test_it_reads_each_word(line: str, field: str, value: object) -> None:
    (rule,) = parse_rules(line + "\n").rules
    assert getattr(rule, field) == value


@pytest.mark.parametrize(("data", "field", "value"), [
    ('"src":"10.2.0.0","srclen":16,"table":"100"', "is_selective", True),
    ('"src":"all","fwmark":"0x10","table":"100"', "mask", 0xFFFFFFFF),
    ('"src":"all","l3mdev":null', "l3mdev", True),
    ('"src":"all","goto":500', "action", "goto"),
    ('"src":"all","goto":"none","unresolved":null', "goto", None),
    ('"src":"all","action":"to_tbl","table":"main"', "action", "lookup"),
    ('"src":"all","table":"main","protocol":"kernel"', "unread", ()),
    ('"src":"all","table":"main","flowlabel":"0x5"', "unread", ("flowlabel",)),
    ('"src":"all","dport_start":80,"dport_end":90,"table":"100"', "dport", (80, 90)),
])  # fmt: skip
def test_it_reads_each_key(data: str, field: str, value: object) -> None:
    (rule,) = parse_rules(f'[{{"priority":100,{data}}}]\n').rules
    assert getattr(rule, field) == value


def test_it_puts_the_rules_in_the_order_they_are_tried() -> None:
    text = "32766:\tfrom all lookup main\n0:\tfrom all lookup local\n100:\tfrom all lookup 7\n100:\tfrom all lookup 8\n"
    assert [rule.table for rule in parse_rules(text).rules] == ["local", "7", "8", "main"]


@pytest.mark.parametrize(
    "text", ["1: lo: <LOOPBACK,UP> mtu 65536\n", "hello\n", "0: from all fwmark x lookup 1\n", '[{"priority":"x","src":"all"}]\n']
)
def test_it_refuses_what_is_no_rule(text: str) -> None:
    with pytest.raises(ParseError):
        parse_rules(text)
