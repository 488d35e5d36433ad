"""The ipv6 family against a real kernel: copied switches, router advertisements, duplicates, sockets, neighbour discovery.

Each laboratory is two network namespaces joined by veth; nothing outside them is touched.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from checks.analyzers.ipv6_drift import COPIED, replay
from checks.analyzers.ipv6_input import Incoming, fate_of
from checks.analyzers.ipv6_ports import ports_of
from checks.catalog import get
from checks.collectors.base import PRELUDE, Collector
from checks.collectors.ip import ADDR, ROUTE6
from checks.collectors.iptables import NFT6
from checks.collectors.ipv6 import LISTENERS, SWITCHES
from checks.parsers.ip_route import parse_routes
from checks.parsers.iptables_save import read as read_rules
from checks.parsers.ipv6_switches import Switches, parse_switches
from checks.parsers.ss_listeners import parse_listeners
from checks.parsers.sysctl_conf import Setting
from checks.results import Section, Verdict

pytestmark = pytest.mark.needs("iproute2")

ADVERTISE = """
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
dev = socket.if_nametoindex("eth0")
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, dev)
s.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0, 0, dev))
"""
LISTEN = """
import socket, sys
kept = []
for word in sys.argv[1:]:
    address, port, only = word.split(",")
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if only: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only))
    s.bind((address, int(port))); s.listen(); kept.append(s)
