"""What the collectors of one interface print: its interrupts, its ring (ethtool -g).

>>> parse_irqs("37 0 0 virtio2-config\\n38 1 10930 virtio2-input.0\\n")[1]
Irq(number=38, cpus=[1], count=10930, name='virtio2-input.0', line=2)
>>> parse_ring('''Ring parameters for eth0:
... Pre-set maximums:
... RX:		4096
... TX:		4096
... Current hardware settings:
... RX:		256
... TX:		256
... ''')
Ring(rx=256, rx_max=4096)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines
from checks.parsers.softnet_stat import parse_cpu_list
from checks.results import Reason

_IRQ = re.compile(r"^(\d+) (\S+) (\d+) (\S*)$")
_SETTING = re.compile(r"^(RX|TX):\s+(\d+|n/a)$")


@dataclass(frozen=True)
class Irq:
    """An interrupt: the CPUs it goes to, how often it came since boot, its name; empty CPUs when the kernel does not say."""

    number: int
    cpus: list[int]
    count: int
    name: str
    line: int

    @property
    def receives(self) -> bool:
        """True for an interrupt of receive queues that is in use."""
        return self.count > 0 and not re.search(r"config|async|event|output|mgmt|adminq|[-.]tx\b|-tx-", self.name, re.IGNORECASE)


@dataclass(frozen=True)
class Ring:
    """Receive ring: its size and what the hardware allows; None where the driver does not say."""

    rx: int | None
    rx_max: int | None


def parse_irqs(text: str) -> list[Irq]:
    """The interrupts of the interface's device."""
    found = []
    for number, line in enumerate(whole_lines(text), 1):
        match = _IRQ.match(line)
        if not match:
            raise ParseError(f"line {number} is not an interrupt, its CPUs, its count and name: {line[:80]!r}", line=number)
        cpus = [] if match[2] == "-" else parse_cpu_list(f"{match[2]}\n")
        found.append(Irq(int(match[1]), cpus, int(match[3]), match[4], number))
    return found


def parse_interrupts(text: str, iface: str) -> tuple[list[Irq], int]:
    """The interface's rows of /proc/interrupts, and how many CPUs it shows. CPUs are those that took a hundredth of them or more.

    >>> irqs, cpus = parse_interrupts("      CPU0  CPU1\\n 24:  9000  3  PCI-MSI 1-edge  eth0-TxRx-0\\n", "eth0")
    >>> irqs[0].cpus, irqs[0].name, cpus
    ([0], 'eth0-TxRx-0', 2)
    """
    lines = whole_lines(text)
    heads = lines[0].split() if lines else []
    if not heads or not all(re.fullmatch(r"CPU\d+", head) for head in heads):
        raise ParseError("this does not begin like /proc/interrupts, with one head for each CPU", line=1)
    found = []
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        name = words[-1] if words else ""
        if len(words) <= len(heads) + 1 or not re.fullmatch(rf"(?:\S+[-@])?{re.escape(iface)}(?:[-.@].*)?", name):
            continue
        counts = [int(word) for word in words[1 : len(heads) + 1] if re.fullmatch(r"[0-9]{1,19}", word)]
        if len(counts) != len(heads) or not re.fullmatch(r"\d+:", words[0]):
            raise ParseError(f"line {number} is no whole row of /proc/interrupts: {line[:80]!r}", line=number)
        cpus = [int(head[3:]) for head, count in zip(heads, counts, strict=True) if count and count * 100 >= sum(counts)]
        found.append(Irq(int(words[0][:-1]), cpus, sum(counts), name, number))
    return found, len(heads)


def parse_ring(text: str) -> Ring | None:
    """The receive ring; None without ethtool, or for an interface that has none."""
    lines = whole_lines(text)
    if lines in (["absent"], ["unsupported"]):
        return None
    if not lines or not lines[0].startswith("Ring parameters for "):
        raise ParseError("this does not begin like ethtool -g", line=1)
    sizes: dict[str, int | None] = {}
    part, last = "", ""
    for line in lines[1:]:
        if line.startswith(("Pre-set", "Current")):
            part = line[:7]
        elif match := _SETTING.match(line.strip()):
            sizes[f"{part} {match[1]}"] = None if match[2] == "n/a" else int(match[2])
            last = f"{part} {match[1]}"
    if last != "Current TX":
        raise ParseError("ethtool -g ends before the current size of the transmit ring; it was cut", Reason.TRUNCATED)
    return Ring(sizes.get("Current RX"), sizes.get("Pre-set RX"))
