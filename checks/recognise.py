"""Which probes can read which part of a text that came without names.

A part is known by its collector's ``looks_like``, or, for collectors that show files, by the name of the file above it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from checks.catalog import catalog
from checks.collectors.base import Collector
from checks.commands import sections as sections_of
from checks.errors import CheckError
from checks.passages import passages, without_farewell
from checks.pasted import Block, encode, file_by_form, joined, split
from checks.pasted_routes import route_dumps, with_end
from checks.probes.base import Probe
from checks.results import Section
from checks.shown_files import file_of, shows_files, tables, whole_file, wrap

_LETTER = 2 << 20
"""So long may a text be in which a person speaks between the outputs."""
_ROUTES = ("route4", "route6")
_JOINED = re.compile(r"ip6?tables-(?:\w+-)?save$|ip_vs$|conntrack_udp$|ipsets$|kp$")


@dataclass(frozen=True)
class Match:
    """A probe's section that lines ``first`` to ``last`` of a text can be read as."""

    probe: str
    section: str
    first: int
    last: int
    host: str = ""

    @property
    def place(self) -> str:
        """The lines, and the host whose prompt stood above them."""
        return f"lines {self.first}-{self.last}" + (f" of {self.host}" if self.host else "")


def recognise(text: str) -> list[Match]:
    """What in ``text`` can be read, and by which probes. Nothing for prose, code, logs and binary data."""
    probes = catalog().values()
    blocks = opened(split(text), [collector for probe in probes for collector in probe.collectors])
    return [
        Match(probe.id, collector.name, block.first, block.last, block.host)
        for probe in probes
        for block in blocks
        for collector in (*_readers(probe, block), *(one for one in probe.collectors if also_reads(one, block)))
    ]


_WRITTEN = re.compile(
    r"^(?:%(?:prep|install|files|description|changelog)\b|Executing\(%\w+\): |Processing files: |RPM build errors:"
    r"|(?:http|server|events|stream) *\{)",
    re.MULTILINE,
)
"""A spec, the log of a build and a configuration hold sentences of their own."""


def opened(blocks: Iterable[Block], collectors: Collection[Collector]) -> list[Block]:
    """The blocks, those taken apart that hold several outputs, or sentences besides one, of which a collector's part is known."""
    found: list[Block] = []
    for block in blocks:
        one_command = (block.command or block.path) and not re.search(r";|&&", block.command)
        one_command = one_command or block.text.startswith(("== /", "!! /"))  # files under their names
        written = bool(_WRITTEN.search(block.text))
        parts = [] if one_command or written or len(block.text) > _LETTER else passages(block)
        apart = [part.text.strip() for part in parts] != [block.text.strip()] and any(
            reads(collector, part) or also_reads(collector, part) for part in parts for collector in collectors
        )
        found += parts if apart else [block if written else without_farewell(block)]
    return found


def reads(collector: Collector, block: Block) -> bool:
    """True when the block looks like the output of that collector, or shows one of its files."""
    if block.path and (file_of(collector, block.path) or whole_file(collector, block.path) or block.path in tables(collector)):
        return True
    return _is_like(collector, block)


def _is_like(collector: Collector, block: Block) -> bool:
    return bool(collector.looks_like and _looks(collector.looks_like).search(block.start))


def also_reads(collector: Collector, block: Block) -> bool:
    """True for another collector's output that holds what this one shows too: ``ip addr`` lists the devices as well."""
    return bool(collector.also_like and _looks(collector.also_like).search(block.start))


def _reads_text(collector: Collector, block: Block) -> bool:
    return _is_like(collector, block) or also_reads(collector, block)


def _needs_path(collector: Collector, block: Block) -> bool:
    """True when it matters which of many files of one name the block shows."""
    return bool(collector.shows and block.path and file_of(collector, block.path))


def _readers(probe: Probe, block: Block) -> list[Collector]:
    found = [collector for collector in probe.collectors if reads(collector, block)]
    named = sections_of(block.command) if block.command else ()
    if not found and named and block.sure:
        tool = re.sub(r"^(?:sudo\s+)?(?:/\S*/)?", "", block.command).split(None, 1)[0]
        found = [collector for collector in probe.collectors if collector.name in named and tool in collector.script]
    elif named and found:
        found = _of_family(probe, found, named)
    return sorted(found, key=lambda collector: _closeness(collector, block), reverse=True)


def _of_family(probe: Probe, found: list[Collector], named: Collection[str]) -> list[Collector]:
    """What ``ip -6 rule`` printed is never the IPv4 rules, although it looks like them: the typed command tells the family."""
    families = {name[:-1]: name[-1] for name in named if name.endswith(("4", "6"))}
    ours = [one for one in found if one.name[-1] not in "46" or families.get(one.name[:-1], one.name[-1]) == one.name[-1]]
    return ours or [collector for collector in probe.collectors if collector.name in named]


def _closeness(collector: Collector, block: Block) -> tuple[int, int]:
    """Of two collectors that can read a block, the one whose command was typed; else the one with the more particular look."""
    typed = set(re.findall(r"[\w-]{2,}", block.command))
    known = set(re.findall(r"[\w-]{2,}", f"{collector.title} {collector.script}"))
    return len(typed & known) - len(typed - known), len(collector.looks_like)


