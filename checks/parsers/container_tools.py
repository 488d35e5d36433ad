"""Versions and cgroup settings of systemd, the kubelet and the container runtimes, as the cgroup collectors print them.

>>> parse_systemd("systemd 219\\n+PAM +AUDIT +SELINUX\\n")
219
>>> parse_kubelet("Kubernetes v1.28.2\\n")
(1, 28)
>>> parse_runtimes("containerd: containerd containerd.io 1.6.20 2806fc1057397dbaeefbea0e4e17bddfbd388f38\\nend\\n")
{'containerd': (1, 6)}
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines
from checks.results import Reason

MajorMinor = tuple[int, int]

_VERSION = re.compile(r"(?:^|[ v])(\d{1,3})\.(\d{1,3})\.\d+")
_SETTING = re.compile(r"^(/[^:]+):(\d+):(.*)$")
_DRIVERS = (
    (re.compile(r"cgroup-?[dD]river[=:]\s*\"?(systemd|cgroupfs)"), ""),
    (re.compile(r"cgroup_manager\s*=\s*\"(systemd|cgroupfs)"), ""),
    (re.compile(r"native\.cgroupdriver=(systemd|cgroupfs)"), ""),
    (re.compile(r"SystemdCgroup\s*=\s*true"), "systemd"),
    (re.compile(r"SystemdCgroup\s*=\s*false"), "cgroupfs"),
)


@dataclass(frozen=True)
class Driver:
    """A cgroup driver that a configuration file sets: ``systemd`` or ``cgroupfs``."""

    path: str
    driver: str
    line: int

    @property
    def of_kubelet(self) -> bool:
        return self.path.startswith("/var/lib/kubelet/")


def parse_systemd(text: str) -> int | None:
    """systemd's version; None on a host without systemd."""
    first = whole_lines(text)[:1]
    if first == ["absent"]:
        return None
    match = re.match(r"systemd (\d+)\b", first[0]) if first else None
    if not match:
        raise ParseError("this does not begin like systemctl --version", line=1)
    return int(match[1])


def parse_kubelet(text: str) -> MajorMinor | None:
    """The kubelet's version; None on a host without one."""
    first = whole_lines(text)[:1]
    if first == ["absent"]:
        return None
    match = re.match(r"Kubernetes v(\d+)\.(\d+)", first[0]) if first else None
    if not match:
        raise ParseError("this does not begin like kubelet --version", line=1)
    return int(match[1]), int(match[2])


def parse_runtimes(text: str) -> dict[str, MajorMinor]:
    """Versions by runtime. A runtime whose version cannot be read is an error: it may be the one that decides."""
    found = {}
    for number, line in enumerate(_ended(text), 1):
        name, _, rest = line.partition(": ")
        match = _VERSION.search(rest)
        if not match:
            raise ParseError(f"line {number} names no version: {line[:80]!r}", line=number)
        found[name] = int(match[1]), int(match[2])
    return found


def parse_drivers(text: str) -> list[Driver]:
    """The cgroup drivers that are set; comments and unset options are left out."""
    found = []
    for number, line in enumerate(_ended(text), 1):
        match = _SETTING.match(line)
        if not match:
            raise ParseError(f"line {number} is not FILE:LINE:TEXT: {line[:80]!r}", line=number)
        if match[3].lstrip().startswith("#"):
            continue
        for pattern, fixed in _DRIVERS:
            if setting := pattern.search(match[3]):
                found.append(Driver(match[1], fixed or setting[1], number))
    return found


def _ended(text: str) -> list[str]:
    lines = whole_lines(text)
    if not lines or lines[-1] != "end":
        raise ParseError("the closing line is missing; the output was cut", Reason.TRUNCATED)
    return lines[:-1]
