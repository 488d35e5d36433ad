"""The words at the end of a row of ``iptables -nvL``, turned back into the options of ``iptables-save``.

Forms measured on iptables 1.8.9, legacy and nft; a word that is not known makes the row opaque.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from checks.parsers.iptables_rules import Match
from checks.parsers.iptables_values import mark

_PORTS = {"domain": "53", "http": "80", "https": "443", "ssh": "22", "http-alt": "8080", "webcache": "8080"}
_SHORT_PORT = {"dpt": "dport", "dpts": "dport", "spt": "sport", "spts": "sport"}


@dataclass
class Extras:
    """What the end of a row says."""

    matches: list[Match] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    goto: bool = False
    opaque: bool = False

    def add(self, option: str, value: str, module: str, negated: object = None) -> None:
        """One more condition."""
        self.matches.append(Match(option, value, bool(negated), module))


def _port(found: Extras, match: re.Match[str]) -> None:
    for name, negated, value in re.findall(r"(dpts?|spts?):(!?)(\S+)", match[2]):
        number = _PORTS.get(value, value)
        found.opaque = found.opaque or not re.fullmatch(r"[\d:]+", number)
        found.add(_SHORT_PORT[name], number, match[1], negated)
    for negated, mask, value in re.findall(r"flags:\s?(!?)(\S+?)/(\S+)", match[2]):
        if (mask, value) in (("0x17", "0x02"), ("FIN,SYN,RST,ACK", "SYN")):
            found.add("syn", "", match[1], negated)
        else:
            found.opaque = True


def _recent(found: Extras, match: re.Match[str]) -> None:
    words = {"CHECK": "rcheck", "SET": "set", "UPDATE": "update", "REMOVE": "remove"}
    found.add(words[match[2]], "", "recent", match[1])
    for word, option in (("seconds", "seconds"), ("hit_count", "hitcount"), ("name", "name"), ("mask", "mask")):
        if value := re.search(rf"{word}: (\S+)", match[3]):
            found.add(option, value[1], "recent")
    for flag in ("reap", "rttl"):
        if re.search(rf"\b{flag}\b", match[3]):
            found.add(flag, "", "recent")
    found.add("rdest" if "side: dest" in match[3] else "rsource", "", "recent")


def _mark(found: Extras, match: re.Match[str]) -> None:
    value = match[2]
    how = match[1]
    if how == "xset":
        text = value
    elif how == "set":
        text = f"{value}/0xffffffff"
    elif how == "and":
        text = f"0x0/{~(mark(value) or 0) & 0xFFFFFFFF:#x}"
    else:
        text = f"{value}/{value if how == 'or' else '0x0'}"
    found.options += ["--set-xmark", text]


def _addrtype(found: Extras, match: re.Match[str]) -> None:
    for negated, option, value in re.findall(r"(! )?(dst-type|src-type) (\S+)", match[0]):
        found.add(option, value, "addrtype", negated)


def _random(found: Extras, match: re.Match[str]) -> None:
    found.add("mode", "random", "statistic")
    found.add("probability", match[2], "statistic", match[1])


def _nth(found: Extras, match: re.Match[str]) -> None:
    found.add("mode", "nth", "statistic")
    found.add("every", match[2], "statistic", match[1])
    found.add("packet", match[3] or "0", "statistic")


def _goto(found: Extras, match: re.Match[str]) -> None:
    found.goto = True


def _plain(option: str, module: str) -> Callable[[Extras, re.Match[str]], None]:
    return lambda found, match: found.add(option, match[2], module, match[1])


def _option(name: str) -> Callable[[Extras, re.Match[str]], None]:
    return lambda found, match: found.options.extend([name, match[1]] if match.re.groups else [name])


_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[Extras, re.Match[str]], None]], ...] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (r"/\*()(.*?) ?\*/", lambda found, match: found.add("comment", match[2].removeprefix(" "), "comment")),
        (r"(tcp|udp|sctp|udplite|dccp) ((?:(?:dpts?|spts?):\S+|flags:\s?\S+)(?: (?:(?:dpts?|spts?):\S+|flags:\s?\S+))*)", _port),
        (r"(tcp|udp|sctp)(?= |$)", lambda found, match: None),
        (r"multiport dports\s+(!)?(\S+)", _plain("dports", "multiport")),
        (r"multiport sports\s+(!)?(\S+)", _plain("sports", "multiport")),
        (r"(! )?ctstate (\S+)", _plain("ctstate", "conntrack")),
        (r"(! )?state (\S+)", _plain("state", "state")),
        (r"mark match (! )?(\S+)", _plain("mark", "mark")),
        (r"connmark match\s+(! )?(\S+)", _plain("mark", "connmark")),
        (r"statistic mode random( !)? probability (\S+)", _random),
        (r"statistic mode nth( !)? every (\d+)(?: packet (\d+))?", _nth),
        (r"(! )?recent: (CHECK|SET|UPDATE|REMOVE) (.*?side: \w+(?: mask: \S+)?)", _recent),
        (r"ADDRTYPE match(?: (?:! )?(?:dst|src)-type \S+)+", _addrtype),
        (r"(! )?match-set (\S+ \S+)", _plain("match-set", "set")),
        (r"to:(\S+)", _option("--to-destination")),
        (r"MARK (or|xset|set|and|xor) (0x[0-9a-f]+(?:/0x[0-9a-f]+)?)", _mark),
        (r"reject-with (\S+)", _option("--reject-with")),
        (r"random-fully", _option("--random-fully")),
        (r"()nfacct-name +(\S+)", _plain("nfacct-name", "nfacct")),
        (r"\[goto\]", _goto),
    )
)


def extras(text: str) -> Extras:
    """Read the end of a row.

    >>> found = extras("/* default/web -> 10.244.1.5:80 */ statistic mode random probability 0.50000000000")
    >>> [(match.option, match.value) for match in found.matches]
    [('comment', 'default/web -> 10.244.1.5:80'), ('mode', 'random'), ('probability', '0.50000000000')]
    >>> extras("MARK or 0x4000").options, extras("limit: avg 5/min burst 5").opaque
    (['--set-xmark', '0x4000/0x4000'], True)
    """
    found = Extras()
    rest = text.strip()
    while rest:
        for pattern, read in _PATTERNS:
            if match := pattern.match(rest):
                read(found, match)
                rest = rest[match.end() :].strip()
                break
        else:
            word, _, rest = rest.partition(" ")
            found.add("unknown", word, "unknown")
            found.opaque = True
            rest = rest.strip()
    return found
