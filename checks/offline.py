"""Files and pastes given for one probe, without a host: which of its sections they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from checks import capture
from checks.collectors.base import Collector
from checks.commands import command_of, stem
from checks.errors import CheckError
from checks.outputs import named_file, outputs
from checks.params import Param
from checks.pasted import LOOKED_AT, Block, clean, decode, encode, split
from checks.probes.base import Probe
from checks.recognise import assign, claimed, reads, recognise, rivals
from checks.redact import redact
from checks.results import Section
from checks.shown_files import file_patterns, shows_files, wrap


@dataclass(frozen=True)
class Given:
    """One file as it was given: under the name of a section or none, with its own name and its bytes."""

    section: str
    name: str
    data: bytes


@dataclass(frozen=True)
class Gathered:
    """The sections found, the outputs that each is made of, the parameters of a capture, and notes about what was not used."""

    sections: tuple[Section, ...]
    origins: Mapping[str, Sequence[Block]] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def gather(probe: Probe, inputs: Sequence[Given]) -> Gathered:
    """The probe's sections, redacted. Raises CheckError for a section it does not have or a text that could be two things.

    A file given without a section is known by what it holds or by its name; one that is used for nothing is told in a note.
    """
    found: dict[str, Section] = {}
    params: dict[str, Any] = {}
    named: list[Given] = []
    loose: list[tuple[Given, list[Block]]] = []
    for given in inputs:
        if given.section:
            named.append(given)
        elif capture.holds_capture(text := decode(given.data)):
            wanted = _wanted(probe, capture.read(text))
            found |= {section.name: section for section in wanted.sections}
            params |= wanted.params
        elif section := _named_as(probe, given):
            named.append(replace(given, section=section))
        else:
            loose.append((given, [replace(block, source=given.name) for block in outputs(probe, given.name, text)]))
    by_name, origins = _named(probe, named)
    found |= by_name
    blocks = [block for _, parts in loose for block in parts]
    for made, sources in assign(probe, blocks, by_name):
        found[made.name], origins[made.name] = made, sources
    claims = claimed(probe, blocks, by_name)
    used = {id(block) for claim in claims.values() for block in claim}
    unused = [given for given, parts in loose if not any(id(block) in used for block in parts)]
    if len(inputs) == len(unused) == 1 and (alone := _only_required(probe)):
        text = clean(decode(inputs[0].data))
        found[alone.name] = Section(alone.name, encode(text), command=alone.title)
        origins[alone.name] = [Block(text, 1, text.count("\n"), source=inputs[0].name)]
        unused = []
    order = probe.section_names()
    sections = sorted((section for section in found.values() if section.name in order), key=lambda one: order.index(one.name))
    open_names = [name for name in order if name not in found] or list(order)
    notes = (*(_unused(probe, given, open_names) for given in unused), *_undecided(probe, claims, found))
    return Gathered(tuple(map(redact, sections)), origins, params, notes)


def _undecided(probe: Probe, claims: Mapping[str, Sequence[Block]], found: Mapping[str, Section]) -> list[str]:
    """Notes about outputs of which nobody said which one counts."""
    left = [one for one in probe.collectors if one.name in claims and not any(name in found for name in _names(one))]
    return [f"none of these was used: {rivals(collector, claims[collector.name])}" for collector in left]


def _unused(probe: Probe, given: Given, names: Sequence[str]) -> str:
    why = f"nothing in it looks like a section of {probe.id}" if given.data.strip() else "it is empty"
    if match := next(iter(recognise(clean(decode(given.data[:LOOKED_AT])))), None):
        why += f", but like {match.section} of {match.probe}"
    return f"{given.name} was not used: {why}; if it is one, name it: -i SECTION={given.name}, one of {', '.join(names)}"


def offline_params(probe: Probe) -> tuple[Param, ...]:
    """The probe's parameters where no command runs: a path that only says what to read is not required."""
    arguments = {name for collector in probe.collectors for name in collector.args}
    return tuple(
        replace(param, required=param.required and not (param.type == "path" and param.name in arguments))
        for param in probe.params
    )


def _wanted(probe: Probe, found: capture.Capture) -> capture.Wanted:
    for wanted in found.wanted:
        if wanted.probe == probe.id:
            return wanted
    raise CheckError(f"that capture was not made for {probe.id}; it holds {', '.join(wanted.probe for wanted in found.wanted)}")


