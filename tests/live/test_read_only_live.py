"""No collector changes the host: every one runs under strace in a machine of its own, compared before and after.

The machine is a set of namespaces over this one: network, processes, mounts, and a root file system whose every change lands in
an empty upper layer. Two proofs hold each other: strace sees what was tried and undone, the comparison sees what no call tells,
such as iptables-legacy-save -t, which makes a table while it reads. Mutated collectors show that both are awake.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks.capture import script
from checks.catalog import catalog, get
from checks.collectors.base import Privilege
from checks.engine import Collected, Request, collect
from checks.params import read_all
from checks.transports.local import LocalTransport

pytestmark = [
    *map(pytest.mark.needs, ("strace", "iproute2", "iptables", "nftables", "conntrack", "rpm", "procps")),
    pytest.mark.usefixtures("root"),
    pytest.mark.xdist_group("read only"),
]

# --- the machine ---------------------------------------------------------------

SHELL_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
UNSHARE = ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-euc"]
SET_UP = r"""
read -r me _ </proc/self/stat  # as the outside counts
mount --make-rprivate /
mkdir log disk
mount -t tmpfs tmpfs disk
mkdir disk/upper disk/work disk/root
mount -t overlay overlay -o lowerdir=/,upperdir=disk/upper,workdir=disk/work disk/root
root=$PWD/disk/root
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount --rbind /sys/fs/cgroup $root/sys/fs/cgroup
mount --rbind /dev $root/dev
mount --bind log $root/mnt
mkdir $root/mnt/upper
mount --bind disk/upper $root/mnt/upper

sysctl -q -w net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.router_solicitations=0
ip link add eth0 type veth peer name peer0
for device in lo eth0 peer0; do ip link set $device up; done
ip addr add 192.0.2.1/24 dev eth0; ip addr add fd00::1/64 dev eth0
ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev eth0; ip neigh add fd00::2 lladdr 02:00:00:00:00:02 dev eth0
ip route add default via 192.0.2.2; ip route add 10.244.1.0/24 via 192.0.2.2; ip -6 route add default via fd00::2 dev eth0
ip rule add from 203.0.113.0/24 lookup 100
iptables-legacy -A INPUT -s 203.0.113.1 -j DROP  # the filter table is there, nat is not
iptables-nft -t nat -A POSTROUTING -s 203.0.113.2 -j ACCEPT; iptables-nft -A INPUT -s 203.0.113.2 -j DROP
ip6tables-nft -A INPUT -s fd00::2 -j ACCEPT
for family in ip ip6; do
  nft "add table $family kube-proxy; add chain $family kube-proxy c { type filter hook input priority 0; }"
  nft "add rule $family kube-proxy c ct state invalid drop"
done
ss -tuxa >/dev/null  # the kernel loads its own modules for questions: sock_diag, nfnetlink, nf_tables; they act on nothing

