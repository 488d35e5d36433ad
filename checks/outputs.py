r"""The outputs in one file, each with what tells which section it is: its prompt, its path, the file's own name, or its form.

A list of sysctls is taken apart into the files under /proc/sys that it shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from checks.collectors.base import Collector
from checks.commands import command_of
from checks.pasted import Block, clean, file_by_form, split
from checks.probes.base import Probe
from checks.recognise import reads
from checks.shown_files import file_of, tables, whole_file

_SETTING = re.compile(r"([a-z][\w-]*(?:\.[\w/@:-]+)+) = (.*)")
_MANY = 200
"""So many settings are what the kernel has: a file that sets sysctls at boot is shorter, and says nothing of the kernel."""


def outputs(probe: Probe, name: str, text: str) -> list[Block]:
    """The outputs in a text. One without prompts is kept as it is, so that its line numbers are those of the file."""
    text = clean(text)
    blocks = split(text)
    if len(blocks) > 1 or (blocks and (blocks[0].command or blocks[0].path)):
        return [part for block in blocks for part in _settings(probe, block)]
    whole = Block(text, 1, text.count("\n"), host=blocks[0].host if blocks else "")
    path = next((path for collector in probe.collectors if (path := named_file(collector, name))), "") or _cni(name, text)
    if path:
        return [replace(whole, path=path)]
    whole = replace(whole, command=command_of(name))
    if not any(reads(collector, whole) for collector in probe.collectors):
        whole = replace(whole, path=file_by_form(text))
    return _settings(probe, whole)


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


def _settings(probe: Probe, block: Block) -> list[Block]:
    """The files under /proc/sys that the probe knows, out of a list of sysctls; any other block as it is."""
    rows = list(_rows(block))
    typed = re.match(r"(?:sudo )?sysctl(?! .*-\w*[pw])", block.command)
    if not typed and (len(rows) < _MANY or len(rows) < block.text.count("\n") // 2):
        return [block]
    found = [
        Block(value + "\n", line, line, path=path, host=block.host)
        for line, path, value in rows
        if path == "/proc/sys/kernel/osrelease" or any(file_of(collector, path) for collector in probe.collectors)
    ]
    for collector in probe.collectors:
        keys = set(re.findall(r"\w+", collector.script))
        for folder in tables(collector):
            found += _table(folder, keys, rows, block)
    return found or [block]


def _table(folder: str, keys: set[str], rows: Sequence[tuple[int, str, str]], block: Block) -> list[Block]:
    """The switches of each device below that folder, one device per line, as the collectors print those in ``keys``."""
    devices: dict[str, list[str]] = {}
    numbers: dict[str, int] = {}
    for number, path, value in rows:
        dev, _, key = path.removeprefix(f"{folder}/").rpartition("/")
        if path.startswith(f"{folder}/") and key in keys and re.fullmatch(r"-?\d{1,18}", value):
            devices.setdefault(dev, [dev]).append(f"{key}={value}")
            numbers.setdefault(dev, number)
    text = "\n".join(map(" ".join, devices.values()))
    if rows[-1][1].startswith("/proc/sys/vm/"):  # the last folder: no device was cut off or left out
        text += "\n"
    found = Block(text, block.first, block.last, path=folder, host=block.host, numbers=tuple(numbers.values()))
    return [found] if devices else []


def _rows(block: Block) -> Iterator[tuple[int, str, str]]:
    """Line, path and value of each setting whose line is whole. In a name, / stands for a dot."""
    for number, line in enumerate(block.text.split("\n")[:-1], block.first):
        if match := _SETTING.fullmatch(line):
            yield number, "/proc/sys/" + match[1].translate(str.maketrans("./", "/.")), match[2]
