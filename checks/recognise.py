"""Which probes can read which part of a text that came without names.

A part is known by its collector's ``looks_like``, or, for collectors that show files, by the name of the file above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from checks.catalog import catalog
from checks.collectors.base import Collector
from checks.errors import CheckError
from checks.pasted import Block, encode, split
from checks.probes.base import Probe
from checks.results import Section

LOOKED_AT = 64 << 10
"""How many characters of a part are looked at: its form shows early, and patterns may look ahead to the end."""


@dataclass(frozen=True)
class Match:
    """A probe's section that lines ``first`` to ``last`` of a text can be read as."""

    probe: str
    section: str
    first: int
    last: int
    host: str = ""


def recognise(text: str) -> list[Match]:
    """What in ``text`` can be read, and by which probes. Nothing for prose, code, logs and binary data."""
    blocks = split(text)
    return [
        Match(probe.id, collector.name, block.first, block.last, block.host)
        for probe in catalog().values()
        for block in blocks
        for collector in _readers(probe, block)
    ]


def reads(collector: Collector, block: Block) -> bool:
    """True when the block looks like the output of that collector, or shows one of its files."""
    if block.path and file_of(collector, block.path):
        return True
    return bool(collector.looks_like and _looks(collector.looks_like).search(block.text, 0, LOOKED_AT))


def _readers(probe: Probe, block: Block) -> list[Collector]:
    found = [collector for collector in probe.collectors if reads(collector, block)]
    return sorted(found, key=lambda collector: _closeness(collector, block), reverse=True)


def _closeness(collector: Collector, block: Block) -> tuple[int, int]:
    """Of two collectors that can read a block, the one whose command was typed; else the one with the more particular look."""
    typed = set(re.findall(r"[\w-]{2,}", block.command))
    known = set(re.findall(r"[\w-]{2,}", f"{collector.title} {collector.script}"))
    return len(typed & known) - len(typed - known), len(collector.looks_like)


def assign(probe: Probe, blocks: Iterable[Block]) -> tuple[Section, ...]:
    """The probe's sections from the blocks it can read. Raises CheckError when two different blocks claim one section."""
    claims: dict[str, list[Block]] = {}
    waiting = [(block, _readers(probe, block)) for block in blocks]
    # A block that only one collector can read goes first, so that the others get what is left.
    for block, readers in sorted(waiting, key=lambda entry: len(entry[1])):
        if readers:
            free = [collector for collector in readers if collector.name not in claims]
            claims.setdefault((free or readers)[0].name, []).append(block)
    sections: list[Section] = []
    for collector in probe.collectors:
        claimed = sorted(claims.get(collector.name, ()), key=lambda block: block.first)
        sections += _named(collector, claimed) if claimed else []
    return tuple(sections)


def _named(collector: Collector, blocks: Sequence[Block]) -> list[Section]:
    if shows_files(collector) and any(block.path for block in blocks):
        texts = [wrap([(file_of(collector, block.path) or block.path, block.text) for block in blocks])]
    else:
        texts = list(dict.fromkeys(block.text for block in blocks)) if not collector.sampled else [b.text for b in blocks]
    names = [f"{collector.name}_a", f"{collector.name}_b"] if collector.sampled else [collector.name]
    if len(texts) > len(names):
        lines = " and ".join(f"{block.first}-{block.last}" + (f" of {block.host}" if block.host else "") for block in blocks[:4])
        say = (
            f"the lines {lines} can all be read as {collector.name}: keep the one that counts, or name it with -i {names[0]}=FILE"
        )
        raise CheckError(say)
    return [Section(name, encode(text), command=collector.title) for name, text in zip(names, texts, strict=False)]


def shows_files(collector: Collector) -> bool:
    """True when the collector prints files under ``== PATH`` lines."""
    return bool(file_patterns(collector))


@cache
def file_patterns(collector: Collector) -> tuple[str, ...]:
    """The paths that the collector shows; what is only known on the host (a variable) is a ``*``."""
    said = re.findall(r"\w*files((?:\\\n|[^;\n&|])*)", collector.script)
    headed = re.findall(r"'== (/[^\s'\\]+)\\n", collector.script)
    words = [re.sub(r"\$\{[^}]*\}|\$\w+", "*", word.strip("\"'")) for text in said for word in text.split()] + headed
    return tuple(dict.fromkeys(word for word in words if re.fullmatch(r"[*/][\w.*/@:+-]*/[\w.*@:+-]+", word)))


def file_of(collector: Collector, path: str) -> str:
    """The path under which the collector would show this file, also from a copied tree or by its bare name; else empty."""
    for pattern in file_patterns(collector):
        for tail in _tails(path):
            if fnmatchcase(tail, pattern):
                return tail
    names = [pattern for pattern in file_patterns(collector) if pattern.rpartition("/")[2] == path.rpartition("/")[2]]
    return names[0].replace("*", "") if len(names) == 1 and "/" not in path.strip("/") else ""


def _tails(path: str) -> list[str]:
    """The path itself and what is left of it from each of its roots: /tmp/report/proc/uptime is /proc/uptime in a copied tree."""
    roots = [
        match.start() for match in re.finditer(r"/(?=(?:proc|sys|etc|run|usr|var|lib|boot|opt|root)/)", "/" + path.lstrip("./"))
    ]
    whole = "/" + path.lstrip("./")
    return [path, *(whole[start:] for start in roots)]


def wrap(files: Iterable[tuple[str, str]]) -> str:
    """Raw files in the form that the collectors' ``files`` word prints. A file whose last line has no end may have been cut:
    it comes last, and nothing says that it is whole."""
    ordered = sorted(files, key=lambda file: bool(file[1]) and not file[1].endswith("\n"))
    text = ""
    for path, body in ordered:
        text += f"== {path}\n{body}"
        if body and not body.endswith("\n"):
            return text
        text += "\n"
    return text + "== end\n"


@cache
def _looks(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)
