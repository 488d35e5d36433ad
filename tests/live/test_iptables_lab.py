"""The worked example on real network namespaces: the trace says what the kernel then does, with both iptables backends and nft.

A node, a pod on it, two endpoints on another node and someone outside, joined by veth pairs; the rules are the golden dump.
"""

from __future__ import annotations

import math
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checks.collectors.base import PRELUDE
from checks.collectors.ip import ADDR, ROUTE4, RULE4
from checks.collectors.iptables import KNOBS, LEGACY4, NFT4, NFT_KP
from checks.params import read_all
from checks.probes.base import Probe
from checks.probes.iptables import SAVE
from checks.probes.iptables_trace import TRACE
from checks.probes.nft import KUBEPROXY
from checks.results import ProbeResult, Section, Verdict

pytestmark = [
    pytest.mark.needs("iptables"),
    pytest.mark.needs("conntrack"),
    pytest.mark.needs("iproute2"),
    pytest.mark.usefixtures("root"),
]

CASES = Path(__file__).parents[1] / "cases" / "probes"
RULES = (CASES / "iptables.save" / "healthy" / "iptables-nft-save").read_text("utf-8")
NODE, OUTSIDE, POD, OTHER, SERVICE = "192.168.105.131", "192.168.105.132", "172.19.1.10", "172.19.2.10", "10.96.23.5"
LAST = '-A KUBE-SVC-I6F7J7E256H6PY43 -m comment --comment "prod/web:http -> 172.19.2.10:8081" -j KUBE-SEP-A5UTMTWXRQ7O4QWF\n'
FRONT = "-A KUBE-SERVICES -d 10.96.23.5/32 -p tcp"
INVALID = "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP"

SERVER = """
import socket, sys, selectors
chosen = selectors.DefaultSelector()
for word in sys.argv[1:]:
    ip, port = word.rsplit(":", 1)
    listener = socket.create_server((ip, int(port)), backlog=256)
    chosen.register(listener, selectors.EVENT_READ, word)
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        connection, peer = key.fileobj.accept()
        connection.sendall(f"{key.data} {peer[0]}".encode())
        connection.close()
"""
CLIENT = """
import socket, sys, errno
ip, port, count, source, wait = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], float(sys.argv[5])
for _ in range(count):
    try:
        with socket.create_connection((ip, port), timeout=wait, source_address=(source, 0) if source else None) as connection:
            print(connection.recv(100).decode())
    except TimeoutError:
        print("timeout")
    except OSError as error:
        print(errno.errorcode.get(error.errno, error))
"""


def sh(*words: str, text: str | None = None) -> str:
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


