r"""Lists of sysctls as people paste them, taken apart into the files under /proc/sys that they show.

Switches of devices become the table that the collectors print. A list that a filter or a cut made shorter proves what it shows
and nothing else: the IPv6 table then ends with a line that says so, any other is left without its last line end.

>>> rows_of(Block("net.ipv4.ip_forward = 1\n/proc/sys/net/ipv6/conf/eth0.5/forwarding:0\n", 1, 2))
[(1, '/proc/sys/net/ipv4/ip_forward', '1'), (2, '/proc/sys/net/ipv6/conf/eth0.5/forwarding', '0')]
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from checks.pasted import Block
from checks.probes.base import Probe
from checks.shown_files import file_of, tables

_SETTING = re.compile(r"([a-z][\w-]*(?:\.[\w/@:-]+)+) = (.*)")
_GREPPED = re.compile(r"(/proc/sys/[\w./@:-]+?):(.*)")
_TYPED = re.compile(r"(?:sudo )?(?:sysctl(?! .*-\w*[pw])|(?:z?[ef]?grep|tail|head|more) .*/proc/sys/)")
_ALL_OF_IPV6 = re.compile(
    r"(?:sudo )?sysctl (?:-a|--all)(?: -r ['\"]?(?:net\.)?ipv6['\"]?)?(?: 2> ?/dev/null)?"
    r"(?: ?\| ?grep (?:-\w+ )*['\"]?(?:(?:net\.)?ipv6|(?:net\.)?ipv6\.conf|disable_ipv6)['\"]?)?$"
    r"|(?:sudo )?grep (?:-\w+ )*['\"]?[.^]?['\"]? /proc/sys/net/ipv6/conf/\*/\w+$"
)
_MANY = 200
"""So many settings are what the kernel has: a file that sets sysctls at boot is shorter, and says nothing of the kernel."""
_IPV6 = "/proc/sys/net/ipv6/conf"
_MORE = "\n!! other devices missing\n"
"""Below the rows of an IPv6 table that may lack devices."""
Row = tuple[int, str, str]


def settings(probe: Probe, block: Block) -> list[Block]:
    """The files under /proc/sys that the probe knows, out of a list of sysctls; any other block as it is."""
    rows = rows_of(block)
    typed = _TYPED.match(block.command)
    if not rows or (not typed and (len(rows) < _MANY or len(rows) < block.text.count("\n") // 2)):
        return [block]
    found = [
        Block(value + "\n", line, line, path=path, host=block.host)
        for line, path, value in rows
        if path == "/proc/sys/kernel/osrelease" or any(file_of(collector, path) for collector in probe.collectors)
    ]
    for folder, keys in _tables(probe).items():
        found += _table(folder, keys, rows, block, whole=_whole(folder, rows, block))
    return found or [block]


def gathered(probe: Probe, blocks: Sequence[Block]) -> list[Block]:
    """Blocks that each show one switch of one device (cat /proc/sys/net/ipv6/conf/eth0/forwarding) become one table."""
    folders = _tables(probe)
    single = [block for block in blocks if re.fullmatch(rf"{_IPV6}/[^/]+/\w+", block.path) and block.text.count("\n") <= 1]
    rows = [(block.first, block.path, block.text.strip()) for block in single]
    if _IPV6 not in folders or not rows:
        return list(blocks)
    table = _table(_IPV6, folders[_IPV6], rows, replace(single[0], last=single[-1].last, path="", command=""), whole=False)
    return [block for block in blocks if block not in single] + table


def rows_of(block: Block) -> list[Row]:
    """Line, path and value of each setting whose line is whole. In a name, / stands for a dot."""
    found = []
    for number, line in enumerate(block.text.split("\n")[:-1], block.first):
        if match := _SETTING.fullmatch(line):
            found.append((number, "/proc/sys/" + match[1].translate(str.maketrans("./", "/.")), match[2]))
        elif match := _GREPPED.fullmatch(line):
            found.append((number, match[1], match[2]))
    return found


def _tables(probe: Probe) -> dict[str, set[str]]:
    """The folders that the probe's collectors show as tables, with the keys that they ask for."""
    return {folder: set(re.findall(r"\w+", collector.script)) for collector in probe.collectors for folder in tables(collector)}


def _whole(folder: str, rows: Sequence[Row], block: Block) -> bool:
    """True when no device can be missing: a folder that comes later was shown too, or the next prompt ends the whole list."""
    last = rows[-1][1]
    later = last > f"{folder}/" and not last.startswith(f"{folder}/") and len(rows) >= _MANY
    asked = folder == _IPV6 and block.ended and bool(_ALL_OF_IPV6.match(block.command))
    return last.startswith("/proc/sys/vm/") or (folder == _IPV6 and later) or asked


def _table(folder: str, keys: set[str], rows: Sequence[Row], block: Block, *, whole: bool) -> list[Block]:
    """The switches of each device below that folder, one device per line, as the collectors print those in ``keys``."""
    devices: dict[str, list[str]] = {}
    numbers: dict[str, int] = {}
    for number, path, value in rows:
        dev, _, key = path.removeprefix(f"{folder}/").rpartition("/")
        if path.startswith(f"{folder}/") and key in keys and re.fullmatch(r"-?\d{1,18}", value):
            devices.setdefault(dev, [dev]).append(f"{key}={value}")
            numbers.setdefault(dev, number)
    text = "\n".join(map(" ".join, devices.values()))
    text += "\n" if whole else "\n" + _MORE if folder == _IPV6 else ""
    found = Block(text, block.first, block.last, path=folder, host=block.host, numbers=tuple(numbers.values()))
    return [found] if devices else []