def assign(probe: Probe, blocks: Iterable[Block], taken: Collection[str] = ()) -> list[tuple[Section, Sequence[Block]]]:
    """The probe's sections from the blocks it can read, each with its blocks, but for those ``taken`` already.

    Raises CheckError when two different blocks claim one section that the probe needs; one it can do without is left out.
    """
    claims = claimed(probe, blocks, taken)
    return [named for collector in probe.collectors for named in _named(collector, claims.get(collector.name, []), taken)]


def claimed(probe: Probe, blocks: Iterable[Block], taken: Collection[str] = ()) -> dict[str, list[Block]]:
    """For each collector's name the blocks that are its output, in the order given."""
    blocks = list(blocks)
    claims: dict[str, list[int]] = {}
    waiting = [(number, [one for one in _readers(probe, block) if _free(one, taken)]) for number, block in enumerate(blocks)]
    # A block that only one collector can read goes first, so that the others get what is left.
    for number, readers in sorted(waiting, key=lambda entry: len(entry[1])):
        if readers:
            free = [collector for collector in readers if collector.name not in claims]
            claims.setdefault((free or readers)[0].name, []).append(number)
    for collector in probe.collectors:  # a second answer to the same question is the one asked for again
        again = f"{collector.name}_again"
        if len(claims.get(collector.name, ())) == 2 and again in probe.section_names() and again not in (*claims, *taken):
            claims[again] = [max(claims[collector.name])]
            claims[collector.name].remove(claims[again][0])
    for collector in probe.collectors:
        also = [number for number, block in enumerate(blocks) if also_reads(collector, block)]
        if len(also) == 1 and collector.name not in (*claims, *taken):
            claims[collector.name] = also
    return {name: [blocks[number] for number in sorted(numbers)] for name, numbers in claims.items()}


def _free(collector: Collector, taken: Collection[str]) -> list[str]:
    names = [f"{collector.name}_a", f"{collector.name}_b"] if collector.sampled else [collector.name]
    return [name for name in names if name not in taken]


def _named(collector: Collector, blocks: Sequence[Block], taken: Collection[str]) -> list[tuple[Section, Sequence[Block]]]:
    if not blocks:
        return []
    if _JOINED.match(collector.name) and len({block.host for block in blocks if block.host}) < 2:
        texts = [joined(blocks)]
    elif collector.name in _ROUTES and not any(block.path for block in blocks):
        texts = route_dumps(collector.name, blocks)
    elif len(blocks) == 1 and not _needs_path(collector, blocks[0]) and _reads_text(collector, blocks[0]):
        texts = [with_end(collector.name, blocks[0])]  # the probe reads it without the path too
    elif shows_files(collector) and any(block.path for block in blocks) and not collector.sampled:
        texts = [wrap([(_path(collector, block), block.text) for block in blocks])]
    elif shows_files(collector) and any(block.path for block in blocks):
        texts = [wrap([(_path(collector, block), block.text) for block in sample]) for sample in _samples(collector, blocks)]
    else:
        texts = [with_end(collector.name, block) for block in blocks]
        texts = texts if collector.sampled else list(dict.fromkeys(texts))
    names = _free(collector, taken)
    if len(texts) > len(names) and collector.optional and not collector.sampled and not _JOINED.match(collector.name):
        return []  # the probe can do without it; ``rivals`` tells
    if len(texts) > len(names):
        raise CheckError(rivals(collector, blocks))
    sections = [Section(name, encode(text), command=collector.title) for name, text in zip(names, texts, strict=False)]
    return list(zip(sections, _shares(collector, blocks, len(texts)), strict=True))


def rivals(collector: Collector, blocks: Sequence[Block]) -> str:
    """What to say of outputs that all claim one section."""
    places = " and ".join(_place(block) for block in blocks[:4])
    return f"{places} can all be read as {collector.name}: keep the one that counts, or name it: -i {collector.name}=FILE"


def _shares(collector: Collector, blocks: Sequence[Block], count: int) -> list[Sequence[Block]]:
    """The blocks of each of so many sections."""
    if count == 1:
        return [blocks]
    return [[block] for block in blocks] if count == len(blocks) else list(_samples(collector, blocks))


def _path(collector: Collector, block: Block) -> str:
    return file_of(collector, block.path) or block.path or file_by_form(block.text)


def _samples(collector: Collector, blocks: Sequence[Block]) -> list[list[Block]]:
    """The files of each sample: the second one begins where a file comes again."""
    samples: list[list[Block]] = [[]]
    for block in blocks:
        if _path(collector, block) in (_path(collector, known) for known in samples[-1]):
            samples.append([])
        samples[-1].append(block)
    return samples


def _place(block: Block) -> str:
    lines = f"lines {block.first}-{block.last}"
    return lines + (f" of {block.source}" if block.source else "") + (f" ({block.host})" if block.host else "")


@cache
def _looks(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)
