"""CNI configuration files and what plugins say of themselves.

>>> files = parse_cni_files('''== /etc/cni/net.d/10-mynet.conflist
... {"cniVersion": "0.3.1", "name": "mynet",
...  "plugins": [{"type": "bridge", "ipam": {"type": "host-local", "subnet": "10.244.1.0/24"}}, {"type": "portmap"}]}
...
... == end
... ''')
>>> conf = files.confs[0]
>>> conf.name, conf.version, [plugin.type for plugin in conf.plugins], [str(net) for net in conf.plugins[0].subnets], conf.line
('mynet', '0.3.1', ['bridge', 'portmap'], ['10.244.1.0/24'], 2)
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from checks.errors import ParseError
from checks.parsers.files import Files, split_files
from checks.parsers.ip_output import guarded
from checks.parsers.ip_prefix import Prefix
from checks.results import Reason


@dataclass(frozen=True)
class Plugin:
    """One plugin of a configuration, with its own keys."""

    type: str
    ipam: str
    subnets: tuple[Prefix, ...]
    keys: Mapping[str, Any]


@dataclass(frozen=True)
class CniConf:
    """One file. ``error`` is set when it is not JSON; a list has the ending .conflist, or else it is misnamed."""

    path: str
    line: int
    name: str = ""
    version: str | None = None
    plugins: tuple[Plugin, ...] = ()
    is_list: bool = False
    has_plugins: bool = True
    is_misnamed: bool = False
    error: str = ""
    error_line: int = 0
    stops_early: bool = False

    @property
    def file(self) -> str:
        """The file's name without its directory."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class CniFiles:
    """The files in lexical order, as runtimes try them."""

    confs: tuple[CniConf, ...]
    unreadable: tuple[str, ...] = ()
    missing_dir: str = ""


@guarded
def parse_cni_files(text: str) -> CniFiles:
    """Read the section. Raises ParseError when it was cut or may not be read."""
    files = _framed(text, "the list of CNI files")
    paths = sorted(files, key=lambda path: path.rpartition("/")[2])
    directory = next((path for path, state in files.absent.items() if state == "missing" and not _is_conf(path)), "")
    closed = tuple(path for path, state in files.absent.items() if state == "unreadable")
    if closed and not paths:
        raise ParseError(f"{closed[0]} is there but this user may not read it", Reason.NEED_PRIVILEGE)
    strange = next((path for path in paths if not _is_conf(path)), None)
    if strange:
        raise ParseError(f"{strange} is no CNI configuration file", line=files.line_of(strange))
    return CniFiles(tuple(_read(path, files.text(path), files.line_of(path)) for path in paths), closed, directory)


def _framed(text: str, what: str) -> Files:
    if not text.startswith(("== ", "!! ")):
        raise ParseError(f"{what} should begin with a line == PATH", line=1)
    files = split_files(text)
    if not files.complete:
        raise ParseError(f"{what}: cut, the closing line is missing", Reason.TRUNCATED)
    return files


def _is_conf(path: str) -> bool:
    return path.endswith((".conf", ".conflist", ".json"))


def _read(path: str, text: str, line: int) -> CniConf:
    is_list = path.endswith(".conflist")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        at = line + getattr(error, "lineno", 1) - 1
        early = getattr(error, "pos", 0) >= len(text.rstrip()) or "Unterminated" in str(error)
        return CniConf(path, line, is_list=is_list, error=str(error).partition(": line ")[0], error_line=at, stops_early=early)
    if not isinstance(data, dict):
        return CniConf(path, line, is_list=is_list, error="it is not an object", error_line=line)
    rows = data.get("plugins") if is_list or "plugins" in data else [data]
    return CniConf(
        path=path,
        line=line,
        name=_text(data.get("name")),
        version=_text(data["cniVersion"]) if "cniVersion" in data else None,
        plugins=tuple(_plugin(row) for row in rows if isinstance(row, dict)) if isinstance(rows, list) else (),
        is_list=is_list,
        has_plugins=isinstance(rows, list) and bool(rows),
        is_misnamed=not is_list and "plugins" in data and "type" not in data,
    )


def _plugin(row: dict[str, Any]) -> Plugin:
    ipam = row.get("ipam")
    found = ipam if isinstance(ipam, dict) else {}
    subnets = [found.get("subnet")]
    for ranges in found.get("ranges") or ():
        subnets += [entry.get("subnet") for entry in ranges if isinstance(entry, dict)] if isinstance(ranges, list) else []
    networks = tuple(Prefix.parse(text) for text in subnets if isinstance(text, str) and re.match(r"[0-9a-fA-F.:]+/\d+$", text))
    return Plugin(_text(row.get("type")), _text(found.get("type")), networks, row)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class CniBinaries:
    """Executable and other files by directory, with the line of each."""

    dirs: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)

    def where(self, name: str) -> list[str]:
        """The directories that hold an executable of that name."""
        return [directory for directory, found in self.dirs.items() if found.get(name)]


@guarded
def parse_binaries(text: str) -> CniBinaries:
    """Read the section. Raises ParseError when it was cut."""
    files = _framed(text, "the list of plugins")
    if not files.parts and not files.absent:
        raise ParseError("this is no list of plugins")
    dirs: dict[str, dict[str, bool]] = {}
    lines: dict[str, int] = {}
    for directory in files:
        found = dirs.setdefault(directory, {})
        for number, line in enumerate(files.text(directory).split("\n"), files.line_of(directory)):
            if match := re.match(r"^([x-]) (\S.*)$", line):
                found[match[2]] = match[1] == "x"
                lines[f"{directory}/{match[2]}"] = number
            elif line.strip():
                raise ParseError(f"line {number} is no plugin: {line[:60]!r}", line=number)
    return CniBinaries(dirs, lines)


@guarded
def parse_versions(text: str) -> dict[str, tuple[tuple[str, ...], int]]:
    """The versions each plugin speaks, and the line of its answer. A plugin that answers nothing is left out."""
    files = _framed(text, "the plugins' versions")
    found = {}
    for path in files:
        try:
            data = json.loads(files.text(path))
        except ValueError:
            continue
        versions = data.get("supportedVersions") if isinstance(data, dict) else None
        if isinstance(versions, list):
            found[path.rpartition("/")[2]] = (tuple(str(version) for version in versions), files.line_of(path))
    return found
