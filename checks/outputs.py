r"""The outputs in one file, each with what tells which section it is: its prompt, its path, the file's own name, or its form.

A list of sysctls is taken apart into the files under /proc/sys that it shows.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import PurePosixPath

from checks.collectors.base import Collector
from checks.commands import command_of
from checks.pasted import Block, clean, file_by_form, split
from checks.probes.base import Probe
from checks.recognise import opened, reads
from checks.shown_files import file_of, whole_file
from checks.sysctl_pastes import gathered, settings


def outputs(probe: Probe, name: str, text: str) -> list[Block]:
    """The outputs in a text. One without prompts is kept as it is, so that its line numbers are those of the file."""
    text = clean(text)
    closed = split(text)
    blocks = opened(closed, probe.collectors)
    if len(blocks) > 1 or blocks != closed or (blocks and (blocks[0].command or blocks[0].path)):
        return gathered(probe, [part for block in map(_plugins, blocks) for part in settings(probe, block)])
    fenced = blocks and "```" in text  # a chat's fence is no part of the output
    whole = blocks[0] if fenced else Block(text, 1, text.count("\n"), host=blocks[0].host if blocks else "")
    path = next((path for collector in probe.collectors if (path := named_file(collector, name))), "") or _cni(name, text)
    if path:
        return [replace(whole, path=path)]
    whole = replace(whole, command=command_of(name))
    if not any(reads(collector, whole) for collector in probe.collectors):
        whole = replace(whole, path=file_by_form(text))
    return gathered(probe, settings(probe, whole))


_LISTED = re.compile(r"\b(?:ll|ls (?:-\w+ )*-\w*l\w*) (?:-\w+ )*(/\S*/cni(?:/bin)?)/?$")
_ROW = re.compile(r"(?m)^([-l][-rwxsStT]{9})\S*\s+\d+ \S+ \S+ .*?[\d:]{4,5} (\S+)(?: -> .*)?$")


def _plugins(block: Block) -> Block:
    """A folder of CNI plugins that ``ls -l`` lists between two prompts, as the collector lists it: x for what can be run."""
    folder = _LISTED.search(block.command)
    if not folder or not block.ended or not block.text.startswith("total "):
        return block
    rows = block.text.partition("\n")[2]
    listed = _ROW.sub(lambda row: f"{'x' if 'x' in row[1] else '-'} {row[2]}", rows)
    return replace(block, text=f"== {folder[1]}\n{listed}\n== end\n")


def _cni(name: str, text: str) -> str:
    """A CNI configuration may have any name; it is known by its key, and by being whole."""
    if '"cniVersion"' not in text:
        return ""
    try:
        json.loads(text)
    except ValueError:
        return ""
    bare = PurePosixPath(name).name
    return f"/etc/cni/net.d/{bare if bare.endswith(('.conf', '.conflist', '.json')) else bare + '.conf'}"


def named_file(collector: Collector, name: str) -> str:
    """The path of the collector's file that a recording is named after: its whole path, its end, its bare name."""
    bare = PurePosixPath(name).name
    names = (name, bare, PurePosixPath(bare).stem)
    return next((path for word in names if (path := file_of(collector, word) or whole_file(collector, word))), "")
