"""The kube-proxy process, or the program that holds one, and the device of ipvs mode. Lines of ``ps -eo pid,args`` are read too.

>>> found = parse_processes('''4711 /usr/local/bin/kube-proxy --config=/var/lib/kube-proxy/config.conf --hostname-override=node-1
... # 4711 has run for 86400 s
... # 4711 config mode "ipvs"
... /sys/class/net/kube-ipvs0
... 7: kube-ipvs0    inet 10.96.0.1/32 scope global kube-ipvs0
... == end
... ''')
>>> found.whole, found.mode, [(each.pid, each.age_s, each.line) for each in found.proxies], found.ipvs_addresses
(True, 'ipvs', [(4711, 86400, 1)], ['10.96.0.1'])
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MODES = ("iptables", "ipvs", "nftables", "userspace", "kernelspace")

_PROCESS = re.compile(
    r"\s*(?:[a-z_]\S*\s+)?(\d{1,9})\s+(?:\S[^/]*\s\d+:\d\d(?::\d\d)?\s+)?"  # pid, or the columns of ps aux and ps -ef
    r"(?:\S*/)?(kube-proxy|hyperkube|kubelite|k3s(?:-\w+)?)\b(.*)$"
)
_DEVICE_SHOWN = re.compile(r"# End of: [^|]*\bkube-ipvs0\s*$")
_AGE = re.compile(r"# (\d{1,9}) has run for (\d{1,12}) s$")
_CONFIG = re.compile(r'# \d+ config (mode|clusterCIDR) "?([^"]*)"?$')
_ARGUMENT = r"--{}[= ](\S+)"


@dataclass
class Process:
    """One process that is kube-proxy or holds one."""

    pid: int
    program: str
    arguments: str
    line: int
    age_s: int | None = None

    def argument(self, name: str) -> str:
        """The value of ``--name``; an empty string when it is not given."""
        match = re.search(_ARGUMENT.format(re.escape(name)), self.arguments)
        return match[1].strip("'\"") if match else ""


@dataclass
class Processes:
    """What was seen. ``whole`` is False without the end mark: then what is absent proves nothing.

    ``addresses_whole`` is True as well where the device alone was shown to its end.
    """

    proxies: list[Process] = field(default_factory=list)
    ipvs_line: int = 0
    ipvs_addresses: list[str] = field(default_factory=list)
    whole: bool = False
    addresses_whole: bool = False
    configured: dict[str, str] = field(default_factory=dict)

    @property
    def mode(self) -> str:
        """The proxy mode that arguments or configuration name; empty when they name none."""
        named = [each.argument("proxy-mode") for each in self.proxies] + [self.configured.get("mode", "")]
        return next((mode for mode in named if mode in MODES), "")

    @property
    def cluster_cidrs(self) -> tuple[str, ...]:
        """The pod networks that arguments or configuration name."""
        named = [each.argument("cluster-cidr") for each in self.proxies] + [self.configured.get("clusterCIDR", "")]
        return tuple(cidr for text in named for cidr in text.split(",") if "/" in cidr)


def _holds_proxy(program: str, arguments: str) -> bool:
    if program == "hyperkube":
        return "proxy" in arguments
    return "--disable-kube-proxy" not in arguments.replace("--disable-kube-proxy=false", "")


def parse_processes(text: str) -> Processes:
    """Read the lines. A last line without its end is left out."""
    found = Processes()
    lines = text.split("\n")
    lines.pop()
    for number, line in enumerate(lines, 1):
        if line == "== end":
            found.whole = found.addresses_whole = True
        elif _DEVICE_SHOWN.match(line):
            found.addresses_whole = True
        elif match := _AGE.match(line):
            for process in found.proxies:
                if process.pid == int(match[1]):
                    process.age_s = int(match[2])
        elif match := _CONFIG.match(line):
            found.configured[match[1]] = match[2].strip("'")
        elif "kube-ipvs0" in line and not _PROCESS.match(line):
            found.ipvs_line = found.ipvs_line or number
            found.ipvs_addresses += re.findall(r"\binet6? ([0-9a-f.:]+)/", line)
        elif (match := _PROCESS.match(line)) and _holds_proxy(match[2], match[3]):
            found.proxies.append(Process(int(match[1]), match[2], match[3], number))
    return found