cd $root
mkdir -p etc/cni/net.d opt/cni/bin etc/nginx etc/rpm
echo '%_dbpath /var/lib/rpm' >etc/rpm/macros.place
printf '{"cniVersion":"0.3.1","name":"a","type":"bridge"}\n' >etc/cni/net.d/10-a.conf
printf '#!/bin/sh\necho "{\\"supportedVersions\\":[\\"0.3.1\\"]}"\n' >opt/cni/bin/bridge; chmod 755 opt/cni/bin/bridge
printf 'http { server { listen 80; } }\n' >etc/nginx/nginx.conf
printf 'Name: a\nVersion: 1\nRelease: 1\nSummary: a\nLicense: a\n%%description\n%%(touch /etc/ran)\n%%files\n' >root/a.spec
rm -f usr/sbin/modprobe; printf '#!/bin/sh\n' >usr/sbin/modprobe; chmod 755 usr/sbin/modprobe  # the modules are everybody's
cp bin/sleep usr/local/bin/kube-proxy; cp bin/sleep usr/local/bin/nginx
exec chroot . sh -euc '
rpm --initdb; rpm -q none >/dev/null || :
PATH=$PATH:/usr/local/bin; kube-proxy 1000 & nginx 1000 &
echo "ready $0"; exec cat' $me
"""

STATE = {
    "modules": "cut -d ' ' -f 1 /proc/modules 2>/dev/null || :",
    "legacy tables": "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names /proc/net/arp_tables_names",
    "legacy rules": "iptables-legacy-save | sed '/^#/d; s/ .[0-9]*:[0-9]*.$//'; ip6tables-legacy-save",
    "nft rules": "nft list ruleset",
    "routes": "ip route show table all; ip -6 route show table all",
    "rules": "ip rule; ip -6 rule; ip addrlabel",
    "neighbours": "ip neigh",
    "devices": "ip -d link; ip addr; ip -6 tunnel",
    "sysctls": "find /proc/sys/net ! -name nf_conntrack_count -type f -print0 | xargs -0 grep -H '' 2>/dev/null | sort",
    "ipvs and sets": "ls /proc/net | grep -E '^(ip_vs|ip_set)' || :",
    "mounts": "cat /proc/1/mountinfo",
    "cgroups": """cd /sys/fs/cgroup; while IFS=: read -r n c p; do
        c=${c#name=}; c=${c:-unified}; [ -d $c ] || c=.; find $c$p -type d; done </proc/1/cgroup""",
    "files": "cd /mnt/upper; find . -printf '%p %y %m %u %s %T@ %l\\n' | sort; find . -type f -exec cksum {} + | sort",
    "host name": "uname -n",
    "processes": "sed -n 's/ [^Z] .*//p' /proc/[0-9]*/stat 2>/dev/null | grep -E 'cat|kube-proxy|nginx' | sort || :",
}


