"""What the sysctl files ask for, compared with what the kernel has: a setting that never took effect, or that something undid.

A pure replay: the settings in their order, with the copies that ``all`` makes (see ``checks.parsers.ipv6_switches``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from checks.parsers.ipv6_switches import Switches
from checks.parsers.sysctl_conf import Setting

COPIED = frozenset({"disable_ipv6", "forwarding"})
"""Switches that ``all`` copies into ``default`` and every device."""

_PREFIX = "net/ipv6/conf/"


@dataclass(frozen=True)
class Wanted:
    """What a file asks for: the switch ``name`` of ``dev`` (empty for bindv6only) and the line that decides."""

    dev: str
    name: str
    value: int
    by: Setting


@dataclass(frozen=True)
class Drift:
    """A wanted value that the kernel does not have."""

    wanted: Wanted
    actual: int


def replay(settings: Iterable[Setting], names: Iterable[str]) -> list[Wanted]:
    """The last word of the files on each switch that they name, for the devices that exist."""
    ordered = list(settings)
    known = tuple(names)
    plain = {setting.key for setting in ordered if not setting.is_pattern}
    found: dict[tuple[str, str], Wanted] = {}
    for setting in ordered:
        if setting.value is None or not setting.value.lstrip("-").isascii() or not setting.value.lstrip("-").isdigit():
            continue
        value = int(setting.value[:18])
        if setting.key == "net/ipv6/bindv6only":
            found["", "bindv6only"] = Wanted("", "bindv6only", value, setting)
        elif setting.key.startswith(_PREFIX):
            pattern, _, name = setting.key[len(_PREFIX) :].rpartition("/")
            for dev in known:
                if fnmatchcase(dev, pattern) and not (setting.is_pattern and f"{_PREFIX}{dev}/{name}" in plain):
                    _apply(found, Wanted(dev, name, value, setting))
    return list(found.values())


def _apply(found: dict[tuple[str, str], Wanted], wanted: Wanted) -> None:
    found[wanted.dev, wanted.name] = wanted
    if wanted.dev == "all" and wanted.name in COPIED:
        for key in [key for key in found if key[1] == wanted.name]:
            found[key] = Wanted(*key, wanted.value, wanted.by)


def drifts(settings: Iterable[Setting], switches: Switches) -> list[Drift]:
    """The wanted values that the kernel does not have. What the collector did not read is not compared."""
    found = []
    for wanted in replay(settings, switches.names):
        actual = switches.own(wanted.dev, wanted.name) if wanted.dev else switches.single(wanted.name)
        if actual is not None and actual != wanted.value:
            found.append(Drift(wanted, actual))
    return found
