"""Which sections the output of a typed command can be, also of a file that is named after its command, as sos names its files.

>>> sections("sudo ip -s -s neigh show"), sections("ip -4 r"), sections("ip route get 10.0.0.1")
(('neigh', 'neigh_again', 'neighbours'), ('route4',), ('route_get',))
>>> sections("kubectl exec -n kube-system calico-node-x -- ip -6 rule"), sections("nsenter -t 812 -n ip r")
(('rule6',), ('route4',))
>>> sections("ip route | grep default"), command_of("/tmp/sos_commands/networking/ip_-6_route_show_table_all")
((), 'ip -6 route show table all')
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import PurePosixPath

_SHOW = r"(?: (?:show|list|lst|ls|sh|s|l))?(?: (?:t|table|dev) \S+)?"
_ADDRESS = r"a(?:d|dd|ddr|ddre|ddres|ddress)?"
_LINK = r"l(?:i|in|ink)?"
_ROUTE = r"r(?:o|ou|out|oute)?"
_RULE = r"ru(?:l|le)?"
_NEIGHBOUR = r"n(?:e|ei|eig|eigh|eighbo?u?r?|eighbours?)?"
_IP = r"ip(?: -(?!6\b|f\b)\S+)*"
_IP6 = r"ip(?: -(?!4\b|f\b)\S+)* -6(?: -\S+)*"

_COMMANDS = {
    rf"(?:{_IP}|{_IP6}) {_ADDRESS}{_SHOW}": ("addr", "addr_again"),
    rf"(?:{_IP}|{_IP6}) {_LINK}{_SHOW}": ("link", "links"),
    rf"(?:{_IP}|{_IP6}) {_NEIGHBOUR}{_SHOW}": ("neigh", "neigh_again", "neighbours"),
    rf"(?:{_IP}|{_IP6}) addrlabel{_SHOW}": ("labels",),
    rf"(?:{_IP}|{_IP6}) {_ROUTE} g(?:e|et)? \S.*": ("route_get",),
    rf"{_IP} {_ROUTE}{_SHOW}": ("route4",),
    rf"{_IP6} {_ROUTE}{_SHOW}": ("route6", "route6_again"),
    rf"{_IP} {_RULE}{_SHOW}": ("rule4",),
    rf"{_IP6} {_RULE}{_SHOW}": ("rule6",),
    r"uname -[ar]": ("kernel",),
    r"find /sys/fs/cgroup/memory/?(?: -xdev)? -type d(?: -xdev)?(?: 2>/dev/null)? ?\| ?wc -l": ("memcg_dirs",),
    r"netstat(?: -s| -st| --statistics)|nstat(?: -\w+)*": ("snmp", "netstat"),
    r"uname -m|arch": ("machine",),
    r"ss(?=.* -\w*u)(?=.* -\w*l)(?: -[^\Wt]+)+": ("udp_listeners",),
    r"ss(?: -\w*l\w*)+(?: -\w+)*": ("listeners", "listening"),
    r"(ip6?tables(?:-nft|-legacy)?-save)(?: -c)?": (r"\1",),
    r"(ip6?tables)(?:-nft|-legacy)?(?: -t \w+| -[nvx]+|--line-numbers)* (?:-[nvx]*[LS][nvx]*|--list|--list-rules)(?: .*)?": (
        r"\1-save",
    ),
    r"iptables (?:-V|--version)|rpm --version": ("version",),
    r"conntrack -L.*": ("conntrack_udp",),
    r"conntrack -S": ("conntrack_stats",),
    r"nft(?: -\w+)* list (?:ruleset|table (?:ip |ip6 )?kube-proxy)": ("nft_kp",),
    r"ipset (?:save|list|-L|-S)(?: \S+)?": ("ipsets",),
    r"ipvsadm(?: -(?:Ln|ln|L|l|n|-list|-numeric))+": ("ip_vs",),
    r"dmesg(?: -[HTkx]+)*|journalctl -k.*": ("conntrack_full",),
    r"ethtool (?:-g|--show-ring) \S+": ("ring",),
    r"rpm --showrc": ("showrc",),
    r"systemctl --version": ("systemd",),
    r"kubelet --version": ("kubelet",),
    r"(?:file|readelf) .*": ("elf",),
    r"bridge(?: -\S+)* fdb(?: show)?(?: dev \S+)?": ("fdb",),
}
_ELSEWHERE = (
    r"sudo(?: -\S+)* |kubectl (?:-\S+ )*exec [^|;]*? -- |(?:docker|podman|crictl|nerdctl) exec (?:-\w+ )*\S+ "
    r"|nsenter (?:-t ?\d+ |-\S+ )+|ip netns exec \S+ "
)
_FILE_ENDS = (".txt", ".log", ".out", ".json", ".conf", ".raw", ".md")


@cache
def sections(command: str) -> tuple[str, ...]:
    """The names of the sections; none for a command whose output was filtered on its way, or that is not known."""
    words = re.sub(rf"^(?:{_ELSEWHERE})*(?:/\S*/)?", "", " ".join(command.split()))
    words = re.sub(r"(?: \d?>{1,2} ?[^\s|;&]+| 2>&1)+$", "", words)
    for pattern, names in _COMMANDS.items():
        if match := re.fullmatch(pattern, words):
            return tuple(match.expand(name) for name in names)
    return ()


def command_of(name: str) -> str:
    """The command that a file is named after; empty when it is named otherwise."""
    bare = stem(name)
    tries = (bare, bare.replace("_", " "), re.sub(r"[-_](?=[a-z])", " ", bare))
    return next((words for words in tries if words == "sysctl -a" or sections(words)), "")


def stem(name: str) -> str:
    """The bare name of a file, without the endings that people give to recordings.

    >>> stem("/tmp/node-1/memcg_dirs.txt"), stem("nginx.conf.txt")
    ('memcg_dirs', 'nginx')
    """
    bare = PurePosixPath(name).name
    while bare.endswith(_FILE_ENDS):
        bare = bare[: bare.rindex(".")]
    return bare