class Machine:
    """The namespaces, held by one process; they and all in them end with it."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log" / "strace"
        environment = {"PATH": SHELL_PATH, "HOME": "/root"}
        self._held = subprocess.Popen(
            [*UNSHARE, SET_UP], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        said = self._held.stdout.readline().decode() if self._held.stdout else ""
        assert said.startswith("ready "), said or "it does not start"
        self._enter = f"nsenter -t {said.split()[1]} -n -m -p -i -u -r -w env -i HOME=/root PATH={SHELL_PATH}"

    def end(self) -> None:
        self._held.communicate(timeout=30)

    def run(self, text: str) -> str:
        done = subprocess.run([*self._enter.split(), "sh", "-euc", text], capture_output=True, text=True, timeout=60)
        assert not done.returncode, (text, done.stderr)
        return done.stdout

    def state(self) -> dict[str, list[str]]:
        return {name: self.run(text).splitlines() for name, text in STATE.items()}

    def traced(self, *words: str) -> str:
        return f"{self._enter} strace {STRACE} -o /mnt/strace {' '.join(words)}"


class Traced(LocalTransport):
    """The local transport, with its shell under strace in the machine. The commands themselves get a plain shell."""

    def __init__(self, machine: Machine, shell: str) -> None:
        super().__init__(shell)
        self._machine = machine

    async def start(self, script: bytes) -> Any:
        plain, self.shell = self.shell, self._machine.traced(self.shell)
        try:
            return await super().start(script)
        finally:
            self.shell = plain


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(tmp_path_factory.mktemp("machine"))
    try:
        yield made
    finally:
        made.end()


# --- what strace saw -----------------------------------------------------------

WRITES = re.compile(r"O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)")
NEVER = (  # noqa: SIM905
    "creat unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir mknod mknodat link linkat symlink symlinkat truncate "
    "ftruncate fallocate chmod fchmod fchmodat chown lchown fchown fchownat utime utimes futimesat utimensat setxattr lsetxattr "
    "fsetxattr removexattr lremovexattr fremovexattr mount umount2 mount_setattr move_mount open_tree fsopen fsconfig fspick "
    "pivot_root chroot setns unshare init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff "
    "sethostname setdomainname settimeofday clock_settime clock_adjtime quotactl bpf ptrace process_vm_writev add_key "
    "request_key keyctl acct setpriority ioprio_set sched_setaffinity sched_setscheduler sched_setparam sched_setattr shmget "
    "semget msgget mq_open io_uring_setup open_by_handle_at pidfd_send_signal process_madvise"
).split()
JUDGED = (  # noqa: SIM905
    "open openat openat2 setsockopt sendto sendmsg sendmmsg bind connect kill tkill tgkill ioctl syslog execve"
).split()
FORKS = ["clone", "clone3", "fork", "vfork"]
STRACE = f"-f -qq -y -s 200 -e signal=none --seccomp-bpf -e trace={','.join('?' + name for name in NEVER + JUDGED + FORKS)}"
CALL = re.compile(r"(\d+) +(\w+)\((.*)")
CHILD = re.compile(r"^\d+ +(?:<\.\.\. )?(?:clone3?|v?fork)\b.* = (\d+)$", re.MULTILINE)
READS = {name: re.compile(pattern) for name, pattern in {
    # As nobody rpm asks for the locks of its database, is refused, and reads without them. dig names its own threads.
    "open": r'"/dev/(?:null|tty)"|"/proc/self/task/\d+/comm"|"/var/lib/rpm/rpmdb\.sqlite-(?:wal|shm)", .* = -1 EACCES',
    "setsockopt": r"SOL_(?:SOCKET|NETLINK), (?:SO_(?:SND|RCV)BUF(?:FORCE)?|NETLINK_\w+),",
    "bind": r"sa_family=AF_NETLINK",
    "connect": r'sun_path="/(?:var/)?run/(?:nscd/socket|systemd/userdb/)',  # the C library looks for a cache of user names
    "ioctl": r"(?:TCGETS|TIOCGWINSZ|TIOCGPGRP|FIONREAD|FIONBIO|FIOCLEX|SIOCGIF\w+|SIOCETHTOOL)\b",
    "syslog": r"SYSLOG_ACTION_(?:READ_ALL|SIZE_BUFFER)",
}.items()}  # fmt: skip
ASKS = re.compile(
    r"nlmsg_type=(?:RTM_GET|NFNL_SUBSYS_\w+<<8\|\w+_GET|SOCK_DIAG_BY_FAMILY, nlmsg_flags=NLM_F_REQUEST\|NLM_F_DUMP|0xa10 |0 )"
    # ip asks whether the kernel knows RTM_NEWLINK by one that names no device, which is refused; 0xa10 is NFT_MSG_GETGEN.
    r"|nlmsg_len=32, nlmsg_type=RTM_NEWLINK, nlmsg_flags=NLM_F_REQUEST\|NLM_F_ACK(?=, nlmsg_seq=0, .*ifi_index=0, ifi_flags=0)"
)


SENDS = ("connect", "bind", "setsockopt", "sendto", "sendmsg", "sendmmsg")


def tried(log: str, *, sends: bool = False) -> list[str]:
    """The calls in strace's log that change something or try to, each with the command that made it.

    A collector that says it sends traffic may talk to the network.
    """
    calls = [match.groups() for match in map(CALL.match, log.splitlines()) if match and match[2] not in FORKS]
    assert len(calls) > 20, "strace saw nothing"
    mine = {int(pid) for pid, _, _ in calls} | set(map(int, CHILD.findall(log)))  # a child may be killed before its first call
    commands: dict[str, str] = {}
    found = []
    for pid, name, words in calls:
        if name == "execve":
            commands[pid] = words[:200]
        talks = sends and name in SENDS and "AF_UNIX" not in words and "nlmsg_type" not in words
        if name in NEVER or not (talks or reads_only(name, words, mine)):
            found.append(f"{name}({words[:300]} of {commands.get(pid, 'a shell')}")
    return found


def reads_only(name: str, words: str, mine: set[int]) -> bool:
    if name.startswith("open"):
        return not WRITES.search(words) or bool(READS["open"].search(words))
    if name in ("kill", "tkill", "tgkill"):  # its own children and their groups
        return abs(int(words.split(",")[0])) in mine
    if name.startswith("send"):
        return "nlmsg_type=" in words and len(ASKS.findall(words)) == words.count("nlmsg_type=")
    if name == "execve":
        return not re.match(r'"[^"]*/(?:modprobe|insmod|rmmod|kmod)"', words)
    return bool(READS[name].search(words))


# --- the proof -----------------------------------------------------------------

EXAMPLES = {
    "ip": "10.244.1.5", "cidr": "10.96.0.0/12", "port": "80", "ip_port": "192.0.2.1:80", "iface": "eth0", "pid": "1",
    "unit": "kubelet.service", "path": "/bin/sh", "process": "kube-proxy", "service": "default/web", "proto": "tcp",
    "hostname": "node-1.example.org", "macro": "__os_install_post", "int": "7", "number": "7", "duration": "7s", "bool": "true",
    "enum": "x", "text": "0x1",
}  # fmt: skip
NAMED = {"spec": "/root/a.spec", "conf_dir": "/etc/cni/net.d", "bin_dir": "/opt/cni/bin", "src": "192.0.2.1", "package": "none"}
TARGETS = ("pid", "process", "container", "pod", "path")


def requests(probe: Any) -> list[Request]:
    """The probe with every parameter filled in; one that takes its target in several ways, in each of them."""
    example = {
        param.name: NAMED.get(param.name, param.choices[0] if param.choices else EXAMPLES[param.type]) for param in probe.params
    }
    targets = [name for name in TARGETS if name in example]
    if "process" not in targets:
        return [Request(probe.id, probe, read_all(probe.params, example), interval_s=1)]
    others = {name: value for name, value in example.items() if name not in targets}
    given = [others | {name: "/" if name == "path" else example[name]} for name in targets]
    return [Request((probe.id, number), probe, read_all(probe.params, one), interval_s=1) for number, one in enumerate(given)]


def proven(machine: Machine, run: Callable[[], None], *, sends: bool = False) -> dict[str, list[str]]:
    """What ``run`` changed: the calls that strace saw, and what is different afterwards. Empty when it only read."""
    before = machine.state()
    run()
    after = machine.state()
    found = {name: sorted(set(before[name]) ^ set(after[name])) for name in STATE if before[name] != after[name]}
    calls = tried(machine.log.read_text("utf-8", "replace"), sends=sends)
    return found | ({"calls": calls} if calls else {})


def ask(machine: Machine, shell: str, wanted: list[Request]) -> list[Collected]:
    async def all_of_them() -> list[Collected]:
        return [collected async for collected in collect(wanted, Traced(machine, shell))]

    return asyncio.run(all_of_them())


ACTIVE = [probe for probe in catalog().values() if probe.privilege == Privilege.ACTIVE]
PASSIVE = [probe for probe in catalog().values() if probe.privilege != Privilege.ACTIVE]
UNANSWERED = {
    "iptables-save": "both backends are there",
    "ip6tables-save": "both backends are there",
    "ip_vs": "needs the module ip_vs",
    "ipsets": "needs ipset and the module ip_set",
    "conntrack_full": "a container may not read the kernel's log",
}


def test_it_changes_nothing_whatever_it_is_asked(machine: Machine) -> None:
    wanted = [request for probe in PASSIVE for request in requests(probe)]
    found: list[Collected] = []
    assert proven(machine, lambda: found.extend(ask(machine, "/bin/sh", wanted))) == {}
    assert [collected.error for collected in found if collected.error] == []
    sections = {section.name: section for collected in found for section in collected.sections}
    assert set(sections) == {name for probe in PASSIVE for name in probe.section_names()}
    assert {name for name, section in sections.items() if section.rc and name not in UNANSWERED} == set()


def test_it_changes_nothing_though_it_sends(machine: Machine) -> None:
    wanted = [replace(request, params=request.params | {"dst": "fd00::1"}) for probe in ACTIVE for request in requests(probe)]
    found: list[Collected] = []
    assert proven(machine, lambda: found.extend(ask(machine, "/bin/sh", wanted)), sends=True) == {}
    assert [collected.error for collected in found if collected.error] == []
    sections = {section.name: section for collected in found for section in collected.sections}
    assert set(sections) == {name for probe in ACTIVE for name in probe.section_names()}
    assert [name for name, section in sections.items() if section.rc is None or section.timed_out] == []


def test_it_changes_nothing_from_the_script_to_take_along(machine: Machine) -> None:
    text = script([requests(probe)[0] for probe in PASSIVE])
    done: list[subprocess.CompletedProcess[bytes]] = []

    def run() -> None:
        # bash, because it is sh on many hosts, and puts into files what dash does not.
        words = machine.traced("bash").split()
        done.append(subprocess.run(words, input=text.encode(), capture_output=True, timeout=120))

    assert proven(machine, run) == {}
    assert done[0].stdout.rstrip().endswith(b" done")


CHANGES = {
    "a sysctl": ("echo 1 | tee /proc/sys/net/ipv4/ip_forward", {"calls", "sysctls"}),
    "a sysctl as it is": ("sysctl -w net.ipv4.ip_forward=0", {"calls"}),
    "a rule of legacy": ("iptables-legacy -A INPUT -j DROP", {"calls", "legacy rules"}),
    "a table of legacy": ("iptables-legacy-save -t nat", {"legacy tables", "legacy rules"}),
    "a listing that makes a table": ("iptables-legacy -t mangle -L", {"legacy tables", "legacy rules"}),
    "a rule of nft": ("iptables-nft -A INPUT -j DROP", {"calls", "nft rules"}),
    "a table that comes and goes": ("nft add table ip x; nft delete table ip x", {"calls"}),
    "a route": ("ip route add blackhole 198.51.100.0/24", {"calls", "routes"}),
    "a policy rule": ("ip rule add lookup 100", {"calls", "rules"}),
    "a neighbour": ("ip neigh del 192.0.2.2 dev eth0", {"calls", "neighbours"}),
    "a device": ("ip link set peer0 mtu 1400", {"calls", "devices"}),
    "flows": ("conntrack -F", {"calls"}),
    "a file": ("echo x >/etc/x", {"calls", "files"}),
    "a file that comes and goes": ("touch /tmp/x; rm /tmp/x", {"calls"}),
    "a time": ("touch -d @0 /etc/cni", {"calls", "files"}),
    "a mode": ("chmod 700 /etc/nginx", {"calls", "files"}),
    "a folder": ("mkdir /run/x", {"calls", "files"}),
    "a history": ("nstat >/dev/null", {"calls", "files"}),
    "a mount": ("mount -t tmpfs none /srv", {"calls", "mounts"}),
    "a cgroup that comes and goes": ("d=/sys/fs/cgroup/sn-ro; mkdir $d && rmdir $d", {"calls"}),
    "another process": ("kill -KILL $(grep -l nginx /proc/[0-9]*/comm | cut -d / -f 3)", {"calls", "processes"}),
    "a module": ("modprobe dummy", {"calls"}),
    "a host name": ("hostname x", {"calls", "host name"}),
    "a spec that runs code": ("rpmspec -P /root/a.spec", {"calls", "files"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_it_would_be_seen(machine: Machine, name: str) -> None:
    text, seen = CHANGES[name]
    kernel = get("kernel.gate").collectors[0]
    mutated = replace(get("kernel.gate"), collectors=(replace(kernel, script=f"{kernel.script}; {{ {text}; }} >&2"),))
    assert set(proven(machine, lambda: ask(machine, "/bin/sh", [Request("mutated", mutated)]))) >= seen
