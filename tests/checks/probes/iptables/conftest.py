"""Rule sets as kube-proxy of any version from 1.2 to 1.31 writes them, beside the chains of common network plugins."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from checks.probes.base import Probe, Report
from checks.results import ProbeResult, Section

CIDR = "10.244.0.0/16"
NODE = "192.0.2.10"


def _hash(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:16]


class Node:
    """Collects the lines of a node's tables."""

    def __init__(self, minor: int, cidr: str = CIDR, detector: str = f"! -s {CIDR} ") -> None:
        self.minor, self.cidr, self.detector = minor, cidr, detector
        self.policy = {"FORWARD": "ACCEPT"}
        self.chains: dict[str, list[str]] = {"nat": [], "filter": [], "mangle": []}
        self.base: dict[str, list[str]] = {"nat": [], "filter": [], "mangle": []}
        self.rules: dict[str, list[str]] = {"nat": [], "filter": [], "mangle": []}
        self.services: list[str] = []

    def chain(self, table: str, *names: str) -> None:
        for name in names:
            if name not in self.chains[table]:
                self.chains[table].append(name)

    def add(self, table: str, *rules: str) -> None:
        for rule in rules:
            built_in = rule.split()[1] in ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
            (self.base if built_in else self.rules)[table].append(rule)

    def comment(self, text: str) -> str:
        return f'-m comment --comment "{text}" '

    def name(self, service: str) -> str:
        return f"{service}:" if ":" not in service and self.minor < 20 else service

    def skeleton(self) -> None:
        new = self.minor >= 10
        self.chain("nat", "KUBE-MARK-MASQ", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-SERVICES")
        self.chain("filter", "KUBE-SERVICES", "KUBE-FIREWALL")
        portals = self.comment("kubernetes service portals")
        self.add("nat", f"-A PREROUTING {portals}-j KUBE-SERVICES", f"-A OUTPUT {portals}-j KUBE-SERVICES")
        self.add("nat", f"-A POSTROUTING {self.comment('kubernetes postrouting rules')}-j KUBE-POSTROUTING")
        self.add("nat", "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000")
        snat = self.comment("kubernetes service traffic requiring SNAT")
        fully = " --random-fully" if self.minor >= 16 else ""
        if self.minor >= 19:
            self.add("nat", "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN")
            self.add(
                "nat", "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0", f"-A KUBE-POSTROUTING {snat}-j MASQUERADE{fully}"
            )
        else:
            self.add("nat", f"-A KUBE-POSTROUTING {snat}-m mark --mark 0x4000/0x4000 -j MASQUERADE{fully}")
        state = "-m conntrack --ctstate NEW " if new else ""
        if self.minor < 27:
            self.chain("nat", "KUBE-MARK-DROP")
            self.add("nat", "-A KUBE-MARK-DROP -j MARK --set-xmark 0x8000/0x8000")
            drop = self.comment("kubernetes firewall for dropping marked packets")
            self.add("filter", f"-A KUBE-FIREWALL {drop}-m mark --mark 0x8000/0x8000 -j DROP")
        if self.minor >= 18:
            local = self.comment("block incoming localnet connections")
            states = "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT"
            self.add("filter", f"-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 {local}{states} -j DROP")
        if self.minor >= 9:
            self.chain("filter", "KUBE-FORWARD", "KUBE-EXTERNAL-SERVICES")
            external = self.comment("kubernetes externally-visible service portals")
            self.add("filter", f"-A INPUT {state}{external}-j KUBE-EXTERNAL-SERVICES")
            self.add("filter", f"-A FORWARD {self.comment('kubernetes forwarding rules')}-j KUBE-FORWARD")
            if self.minor >= 15:
                self.add("filter", "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP")
            self.add(
                "filter", f"-A KUBE-FORWARD {self.comment('kubernetes forwarding rules')}-m mark --mark 0x4000/0x4000 -j ACCEPT"
            )
            rule = self.comment("kubernetes forwarding conntrack rule")
            sides = ("-s", "-d") if self.minor < 23 else ("",)
            for side in sides:
                where = f"{side} {self.cidr} " if side else ""
                self.add("filter", f"-A KUBE-FORWARD {where}{rule}-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
            if self.minor >= 20:
                self.add("filter", f"-A FORWARD {state}{external}-j KUBE-EXTERNAL-SERVICES")
        if self.minor < 20:
            self.add("filter", f"-A INPUT {state}{portals}-j KUBE-SERVICES")
        self.add("filter", f"-A FORWARD {state}{portals}-j KUBE-SERVICES", f"-A OUTPUT {state}{portals}-j KUBE-SERVICES")
        self.add("filter", "-A INPUT -j KUBE-FIREWALL", "-A OUTPUT -j KUBE-FIREWALL")
        if self.minor >= 21:
            self.chain("filter", "KUBE-NODEPORTS")
            self.add("filter", f"-A INPUT {self.comment('kubernetes health check service ports')}-j KUBE-NODEPORTS")
        if self.minor >= 25:
            self.chain("filter", "KUBE-PROXY-FIREWALL")
            for base in ("INPUT", "FORWARD", "OUTPUT"):
                firewall = self.comment("kubernetes load balancer firewall")
                self.add("filter", f"-A {base} {state}{firewall}-j KUBE-PROXY-FIREWALL")
        if self.minor >= 17:
            for table in ("nat", "filter", "mangle"):
                self.chain(table, "KUBE-PROXY-CANARY", "KUBE-KUBELET-CANARY")

    def service(self, name: str, protocol: str, ip: str, port: int, endpoints: list[str], **more: Any) -> None:
        name, minor = self.name(name), self.minor
        suffix = _hash(name + protocol)
        where = f"-d {ip}/32 -p {protocol} {self.comment(name + ' cluster IP')}-m {protocol} --dport {port}"
        if not endpoints:
            refuse = self.comment(f"{name} has no endpoints")
            reject = "-j REJECT --reject-with icmp-port-unreachable"
            self.add("filter", f"-A KUBE-SERVICES -d {ip}/32 -p {protocol} {refuse}-m {protocol} --dport {port} {reject}")
            if minor >= 10:
                return
        self.chain("nat", f"KUBE-SVC-{suffix}")
        masq = f"{self.detector}{where} -j KUBE-MARK-MASQ"
        if minor >= 22:
            self.add("nat", f"-A KUBE-SVC-{suffix} {masq}")
        else:
            self.services.append(f"-A KUBE-SERVICES {masq}")
        self.services.append(f"-A KUBE-SERVICES {where} -j KUBE-SVC-{suffix}")
        self._balance(f"KUBE-SVC-{suffix}", name, protocol, endpoints, **more)
        self._endpoints(name, protocol, endpoints, **more)
        if "node_port" in more:
            self._node_port(name, protocol, suffix, endpoints, **more)
        if "lb" in more:
            self._load_balancer(name, protocol, port, suffix, **more)

    def _sep(self, name: str, protocol: str, endpoint: str) -> str:
        return "KUBE-SEP-" + _hash(name + protocol + endpoint)

    def _balance(self, chain: str, name: str, protocol: str, endpoints: list[str], **more: Any) -> None:
        said = "" if 12 <= self.minor < 18 or more.get("quiet") else self.comment(name)
        if more.get("affinity"):
            for endpoint in endpoints:
                sep = self._sep(name, protocol, endpoint)
                recent = f"-m recent --rcheck --seconds 10800 --reap --name {sep} --mask 255.255.255.255 --rsource"
                self.add("nat", f"-A {chain} {said}{recent} -j {sep}")
        for index, endpoint in enumerate(endpoints):
            left = len(endpoints) - index
            chance = round(1 / left, 5 if self.minor < 17 else 10)
            random = f"-m statistic --mode random --probability {round(chance * 2**31) / 2**31:.11f} " if left > 1 else ""
            text = self.comment(f"{name} -> {endpoint}") if self.minor >= 24 and not more.get("quiet") else said
            self.add("nat", f"-A {chain} {text}{random}-j {self._sep(name, protocol, endpoint)}")

    def _endpoints(self, name: str, protocol: str, endpoints: list[str], **more: Any) -> None:
        said = "" if 12 <= self.minor < 18 or more.get("quiet") else self.comment(name)
        for endpoint in endpoints:
            sep = self._sep(name, protocol, endpoint)
            recent = f"-m recent --set --name {sep} --mask 255.255.255.255 --rsource " if more.get("affinity") else ""
            self.chain("nat", sep)
            self.add("nat", f"-A {sep} -s {endpoint.rpartition(':')[0]}/32 {said}-j KUBE-MARK-MASQ")
            self.add("nat", f"-A {sep} -p {protocol} {said}{recent}-m {protocol} -j DNAT --to-destination {endpoint}")

    def _node_port(self, name: str, protocol: str, suffix: str, endpoints: list[str], **more: Any) -> None:
        where = f"-A KUBE-NODEPORTS -p {protocol} {self.comment(name)}-m {protocol} --dport {more['node_port']}"
        local = more.get("local")
        if self.minor >= 24:
            self._external(name, suffix, local)
            self.add("nat", f"{where} -j KUBE-EXT-{suffix}")
        elif local is None:
            self.add("nat", f"{where} -j KUBE-MARK-MASQ", f"{where} -j KUBE-SVC-{suffix}")
        else:
            self.add(
                "nat",
                f"{where.replace('NODEPORTS', 'NODEPORTS -s 127.0.0.0/8')} -j KUBE-MARK-MASQ",
                f"{where} -j KUBE-XLB-{suffix}",
            )
        if local is None:
            return
        if self.minor >= 24:
            if local:
                self.chain("nat", f"KUBE-SVL-{suffix}")
                self._balance(f"KUBE-SVL-{suffix}", name, protocol, local)
            elif self.minor == 24:
                self.chain("nat", f"KUBE-SVL-{suffix}")
                none = self.comment(f"{name} has no local endpoints")
                self.add("nat", f"-A KUBE-SVL-{suffix} {none}-j KUBE-MARK-DROP", f"-A KUBE-EXT-{suffix} -j KUBE-SVL-{suffix}")
            else:
                none = self.comment(f"{name} has no local endpoints")
                dport = f"-m addrtype --dst-type LOCAL -m {protocol} --dport {more['node_port']} -j DROP"
                self.add("filter", f"-A KUBE-EXTERNAL-SERVICES -p {protocol} {none}{dport}")
        else:
            self._xlb(name, protocol, suffix, local)
        if self.minor >= 21 and "lb" in more:
            check = self.comment(f"{name} health check node port")
            self.add("filter", f"-A KUBE-NODEPORTS -p tcp {check}-m tcp --dport 31999 -j ACCEPT")

    def _external(self, name: str, suffix: str, local: list[str] | None) -> None:
        chain = f"KUBE-EXT-{suffix}"
        if chain in self.chains["nat"]:
            return
        self.chain("nat", chain)
        if local is None:
            masq = self.comment(f"masquerade traffic for {name} external destinations")
            self.add("nat", f"-A {chain} {masq}-j KUBE-MARK-MASQ", f"-A {chain} -j KUBE-SVC-{suffix}")
            return
        pods = self.comment(f"pod traffic for {name} external destinations")
        here = self.comment(f"masquerade LOCAL traffic for {name} external destinations")
        onward = self.comment(f"route LOCAL traffic for {name} external destinations")
        self.add("nat", f"-A {chain} -s {self.cidr} {pods}-j KUBE-SVC-{suffix}")
        self.add("nat", f"-A {chain} {here}-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ")
        self.add("nat", f"-A {chain} {onward}-m addrtype --src-type LOCAL -j KUBE-SVC-{suffix}")
        if local:
            self.add("nat", f"-A {chain} -j KUBE-SVL-{suffix}")

    def _xlb(self, name: str, protocol: str, suffix: str, local: list[str]) -> None:
        chain = f"KUBE-XLB-{suffix}"
        self.chain("nat", chain)
        pods = self.comment("Redirect pods trying to reach external loadbalancer VIP to clusterIP")
        self.add("nat", f"-A {chain} -s {self.cidr} {pods}-j KUBE-SVC-{suffix}")
        if self.minor >= 16:
            self.add("nat", f"-A {chain} -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ")
            self.add("nat", f"-A {chain} -m addrtype --src-type LOCAL -j KUBE-SVC-{suffix}")
        if local:
            self._balance(chain, name, protocol, local)
        else:
            self.add("nat", f"-A {chain} {self.comment(name + ' has no local endpoints')}-j KUBE-MARK-DROP")

    def _load_balancer(self, name: str, protocol: str, port: int, suffix: str, **more: Any) -> None:
        said = self.comment(name + " loadbalancer IP")
        where = f"-A KUBE-SERVICES -d {more['lb']}/32 -p {protocol} {said}-m {protocol} --dport {port}"
        if self.minor >= 24:
            self.services.append(f"{where} -j KUBE-EXT-{suffix}")
            return
        chain, target = f"KUBE-FW-{suffix}", f"KUBE-{'SVC' if more.get('local') is None else 'XLB'}-{suffix}"
        self.chain("nat", chain)
        self.services.append(f"{where} -j {chain}")
        if more.get("local") is None:
            self.add("nat", f"-A {chain} {said}-j KUBE-MARK-MASQ")
        self.add("nat", f"-A {chain} {said}-j {target}", f"-A {chain} {said}-j KUBE-MARK-DROP")

    def text(self, header: str = "# Generated by iptables-save v1.4.21 on Wed Jan  4 08:49:06 2023") -> str:
        last = self.comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain")
        services = [*self.services, f"-A KUBE-SERVICES {last}-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"]
        built_in = {
            "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
            "filter": ("INPUT", "FORWARD", "OUTPUT"),
            "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
        }
        lines: list[str] = []
        for table, names in built_in.items():
            lines += [header, f"*{table}"]
            lines += [f":{name} {self.policy.get(name, 'ACCEPT') if table == 'filter' else 'ACCEPT'} [0:0]" for name in names]
            lines += [f":{name} - [0:0]" for name in sorted(self.chains[table])]
            lines += self.base[table]
            lines += sorted(self.rules[table] + (services if table == "nat" else []), key=lambda rule: rule.split()[1])
            lines += ["COMMIT", "# Completed on Wed Jan  4 08:49:06 2023"]
        return "\n".join(lines) + "\n"


def _node(minor: int, **how: Any) -> Node:
    node = Node(minor, **how)
    node.skeleton()
    node.service("default/kubernetes:https", "tcp", "10.96.0.1", 443, [f"{NODE}:6443"])
    node.service("kube-system/kube-dns:dns", "udp", "10.96.0.10", 53, ["10.244.0.2:53", "10.244.1.3:53"])
    node.service("default/web", "tcp", "10.96.23.5", 80, ["10.244.0.5:80", "10.244.1.6:80", "10.244.2.7:80"], node_port=30080)
    node.service("prod/api:http", "tcp", "10.96.40.1", 80, ["10.244.0.9:80", "10.244.1.9:80"], affinity=True)
    return node


@pytest.fixture(scope="session")
def new_node() -> Callable[..., Node]:
    """A node of Kubernetes 1.MINOR with four services."""
    return _node


@pytest.fixture(scope="session")
def judge() -> Callable[..., ProbeResult]:
    """What a probe says of texts by section name; a defect of the probe raises."""

    def run(probe: Probe, params: dict[str, Any] | None = None, **texts: str) -> ProbeResult:
        sections = [Section(name.replace("__", "-"), text.encode()) for name, text in texts.items()]
        report = Report(probe, sections, params or {}, {})
        report.judge()
        return report.result()

    return run