class Lab:
    """Four namespaces and two servers."""

    def __init__(self) -> None:
        self.names = {name: f"sn-ipt-{os.getpid()}-{name}" for name in ("node", "pod", "far", "out")}
        self.servers: list[subprocess.Popen[str]] = []

    def inside(self, name: str, *words: str, text: str | None = None) -> str:
        return sh("ip", "netns", "exec", self.names[name], *words, text=text)

    def build(self) -> None:
        for name in self.names.values():
            sh("ip", "netns", "add", name)
            sh("ip", "-n", name, "link", "set", "lo", "up")
        for name, device, here, there in (
            ("pod", "cni0", "172.19.1.1/24", f"{POD}/24"),
            ("far", "far0", "172.19.2.1/24", f"{OTHER}/24"),
            ("out", "eth0", f"{NODE}/24", f"{OUTSIDE}/24"),
        ):
            sh(
                "ip",
                "-n",
                self.names["node"],
                "link",
                "add",
                device,
                "type",
                "veth",
                "peer",
                "name",
                "e",
                "netns",
                self.names[name],
            )
            sh("ip", "-n", self.names["node"], "addr", "add", here, "dev", device)
            sh("ip", "-n", self.names["node"], "link", "set", device, "up")
            sh("ip", "-n", self.names[name], "addr", "add", there, "dev", "e")
            sh("ip", "-n", self.names[name], "link", "set", "e", "up")
            sh("ip", "-n", self.names[name], "route", "add", "default", "via", here.partition("/")[0])
        sh("ip", "-n", self.names["node"], "route", "add", "default", "via", OUTSIDE)
        self.inside("node", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/icmp_ratelimit")
        for name, ends in (("pod", [f"{POD}:8080"]), ("far", [f"{OTHER}:8080", f"{OTHER}:8081"])):
            command = ["ip", "netns", "exec", self.names[name], "python3", "-c", SERVER, *ends]
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            self.servers.append(server)
            assert server.stdout
            assert server.stdout.readline() == "ready\n"

    def remove(self) -> None:
        for server in self.servers:
            server.kill()
            server.wait()
            if server.stdout:
                server.stdout.close()
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def flush(self) -> None:
        for backend in ("nft", "legacy"):
            for table in ("filter", "nat", "mangle"):
                self.inside("node", f"iptables-{backend}", "-t", table, "-P", "OUTPUT", "ACCEPT")
            self.inside("node", f"iptables-{backend}-restore", text="*filter\nCOMMIT\n*nat\nCOMMIT\n*mangle\nCOMMIT\n")
        self.inside("node", "conntrack", "-F")  # a connection that comes back from an earlier port keeps its way

    def restore(self, backend: str, *changes: tuple[str, str]) -> None:
        self.flush()
        text = RULES
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.inside("node", f"iptables-{backend}-restore", text=text)

    def sections(self, *collectors: Any) -> list[Section]:
        found = []
        for each in collectors:
            command = ["ip", "netns", "exec", self.names["node"], "sh", "-c", PRELUDE + each.script]
            done = subprocess.run(command, capture_output=True, check=False)
            found.append(Section(each.name, done.stdout, done.stderr, done.returncode))
        return found

    def ask(self, probe: Probe, *collectors: Any, **params: Any) -> ProbeResult:
        return probe.evaluate(self.sections(*collectors), read_all(probe.params, params))

    def trace(self, backend: str, src: str, dst: str, dport: int, origin: str = "pod") -> ProbeResult:
        save = NFT4 if backend == "nft" else LEGACY4
        return self.ask(TRACE, save, ADDR, ROUTE4, RULE4, KNOBS, src=src, dst=dst, dport=dport, origin=origin)

    def connect(self, name: str, ip: str, port: int, count: int = 1, source: str = "", wait: float = 5) -> Counter[str]:
        """What ``count`` connections were told, each given ``wait`` seconds: short where some must fail."""
        out = self.inside(name, "python3", "-c", CLIENT, ip, str(port), str(count), source, str(wait))
        return Counter(out.split("\n")[:-1])


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    built = Lab()
    try:
        built.build()
        yield built
    finally:
        built.remove()


def expected(result: ProbeResult, own: Callable[[str], str], client: str) -> dict[str, float]:
    """What servers will say: their address and the client's as they see it, with the share of each."""
    assert result.facts["sum_probability"] == pytest.approx(1)
    found: dict[str, float] = {}
    for branch in result.facts["branches"]:
        assert branch["verdict"] == "ACCEPT", branch
        seen = own(branch["dnat_ip"]) if branch["snat"] == "MASQUERADE" else client
        found[f"{branch['dnat_ip']}:{branch['dnat_port']} {seen}"] = branch["probability"]
    return found


def node_side(ip: str) -> str:
    """The node's own address on the way to an endpoint: what masquerading writes."""
    return "172.19.1.1" if ip.startswith("172.19.1.") else "172.19.2.1"


def fits(said: Counter[str], shares: dict[str, float]) -> None:
    total = sum(said.values())
    assert set(said) == set(shares)
    for end, share in shares.items():
        spread = math.sqrt(total * share * (1 - share))
        assert abs(said[end] - total * share) <= 5 * spread + 1, f"{end}: {said[end]} of {total}, expected {share:.3f}"


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_it_agrees_with_the_kernel_for_a_pod_with_hairpin(lab: Lab, backend: str) -> None:
    lab.restore(backend)
    result = lab.trace(backend, POD, SERVICE, 80)
    shares = expected(result, node_side, POD)
    assert shares.keys() == {f"{POD}:8080 172.19.1.1", f"{OTHER}:8080 {POD}", f"{OTHER}:8081 {POD}"}
    fits(lab.connect("pod", SERVICE, 80, 600), shares)


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_it_agrees_for_the_host_and_for_a_node_port(lab: Lab, backend: str) -> None:
    lab.restore(backend)
    fits(lab.connect("node", SERVICE, 80, 150, NODE), expected(lab.trace(backend, NODE, SERVICE, 80, "host"), node_side, NODE))
    fits(lab.connect("out", NODE, 30080, 150), expected(lab.trace(backend, OUTSIDE, NODE, 30080, "external"), node_side, OUTSIDE))


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_it_agrees_where_there_are_no_endpoints(lab: Lab, backend: str) -> None:
    reject = f'{FRONT} -m comment --comment "prod/web:http has no endpoints" -m tcp --dport 80 -j REJECT'
    lab.restore(backend, (FRONT, FRONT.replace("10.96.23.5", "10.96.99.9")), (INVALID, f"{INVALID}\n{reject}"))
    for name, src, origin in (("pod", POD, "pod"), ("node", NODE, "host")):
        result = lab.trace(backend, src, SERVICE, 80, origin)
        assert [finding.rule for finding in result.findings if finding.verdict is Verdict.CRIT] == ["K15"]
        assert lab.connect(name, SERVICE, 80) == {"ECONNREFUSED": 1}


def test_it_agrees_on_a_leak(lab: Lab) -> None:
    lab.restore("nft", (LAST, ""))
    result = lab.trace("nft", POD, SERVICE, 80)
    leaks = [branch["probability"] for branch in result.facts["branches"] if branch["dnat_ip"] is None]
    assert leaks == [pytest.approx(1 / 3)]
    said = lab.connect("pod", SERVICE, 80, 24, wait=0.4)
    lost = sum(count for end, count in said.items() if not end.startswith("172."))
    assert 0 < lost < 20


def test_it_agrees_on_session_affinity(lab: Lab) -> None:
    svc, sep = "KUBE-SVC-I6F7J7E256H6PY43", "KUBE-SEP-A5UTMTWXRQ7O4QWF"
    first = f'-A {svc} -m comment --comment "prod/web:http -> 172.19.1.10:8080"'
    recent = f"--name {sep} --mask 255.255.255.255 --rsource"
    sticky = f"-A {svc} -m recent --rcheck --seconds 10800 --reap {recent} -j {sep}\n{first}"
    dnat = f'-A {sep} -p tcp -m comment --comment "prod/web:http" -m tcp'
    filling = f'-A {sep} -p tcp -m comment --comment "prod/web:http" -m recent --set {recent} -m tcp'
    lab.restore("legacy", (first, sticky), (dnat, filling))
    assert len(lab.trace("legacy", POD, SERVICE, 80).facts["branches"]) == 3
    said = lab.connect("pod", SERVICE, 80, 60)
    assert said[f"{OTHER}:8081 {POD}"] > 40, "once there, the client stays"


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_it_agrees_where_forward_drops_what_is_not_marked(lab: Lab, backend: str) -> None:
    lab.restore(backend)
    lab.inside("node", f"iptables-{backend}", "-P", "FORWARD", "DROP")
    result = lab.trace(backend, POD, OTHER, 8080)
    assert [finding.rule for finding in result.findings if finding.verdict is Verdict.CRIT] == ["K25"]
    assert lab.connect("pod", OTHER, 8080, wait=0.4) == {"timeout": 1}
    assert lab.ask(SAVE, NFT4 if backend == "nft" else LEGACY4).facts["faults"] == ["K25"]
    lab.inside("node", f"iptables-{backend}", "-A", "FORWARD", "-s", "172.19.0.0/16", "-j", "ACCEPT")
    assert lab.trace(backend, POD, OTHER, 8080).verdict is Verdict.OK
    assert lab.connect("pod", OTHER, 8080) == {f"{OTHER}:8080 {POD}": 1}
    lab.inside("node", f"iptables-{backend}", "-P", "FORWARD", "ACCEPT")


def test_it_agrees_on_loopback(lab: Lab) -> None:
    lab.restore("nft")
    result = lab.trace("nft", "127.0.0.1", "127.0.0.1", 30080, "host")
    assert {branch["verdict"] for branch in result.facts["branches"]} == {"timeout"}
    assert lab.connect("node", "127.0.0.1", 30080, 3, wait=0.4) == {"timeout": 3}
    lab.inside("node", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet")
    try:
        shares = expected(lab.trace("nft", "127.0.0.1", "127.0.0.1", 30080, "host"), node_side, "127.0.0.1")
        fits(lab.connect("node", "127.0.0.1", 30080, 60), shares)
    finally:
        lab.inside("node", "sh", "-c", "echo 0 > /proc/sys/net/ipv4/conf/all/route_localnet")


def test_it_agrees_without_a_default_route(lab: Lab) -> None:
    lab.restore("nft")
    sh("ip", "-n", lab.names["node"], "route", "del", "default")
    try:
        result = lab.trace("nft", NODE, SERVICE, 80, "host")
        assert [finding.rule for finding in result.findings if finding.verdict is Verdict.CRIT] == ["K44"]
        assert lab.connect("node", SERVICE, 80) == {"ENETUNREACH": 1}
    finally:
        sh("ip", "-n", lab.names["node"], "route", "add", "default", "via", OUTSIDE)


def test_it_agrees_on_an_endpoint_without_a_route(lab: Lab) -> None:
    lab.restore("nft")
    sh("ip", "-n", lab.names["node"], "route", "add", "unreachable", f"{OTHER}/32")
    try:
        result = lab.ask(SAVE, NFT4, ROUTE4, RULE4)
        shares = [finding.value for finding in result.findings if finding.rule == "K13"]
        assert shares == [pytest.approx(1 / 3, abs=1e-3)] * 2
        said = lab.connect("pod", SERVICE, 80, 24, wait=0.4)
        lost = {"EHOSTUNREACH", "timeout"}  # the kernel sends only some of the ICMP errors
        assert set(said) - lost == {f"{POD}:8080 172.19.1.1"}
        assert "EHOSTUNREACH" in said
    finally:
        sh("ip", "-n", lab.names["node"], "route", "del", "unreachable", f"{OTHER}/32")


def test_it_finds_both_backends_at_once(lab: Lab) -> None:
    lab.restore("nft")
    lab.inside("node", "iptables-legacy-restore", text=RULES.replace("172.19.2.10:8081", "172.19.2.99:8081"))
    result = lab.ask(SAVE, NFT4, LEGACY4)
    assert [finding.rule for finding in result.findings if finding.verdict is Verdict.CRIT] == ["K01"]
    assert {line.section for finding in result.findings[:1] for line in finding.evidence} == {NFT4.name, LEGACY4.name}


def test_it_finds_nothing_wrong_with_the_node_as_a_whole(lab: Lab) -> None:
    lab.restore("nft")
    collectors = [each for each in SAVE.collectors if not each.only_if]
    result = lab.ask(SAVE, *collectors)
    bad = [(finding.rule, finding.say) for finding in result.findings if finding.verdict in (Verdict.WARN, Verdict.CRIT)]
    assert (bad, result.verdict) == ([], Verdict.OK), result.finding


def test_it_takes_an_empty_backend_for_an_empty_one(lab: Lab) -> None:
    lab.restore("nft")
    legacy = lab.sections(LEGACY4)[0]
    assert legacy.text.rstrip().endswith("# End of rules")
    assert lab.ask(SAVE, NFT4, LEGACY4).verdict is Verdict.OK


@pytest.mark.needs("nftables")
def test_it_agrees_in_nftables_mode(lab: Lab, tmp_path: Path) -> None:
    lab.flush()
    rules = tmp_path / "kube-proxy.nft"
    rules.write_text(NFTABLES, "utf-8")
    lab.inside("node", "nft", "-f", str(rules))
    try:
        for name, src, dst, port, origin, own in (
            ("pod", POD, SERVICE, 80, "pod", POD),
            ("node", NODE, SERVICE, 80, "host", NODE),
            ("out", OUTSIDE, NODE, 30080, "external", OUTSIDE),
        ):
            result = lab.ask(KUBEPROXY, NFT_KP, ADDR, ROUTE4, RULE4, KNOBS, src=src, dst=dst, dport=port, origin=origin)
            fits(lab.connect(name, dst, port, 100, src if name == "node" else ""), expected(result, node_side, own))
        refused = lab.ask(KUBEPROXY, NFT_KP, ADDR, ROUTE4, RULE4, src=POD, dst=SERVICE, dport=81)
        assert refused.facts["branches"][0]["verdict"] == "REJECT"
        assert lab.connect("pod", SERVICE, 81) == {"ECONNREFUSED": 1}
    finally:
        lab.inside("node", "nft", "delete", "table", "ip", "kube-proxy")


NFTABLES = """
table ip kube-proxy {
	set cluster-ips { type ipv4_addr; elements = { 10.96.23.5 } }
	set nodeport-ips { type ipv4_addr; elements = { 192.168.105.131 } }
	map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.96.23.5 . tcp . 80 : goto service-A-prod/web/tcp/http } }
	map service-nodeports { type inet_proto . inet_service : verdict; elements = { tcp . 30080 : goto external-A-prod/web/tcp/http } }
	chain filter-forward { type filter hook forward priority -110; ct state new jump cluster-ips-check; }
	chain filter-output-post-dnat { type filter hook output priority -90; ct state new jump cluster-ips-check; }
	chain nat-prerouting { type nat hook prerouting priority -100; jump services; }
	chain nat-output { type nat hook output priority -100; jump services; }
	chain nat-postrouting { type nat hook postrouting priority 100; jump masquerading; }
	chain cluster-ips-check { ip daddr @cluster-ips reject; }
	chain services { ip daddr . meta l4proto . th dport vmap @service-ips; ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports; }
	chain masquerading { meta mark & 0x00004000 == 0x00000000 return; meta mark set meta mark ^ 0x00004000; masquerade fully-random; }
	chain mark-for-masquerade { meta mark set meta mark | 0x00004000; }
	chain service-A-prod/web/tcp/http { ip daddr 10.96.23.5 tcp dport 80 ip saddr != 172.19.0.0/16 jump mark-for-masquerade; numgen random mod 2 vmap { 0 : goto endpoint-B-prod/web/tcp/http__172.19.1.10/8080, 1 : goto endpoint-C-prod/web/tcp/http__172.19.2.10/8080 }; }
	chain external-A-prod/web/tcp/http { jump mark-for-masquerade; goto service-A-prod/web/tcp/http; }
	chain endpoint-B-prod/web/tcp/http__172.19.1.10/8080 { ip saddr 172.19.1.10 jump mark-for-masquerade; meta l4proto tcp dnat to 172.19.1.10:8080; }
	chain endpoint-C-prod/web/tcp/http__172.19.2.10/8080 { ip saddr 172.19.2.10 jump mark-for-masquerade; meta l4proto tcp dnat to 172.19.2.10:8080; }
}
"""  # noqa: E501
