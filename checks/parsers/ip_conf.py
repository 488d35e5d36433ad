"""Per-device switches of /proc/sys/net: one line per device, and the values the kernel really acts on.

The kernel combines ``conf/all`` and ``conf/DEVICE`` differently for each switch (ip-sysctl): the greater one, either of them, or
the device's alone. ``default`` only copies itself into devices made later.

>>> conf = parse_conf('''== /proc/sys/net/ipv4/conf
... all forwarding=0 rp_filter=2 proxy_arp=0
... default forwarding=1 rp_filter=1 proxy_arp=0
... eth0 forwarding=1 rp_filter=1 proxy_arp=1
...
... == end
... ''')
>>> conf.effective("eth0", "rp_filter"), conf.effective("eth0", "proxy_arp"), conf.effective("eth0", "forwarding")
(2, 1, 1)
>>> conf.effective("eth0", "arp_ignore"), conf.devices, conf.line("eth0")
(None, ('eth0',), 4)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.files import split_files
from checks.results import Reason

GREATER = frozenset({"rp_filter", "arp_ignore", "arp_announce"})
EITHER = frozenset({"proxy_arp", "accept_local", "log_martians", "send_redirects", "route_localnet", "src_valid_mark"}).union(
    {"arp_filter", "ignore_routes_with_linkdown"}
)
_NOT_DEVICES = ("all", "default")


@dataclass(frozen=True)
class Conf:
    """Switches of ``net/ipv4/conf``, of ``net/ipv4/neigh`` and single files; ``lines`` by device, of all when ``complete``."""

    devs: Mapping[str, Mapping[str, int]]
    lines: Mapping[str, int]
    neigh: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    neigh_lines: Mapping[str, int] = field(default_factory=dict)
    single: Mapping[str, int] = field(default_factory=dict)
    single_lines: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices, without ``all`` and ``default``."""
        return tuple(dev for dev in self.devs if dev not in _NOT_DEVICES)

    def own(self, dev: str, name: str) -> int | None:
        """What stands in the device's own file."""
        return self.devs.get(dev, {}).get(name)

    def effective(self, dev: str, name: str) -> int | None:
        """What the kernel acts on; None when a value that decides is not known."""
        own, every = self.own(dev, name), self.own("all", name)
        if name in GREATER:
            return None if own is None or every is None else max(own, every)
        if name in EITHER:
            if own or every:
                return own or every
            return None if own is None or every is None else 0
        return own

    def line(self, dev: str) -> int:
        """The line of the device, 0 when it is not there."""
        return self.lines.get(dev, 0)


def parse_conf(text: str, *, partial: bool = False) -> Conf:
    """Read the section. Raises ParseError when it holds no switches, and, unless a part of it will do, when it was cut."""
    files = split_files(text)
    if not files.parts and not files.absent:
        raise ParseError("this is not a list of /proc/sys/net/ipv4/conf switches")
    if not files.complete and not partial:
        raise ParseError("the list of switches was cut: its closing line is missing", Reason.TRUNCATED)
    tables: dict[str, dict[str, dict[str, int]]] = {"conf": {}, "neigh": {}}
    places: dict[str, dict[str, int]] = {"conf": {}, "neigh": {}}
    single, single_lines = {}, {}
    cut = "" if files.complete or text.endswith("\n") else text.rpartition("\n")[2]
    for path in files:
        kind, body = path.rpartition("/")[2], files.text(path)
        if cut and body.endswith(f"{cut}\n"):
            body = body.removesuffix(f"{cut}\n")
        if kind in tables:
            _read_table(body, files.line_of(path), tables[kind], places[kind])
        elif re.fullmatch(r"-?\d{1,18}", body.strip(), re.ASCII):
            single[kind], single_lines[kind] = int(body), files.line_of(path)
    if not tables["conf"] and not (partial and single):
        raise ParseError("the list holds no device", Reason.MISSING)
    whole = files.complete and bool(tables["conf"])
    return Conf(tables["conf"], places["conf"], tables["neigh"], places["neigh"], single, single_lines, whole)


def _read_table(text: str, first: int, table: dict[str, dict[str, int]], lines: dict[str, int]) -> None:
    for number, line in enumerate(text.split("\n"), first):
        if not line.strip():
            continue
        dev, *pairs = line.split()
        values = {}
        for pair in pairs:
            match = re.fullmatch(r"(\w+)=(-?\d{0,18})", pair, re.ASCII)
            if not match:
                raise ParseError(f"line {number} is not a device and its switches: {line[:80]!r}", line=number)
            if match[2]:
                values[match[1]] = int(match[2])
        table[dev], lines[dev] = values, number