def _named_as(probe: Probe, given: Given) -> str:
    """The section that the file is named after, unless it holds several outputs.

    iptables-save is a command and a section; whether its output is that section, its first line says.
    """
    known = {name: collector for collector in probe.collectors for name in _names(collector)}
    section = next((name for name in _spellings(given.name) if name in known), "")
    if not section:
        return ""
    blocks = split(clean(decode(given.data)))
    if len(blocks) > 1 or (blocks and command_of(section) and claimed(probe, blocks)):
        return ""
    return section


def _spellings(name: str) -> list[str]:
    """The sections that a file's name may mean: memcg-dirs.txt is memcg_dirs, softnet1 and softnet.before are softnet_a."""
    bare = stem(name)
    words = [bare, bare.lower(), bare.lower().replace("-", "_"), bare.lower().replace("_", "-")]
    if match := re.fullmatch(r"(?i)(.+?)[-_.]?(?:(a|1|first|before|start)|(?:b|2|second|after|end))", bare):
        words.append(match[1].lower().replace("-", "_") + ("_a" if match[2] else "_b"))
    return words


def _only_required(probe: Probe) -> Collector | None:
    required = [collector for collector in probe.collectors if not collector.optional and not collector.only_if]
    return required[0] if len(required) == 1 and not required[0].sampled else None


def _named(probe: Probe, inputs: Sequence[Given]) -> tuple[dict[str, Section], dict[str, Sequence[Block]]]:
    """The sections given by name, and what they are made of. Of a sampled one's files without a sample the first is _a."""
    files: dict[str, list[Given]] = {}
    collectors = {name: collector for collector in probe.collectors for name in _names(collector)}
    for given in inputs:
        collector = collectors.get(given.section)
        if collector is None:
            raise CheckError(f"{probe.id} has no section {given.section}; its sections are {', '.join(probe.section_names())}")
        name = given.section
        if collector.sampled and name == collector.name:
            name = f"{name}_b" if f"{name}_a" in files else f"{name}_a"
        files.setdefault(name, []).append(given)
    parts = {name: [_one_output(collectors[name], given) for given in inputs] for name, inputs in files.items()}
    origins: dict[str, Sequence[Block]] = {
        name: [block for _, blocks in found for block in blocks] for name, found in parts.items()
    }
    texts = {
        name: [(given.name, text) for given, (text, _) in zip(files[name], found, strict=True)] for name, found in parts.items()
    }
    return {name: _section(name, collectors[name], texts[name]) for name in files}, origins


def _names(collector: Collector) -> tuple[str, ...]:
    return (collector.name, f"{collector.name}_a", f"{collector.name}_b") if collector.sampled else (collector.name,)


def _section(name: str, collector: Collector, texts: Sequence[tuple[str, str]]) -> Section:
    if shows_files(collector):
        text = _as_files(collector, texts)
    elif len(texts) == 1:
        text = texts[0][1]
    else:
        raise CheckError(f"{name} was given {len(texts)} times, and it is one output: keep one")
    return Section(name, encode(text), command=collector.title)


def _one_output(collector: Collector, given: Given) -> tuple[str, list[Block]]:
    """The text, or, when it was pasted with prompts, the one output in it that this collector reads; and what it is made of."""
    text = clean(decode(given.data))
    whole = [Block(text, 1, text.count("\n"), source=given.name)]
    blocks = [replace(block, source=given.name) for block in split(text)]
    if not any(block.command or block.path or block.host for block in blocks):
        return text, whole
    mine = [block for block in blocks if reads(collector, block)] or blocks
    if collector.shows and all(block.path for block in mine):
        return wrap([(block.path, block.text) for block in mine]), mine
    return (mine[0].text, mine) if len(mine) == 1 else (text, whole)


def _as_files(collector: Collector, texts: Sequence[tuple[str, str]]) -> str:
    """Raw files under the ``== PATH`` lines that the collector would print; a text that has them, or needs none, as it is."""
    if len(texts) == 1:
        name, text = texts[0]
        headed = re.match(r"\s*(?:==|!!) \S", text)
        if headed or not text.strip() or reads(collector, Block(text, 1, 1)):
            return text
    files = []
    for name, text in texts:
        patterns = [pattern for pattern in file_patterns(collector) if "*" not in pattern]
        alone = len(file_patterns(collector)) == len(patterns) == 1 and collector.script.lstrip().startswith("files ")
        path = named_file(collector, name) or (patterns[0] if alone else "")
        if not path and len(texts) == 1:
            return text
        if not path:
            raise CheckError(
                f"{name} is not named as one of the files of {collector.name}: {', '.join(file_patterns(collector))}"
            )
        files.append((path, text))
    return wrap(files)
