"""What ``nft -j`` lists: tables, chains, rules, sets and maps, each with the line it begins on.

>>> found = parse_nft('''{"nftables": [{"metainfo": {"version": "1.0.6"}},
... {"table": {"family": "ip", "name": "kube-proxy", "handle": 1}}]}
... ''')
>>> found.version, [(each.kind, each.data["name"], each.line) for each in found.objects]
('1.0.6', [('table', 'kube-proxy', 2)])
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.nft_listing import TABLE, NftObject, parse_text
from checks.results import Reason

_BEGIN = re.compile(r'(?:[^\S\n]*#[^\n]*\n|\s)*\{\s*"nftables"\s*:\s*\[')
_END = re.compile(r"\s*\]\s*\}\s*\Z")
_GAP = re.compile(r"[\s,]*")


@dataclass
class Listing:
    """All objects in order."""

    version: str = ""
    objects: list[NftObject] = field(default_factory=list)

    def of(self, kind: str) -> Iterator[NftObject]:
        """The objects of one kind."""
        return (each for each in self.objects if each.kind == kind)


def parse_table(text: str) -> Listing:
    """Read a table that is nft's own, from JSON or from text; those of iptables-nft lose too much in the text."""
    return Listing(objects=parse_text(text)) if TABLE.search(text) else parse_nft(text)


def parse_nft(text: str) -> Listing:
    """Read a listing. Raises ParseError when it is not one or was cut."""
    begin = _BEGIN.match(text)
    if begin is None:
        cut = not text.strip() or '{"nftables": ['.startswith(re.sub(r"\s+", " ", text.strip()))
        raise ParseError("this is not the JSON of nft", Reason.TRUNCATED if cut else Reason.UNPARSED)
    starts = [0] + [match.end() for match in re.finditer("\n", text)]
    decoder = json.JSONDecoder()
    found = Listing()
    position = begin.end()
    while True:
        position = _skip(text, position)
        if _END.match(text, position):
            return found
        line = bisect_right(starts, position)
        try:
            entry, position = decoder.raw_decode(text, position)
        except ValueError as error:
            raise ParseError(f"the JSON of nft ends in the middle of an object (line {line})", Reason.TRUNCATED) from error
        if not isinstance(entry, dict) or len(entry) != 1:
            raise ParseError(f"line {line} is no object of nft", line=line)
        ((kind, data),) = entry.items()
        if kind == "metainfo":
            found.version = str(data.get("version", ""))
        elif isinstance(data, dict):
            found.objects.append(NftObject(kind, data, line))


def _skip(text: str, position: int) -> int:
    match = _GAP.match(text, position)
    return match.end() if match else position