print("ready", flush=True); sys.stdin.read()
"""
SEND = "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('2001:db8:1::5', 9))"


@dataclass
class Lab:
    """Two namespaces: ``host`` is looked at, ``peer`` is its router and neighbour."""

    host: str
    peer: str

    def run(self, *command: str, on: str = "", check: bool = True) -> str:
        done = subprocess.run(["ip", "netns", "exec", on or self.host, *command], capture_output=True, text=True, check=check)
        return done.stdout

    def set(self, dev: str, name: str, value: int, on: str = "") -> None:
        self.run("sh", "-c", f"echo {value} > /proc/sys/net/ipv6/conf/{dev}/{name}", on=on)

    def collect(self, collector: Collector, shell: str = "sh") -> str:
        command = ["ip", "netns", "exec", self.host, *shell.split(), "-s"]
        text = PRELUDE + collector.script
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout

    def switches(self) -> Switches:
        return parse_switches(self.collect(SWITCHES))

    def wait(self, holds: Callable[[], bool], seconds: float = 4) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if holds():
                return True
            time.sleep(0.05)
        return False


@pytest.fixture(scope="module")
def lab(make_namespace: Callable[[str], str]) -> Lab:
    made = Lab(make_namespace("v6host"), make_namespace("v6peer"))
    for name in (made.host, made.peer):
        made.run("ip", "link", "set", "lo", "up", on=name)
        made.set("default", "accept_dad", 0, on=name)
    made.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", made.peer)
    for name in (made.host, made.peer):
        made.run("ip", "link", "set", "eth0", "up", on=name)
    made.run("ip", "addr", "add", "2001:db8:1::5/64", "dev", "eth0", "nodad")
    made.run("ip", "addr", "add", "2001:db8:1::1/64", "dev", "eth0", "nodad", on=made.peer)
    return made


@pytest.mark.parametrize("seed", range(12))
def test_it_replays_sysctl_files_as_the_kernel_does(lab: Lab, seed: int) -> None:
    chance = random.Random(seed)
    settings = [
        Setting(f"net/ipv6/conf/{dev}/{name}", str(value), "/etc/sysctl.conf", number, number)
        for number in range(1, 9)
        for dev, name, value in [
            (
                chance.choice(["all", "default", "eth0", "lo"]),
                chance.choice(["disable_ipv6", "forwarding", "accept_ra"]),
                number % 2,
            )
        ]
    ]
    for name in (*COPIED, "accept_ra"):
        for dev in ("all", "default", "eth0", "lo"):
            lab.set(dev, name, 0)
    for setting in settings:
        _, _, _, dev, name = setting.key.split("/")
        lab.set(dev, name, int(setting.value or 0))
    actual = lab.switches()
    wanted = {(one.dev, one.name): one.value for one in replay(settings, ("all", "default", "eth0", "lo"))}
    assert {key: actual.own(*key) for key in wanted} == wanted
    lab.set("all", "disable_ipv6", 0)
    lab.run("ip", "addr", "replace", "2001:db8:1::5/64", "dev", "eth0", "nodad")


@pytest.mark.parametrize("accept", [0, 1, 2])
@pytest.mark.parametrize("forwards", [0, 1])
@pytest.mark.parametrize(("every", "defaults"), [(0, 1), (1, 1), (0, 0)])
def test_it_knows_when_the_kernel_hears_its_router(lab: Lab, accept: int, forwards: int, every: int, defaults: int) -> None:
    lab.set("all", "forwarding", every)
    lab.set("eth0", "forwarding", forwards)
    lab.set("eth0", "accept_ra", accept)
    lab.set("eth0", "accept_ra_defrtr", defaults)
    lab.run("ip", "-6", "route", "flush", "default", check=False)
    hears = lab.switches().hears_routers("eth0")
    lab.run(sys.executable, "-c", ADVERTISE, on=lab.peer)

    def there() -> bool:
        return any(route.is_default and route.proto == "ra" for route in parse_routes(lab.collect(ROUTE6), 6).routes)

    assert lab.wait(there, 4 if hears else 0.4) is hears
    for dev, name, value in (("all", "forwarding", 0), ("eth0", "accept_ra", 1), ("eth0", "accept_ra_defrtr", 1)):
        lab.set(dev, name, value)


def test_it_sees_that_another_host_owns_the_address(lab: Lab) -> None:
    lab.set("all", "accept_dad", 1)
    lab.set("eth0", "accept_dad", 1)
    lab.run("ip", "addr", "add", "2001:db8:1::9/64", "dev", "eth0", "nodad", on=lab.peer)
    lab.run("ip", "addr", "add", "2001:db8:1::9/64", "dev", "eth0")
    assert lab.wait(lambda: "dadfailed" in lab.collect(ADDR))
    result = get("ipv6.addr").evaluate([Section("addr", lab.collect(ADDR).encode())])
    assert [finding.rule for finding in result.findings if finding.verdict == Verdict.CRIT] == ["duplicate"]
    lab.run("ip", "addr", "del", "2001:db8:1::9/64", "dev", "eth0")
    lab.set("eth0", "accept_dad", 0)


@pytest.mark.parametrize("with_ss", [True, False])
def test_it_reads_the_sockets_that_are_there(lab: Lab, with_ss: bool) -> None:
    words = ["::,80,0", "::,443,1", "0.0.0.0,443,", "0.0.0.0,22,", "::1,631,", "::ffff:127.0.0.1,8080,0", "2001:db8:1::5,853,"]
    command = ["ip", "netns", "exec", lab.host, sys.executable, "-c", LISTEN, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        script = LISTENERS.script if with_ss else f"ss() {{ return 127; }}\n{LISTENERS.script}"
        text = subprocess.run(
            ["ip", "netns", "exec", lab.host, "sh", "-s"], input=PRELUDE + script, capture_output=True, text=True, check=True
        ).stdout
        server.communicate("")
    ports = ports_of(parse_listeners(text))
    assert {number: port.over6 for number, port in ports.items()} == {
        22: False, 80: True, 443: True, 631: False, 853: True, 8080: False,
    }  # fmt: skip
    assert ports[80].over4 is (True if with_ss else None)
    assert ports[443].over4 is True


ICMP6 = "-A INPUT -p icmpv6"
RULES = {
    "none": (),
    "policy": ("-P INPUT DROP",),
    "related": ("-P INPUT DROP", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
    "untracked": ("-P INPUT DROP", "-A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT"),
    "invalid": ("-A INPUT -m conntrack --ctstate INVALID -j DROP",),
    "icmp": ("-P INPUT DROP", f"{ICMP6} -j ACCEPT"),
    "type": ("-P INPUT DROP", f"{ICMP6} --icmpv6-type 135 -m hl --hl-eq 255 -j ACCEPT"),
    "other_type": ("-P INPUT DROP", f"{ICMP6} --icmpv6-type 136 -j ACCEPT"),
    "dropped_type": (f"{ICMP6} --icmpv6-type neighbour-solicitation -j DROP",),
    "chain": ("-P INPUT DROP", "-N mine", "-A INPUT -j mine", "-A mine -p tcp -j DROP", "-A mine -j ACCEPT"),
    "not_tcp": ("-P INPUT DROP", "-A INPUT ! -p tcp -j ACCEPT"),
}


@pytest.mark.needs("iptables")
@pytest.mark.parametrize("name", RULES)
def test_it_follows_neighbour_discovery_as_the_kernel_does(lab: Lab, name: str) -> None:
    for rule in ("-P INPUT ACCEPT", "-F", "-X", *RULES[name]):
        lab.run("ip6tables", *rule.split())
    fate = fate_of(Incoming(icmp=135), read_rules(lab.collect(NFT6))[0])
    lab.run("ip", "-6", "neigh", "flush", "dev", "eth0", on=lab.peer)
    lab.run(sys.executable, "-c", SEND, on=lab.peer)

    def found() -> bool:
        return "lladdr" in lab.run("ip", "-6", "neigh", "show", "2001:db8:1::5", on=lab.peer)

    answered = lab.wait(found, 4 if fate.end == "accept" else 0.5)
    assert fate.end == ("accept" if answered else "drop")
    for rule in ("-P INPUT ACCEPT", "-F", "-X"):
        lab.run("ip6tables", *rule.split())


@pytest.mark.needs("busybox")
@pytest.mark.needs("bash")
@pytest.mark.parametrize("collector", [SWITCHES, LISTENERS, ADDR, ROUTE6], ids=lambda collector: collector.name)
def test_it_prints_the_same_in_every_shell(lab: Lab, collector: Collector) -> None:
    assert len({lab.collect(collector, shell) for shell in ("sh", "busybox sh", "bash")}) == 1
