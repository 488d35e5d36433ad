"""The switches of /proc/sys/net/ipv6/conf, and how the kernel combines them.

``all`` is no maximum and no default here: writing ``all/disable_ipv6`` or ``all/forwarding`` copies the value into ``default``
and into every device that exists at that moment, and ``all/accept_ra`` does nothing at all (measured on 6.18). A device acts on
its own value alone, and one that is made later starts with ``default``.

>>> switches = parse_switches('''== /sys/module/ipv6/parameters/disable
... 0
...
... == /proc/sys/net/ipv6/conf
... all disable_ipv6=0 accept_ra=1 forwarding=1
... default disable_ipv6=0 accept_ra=1 forwarding=1
... eth0 disable_ipv6=0 accept_ra=1 forwarding=1
... lo disable_ipv6=1 accept_ra=1 forwarding=1
...
... == /proc/sys/net/ipv6/bindv6only
... 0
...
... == end
... ''')
>>> switches.present, switches.devices, switches.own("lo", "disable_ipv6"), switches.hears_routers("eth0")
(True, ('eth0', 'lo'), 1, False)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.files import split_files
from checks.parsers.ip_conf import Conf, parse_conf
from checks.parsers.ip_output import guarded
from checks.parsers.kernel_cmdline import parse_cmdline
from checks.results import Reason

CONF = "/proc/sys/net/ipv6/conf"


@dataclass(frozen=True)
class Switches:
    """What the kernel acts on. ``conf`` is None when the kernel has no IPv6 at all; ``boot`` are the words of the boot line.

    ``partial`` means that devices may be missing: the list was typed for some of them, or filtered.
    """

    conf: Conf | None
    boot: Mapping[str, str]
    files: Mapping[str, tuple[int, int]]
    boot_line: int = 0
    partial: bool = False

    @property
    def present(self) -> bool:
        """True when the kernel has IPv6."""
        return self.conf is not None

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices, without ``all`` and ``default``."""
        return self.conf.devices if self.conf else ()

    @property
    def names(self) -> tuple[str, ...]:
        """``all``, ``default`` and the devices."""
        return tuple(self.conf.devs) if self.conf else ()

    def own(self, dev: str, name: str) -> int | None:
        """The value of a device, of ``all`` or of ``default``; None when it is not known."""
        return self.conf.own(dev, name) if self.conf else None

    def single(self, name: str) -> int | None:
        """The value of a file that stands for itself: bindv6only, or a parameter of the module."""
        return self.files[name][0] if name in self.files else None

    def line(self, dev: str) -> int:
        """The line of a device, 0 when it is not there."""
        return self.conf.line(dev) if self.conf else 0

    def line_of(self, name: str) -> int:
        """The line of such a file, 0 when it is not there."""
        return self.files[name][1] if name in self.files else 0

    def hears_routers(self, dev: str) -> bool | None:
        """True when the kernel takes a default route from router advertisements on that device; None when it cannot be told."""
        accepts, forwards, defaults = (self.own(dev, name) for name in ("accept_ra", "forwarding", "accept_ra_defrtr"))
        if accepts is None or forwards is None:
            return None
        return defaults != 0 and (accepts == 2 or (accepts > 0 and not forwards))


def parse_switches(text: str) -> Switches:
    """Read the section. Raises ParseError when it was cut or is something else."""
    files = split_files(text)
    boot = parse_cmdline(files.text("/proc/cmdline") or "\n")
    boot_line = files.line_of("/proc/cmdline")
    if files.complete and CONF not in files and is_off(boot):
        return Switches(None, boot, {}, boot_line)
    if CONF not in files and CONF not in files.absent:
        raise ParseError(f"this is not a list of {CONF} switches", Reason.TRUNCATED if files.parts else None)
    if not files.complete:
        raise ParseError("the list of switches was cut: its closing line is missing", Reason.TRUNCATED)
    single = {
        path.rpartition("/")[2]: (int(files.text(path)), files.line_of(path))
        for path in files
        if re.fullmatch(r"-?\d{1,9}\s*", files.text(path), re.ASCII)
    }
    if files.absent.get(CONF) == "missing":
        return Switches(None, boot, single, boot_line)
    files.need(CONF)
    conf = guarded(parse_conf)(text)
    partial = "other devices" in files.absent
    if not partial and not {"all", "default"} <= set(conf.devs):
        raise ParseError("the list of switches lacks the rows all and default", line=files.line_of(CONF))
    return Switches(conf, boot, single, boot_line, partial)


def is_off(boot: Mapping[str, str]) -> bool:
    """True when the boot line switches IPv6 off for good."""
    return boot.get("ipv6.disable", "").split(",")[-1] == "1"
