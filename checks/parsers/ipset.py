"""Sets of addresses that rules match: ``ipset save`` and ``ipset list``.

>>> found = parse_ipset('''create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536
... add KUBE-CLUSTER-IP 10.96.0.1,tcp:443
... create pods hash:net family inet hashsize 1024 maxelem 1048576
... add pods 10.244.0.0/16
... add pods 10.244.9.0/24 nomatch
... == end
... ''')
>>> pods = found["pods"]
>>> pods.kinds, pods.wide, pods.whole, found["KUBE-CLUSTER-IP"].single
(('net',), [('10.244.0.0/16',)], True, {('10.96.0.1', 'tcp:443')})
>>> pods.excluded
[('10.244.9.0/24',)]
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.results import Reason

_CREATE = re.compile(r"create (\S+) (?:hash|bitmap|list):(\S+)")
_ADD = re.compile(r"add (\S+) (\S+)(.*)$")
_FIELD = re.compile(r"(Name|Type|Number of entries): (?:(?:hash|bitmap|list):)?(\S+)$")
_WIDE = re.compile(r"[/-]|^\d+$")
_END = re.compile(r"== end$|# End of: [^|]*$")


@dataclass(slots=True)
class AddressSet:
    """One set. Each entry has a part for each of ``kinds``: ``single`` ones stand for one value, ``wide`` ones for many.

    Those ``excluded`` are not in it although a wider entry holds them. ``whole`` is False when more entries may follow: then what
    is not there proves nothing.
    """

    name: str
    kinds: tuple[str, ...]
    line: int
    single: set[tuple[str, ...]] = field(default_factory=set)
    wide: list[tuple[str, ...]] = field(default_factory=list)
    excluded: list[tuple[str, ...]] = field(default_factory=list)
    whole: bool = False
    count: int | None = None

    def add(self, entry: str, words: str) -> None:
        """One more entry, with the words behind it."""
        parts = tuple(entry.split(","))
        if re.search(r"\bnomatch\b", words):
            self.excluded.append(parts)
        elif len(parts) == len(self.kinds) and not any(_WIDE.search(part) for part in parts):
            self.single.add(parts)
        else:
            self.wide.append(parts)

    def close(self) -> None:
        """Something else follows: the set has all the entries that it should have."""
        self.whole = self.count in (None, len(self.single) + len(self.wide) + len(self.excluded))


def parse_ipset(text: str) -> dict[str, AddressSet]:
    """The sets by name. A last line without its end is left out; raises ParseError for what is no list of sets."""
    found: dict[str, AddressSet] = {}
    last: AddressSet | None = None
    members = False
    lines = [line.strip() for line in text.split("\n")]
    lines.pop()
    for number, line in enumerate(lines, 1):
        match = _CREATE.match(line) or _FIELD.match(line)
        if match and match[1] not in ("Type", "Number of entries"):
            if last:
                last.close()
            name, kinds = (match[1], match[2]) if match.re is _CREATE else (match[2], "")
            members = False
            last = found[name] = AddressSet(name, tuple(kinds.split(",")), number)
        elif match and last:
            _describe(last, match)
        elif (match := _ADD.match(line)) and match[1] in found:
            found[match[1]].add(match[2], match[3])
        elif _END.match(line) and last:
            last.close()
        elif line == "Members:":
            members = True
        elif last and members and line and line[0] != "#":
            entry, _, words = line.partition(" ")
            last.add(entry, words)
    if not found and not any(map(_END.match, lines)):
        raise ParseError("this is no list of sets of ipset", Reason.UNPARSED if lines else Reason.TRUNCATED)
    if last and last.count is not None and not last.whole:
        last.close()
    return found


def _describe(last: AddressSet, match: re.Match[str]) -> None:
    if match[1] == "Type":
        last.kinds = tuple(match[2].split(","))
    elif match[2].isascii() and match[2].isdigit() and len(match[2]) < 10:
        last.count = int(match[2])
