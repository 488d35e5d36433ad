"""Our route lookup and source check against the kernel's own: generated rules and tables in network namespaces.

Every table is made from its seed, so a failure names the seed that shows it again. ``SIDENOTE_EVERY_CUT=1`` runs 600 tables per
family instead of 260. Nothing outside the test's own namespace is touched.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from checks.analyzers.route_lookup import Fib
from checks.analyzers.route_tables import Flow
from checks.analyzers.rp_filter import Incoming
from checks.collectors.base import PRELUDE
from checks.collectors.ip import CONF
from checks.parsers.ip_conf import parse_conf
from checks.parsers.ip_prefix import Address
from checks.parsers.ip_route import parse_routes
from checks.parsers.ip_route_get import ERRNO
from checks.parsers.ip_rule import parse_rules

pytestmark = pytest.mark.needs("iproute2")

TABLES = 300 if os.environ.get("SIDENOTE_EVERY_CUT") == "1" else 130  # of each family in each laboratory
INCOMING = TABLES // 2
CHUNKS = 4
QUESTIONS = 30
OBJECTS = {1: "via {0}7 dev eth0", 2: "via {1}7 dev eth1", 3: "dev eth2", 4: "blackhole", 5: "via {3}7 dev eth3"} | {
    10: "group 1/2",
    11: "group 1,3/2,200",
    12: "group 2/5",
}
GROUPS = {"lo": "default", "eth0": "default", "eth1": "1", "eth2": "2", "eth3": "3"}


class Lab:
    """A namespace with four devices: eth0 to eth3, each with an address of both families; eth3 may have no carrier."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, *command: str) -> str:
        return subprocess.run(["ip", "netns", "exec", self.name, *command], capture_output=True, text=True, check=True).stdout

    def ip(self, family: int, *arguments: str) -> str:
        command = ["ip", f"-{family}", "-n", self.name, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def batch(self, family: int, lines: list[str], *options: str) -> subprocess.CompletedProcess[str]:
        """Many commands in one process; those that the kernel refuses are passed over."""
        command = ["ip", *([f"-{family}"] if family else []), "-n", self.name, *options, "-force", "-batch", "-"]
        return subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)

    def set_up(self, *, carrier: bool) -> None:
        lines = ["link set lo up"]
        for n in range(4):
            lines += [f"link add eth{n} type veth peer name p{n}", f"link set eth{n} group {n}", f"link set eth{n} up"]
            lines += [f"link set p{n} up"] if carrier or n != 3 else []
            lines += [f"addr add 10.0.{n}.1/24 dev eth{n}", f"addr add fd00:{n}::1/64 dev eth{n} nodad"]
        self.batch(0, lines)
        self.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")  # else routers that do not answer are passed over
        if not carrier:
            for version in ("ipv4", "ipv6"):
                self.run("sh", "-c", f"echo 1 >/proc/sys/net/{version}/conf/eth3/ignore_routes_with_linkdown")

    def ask(self, questions: list[str]) -> list[dict[str, Any] | str]:
        """The kernel's answer to each question: a route as JSON, or the errno."""
        done = self.batch(0, questions, "-j")
        failed: dict[int, str] = {}
        message = ""
        for line in done.stderr.splitlines():
            if number := re.match(r"Command failed -:(\d+)", line):
                failed[int(number[1])] = ERRNO[message.removeprefix("RTNETLINK answers: ")]
            else:
                message = line
        answers = iter(line for line in done.stdout.splitlines() if line.strip())
        return [failed.get(number) or json.loads(next(answers))[0] for number in range(1, len(questions) + 1)]


@pytest.fixture(scope="module", params=["all up", "eth3 without carrier"])
def lab(request: pytest.FixtureRequest, make_namespace: Callable[[str], str]) -> Lab:
    carrier = request.param == "all up"
    found = Lab(make_namespace("up" if carrier else "nc"))
    found.set_up(carrier=carrier)
    return found


class Maker:
    """Random addresses, routes, rules and questions that often meet."""

    def __init__(self, seed: int, family: int) -> None:
        self.pick = random.Random(f"{seed} {family}")
        self.family = family

    def address(self) -> str:
        one = self.pick.choice
        if self.family == 4:
            return f"10.{one([64, 65, 96])}.{one([0, 1, 2, 3])}.{one([0, 1, 2, 3, 128, 255])}"
        return f"fd64:{one([0, 1])}:{one([0, 1])}::{one([0, 1, 2])}:{one([1, 2, 3])}"

    def prefix(self, least: int = 0) -> str:
        v4, v6 = (
            (0, 8, 9, 10, 12, 15, 16, 17, 22, 23, 24, 25, 30, 31, 32),
            (0, 16, 20, 31, 32, 33, 47, 48, 49, 64, 96, 112, 126, 127, 128),
        )
        length = self.pick.choice([length for length in (v4 if self.family == 4 else v6) if length >= least])
        return str(ip_network(f"{self.address()}/{length}", strict=False))

    def way(self) -> str:
        n, kind = self.pick.randrange(4), self.pick.random()
        gateway = f"10.0.{n}.{self.pick.randint(2, 9)}" if self.family == 4 else f"fd00:{n}::{self.pick.randint(2, 9)}"
        if kind < 0.6:
            return f"via {gateway} dev eth{n}"
        if kind < 0.7:
            return f"via {'192.168.77.1' if self.family == 4 else 'fd77::1'} dev eth{n} onlink"
        return f"via inet6 fd00:{n}::9 dev eth{n}" if kind < 0.75 and self.family == 4 else f"dev eth{n}"

    def route(self) -> str:
        one, kind = self.pick.choice, self.pick.random()
        where = " ".join([one(["", "", "table 100", "table 200", "table 300"]), one(["", "", f"metric {one([5, 50, 2000])}"])])
        tos = one(["", "", "", "", "tos 0x10", "tos 0x04"]) if self.family == 4 else ""
        verb = one(["add", "append", "prepend"])
        if self.pick.random() < 0.15:
            return f"route {verb} {self.prefix()} {tos} {where} nhid {one(list(OBJECTS))}"
        tail = f"{where} {one(['', '', 'mtu lock 1400', 'proto bird', 'proto 80'])}"
        if self.family == 6 and "metric" in where:  # a dump shows the preference of the first leg only
            tail += " pref low" if "metric 50" in where else " pref high"
        if self.pick.random() < 0.1:
            return f"route {verb} default {tos} {self.way()} {tail}"
        if self.family == 6 and self.pick.random() < 0.05:
            return f"route {verb} {self.prefix()} from {one(['fd00:1::1', 'fd00:1::/64', 'fd00::/16'])} {self.way()} {tail}"
        if kind < 0.3:
            return f"route {verb} {one(['blackhole', 'unreachable', 'prohibit', 'throw'])} {self.prefix()} {tos} {tail}"
        if kind < 0.5:
            legs = " ".join(f"nexthop {self.way()} weight {self.pick.randint(1, 4)}" for _ in range(self.pick.randint(2, 3)))
            return f"route {verb} {self.prefix()} {tos} {tail} {legs}"
        if kind < 0.55:
            return f"route {verb} local {self.prefix(10)} {tos} dev eth{self.pick.randrange(4)} {tail}"
        return f"route {verb} {self.prefix()} {tos} {self.way()} {tail}"

    def rule(self) -> str:
        one, chance = self.pick.choice, self.pick.random
        sources = ["10.0.1.1", "10.0.0.0/16", "10.64.0.0/16"] if self.family == 4 else ["fd00:1::1", "fd00::/16", "fd64::/32"]
        words = ["not"] if chance() < 0.2 else []
        words += ["from", one(sources)] if chance() < 0.3 else []
        words += ["to", self.prefix()] if chance() < 0.3 else []
        words += ["iif", one(["lo", "eth0", "eth1"])] if chance() < 0.15 else []
        words += ["oif", one(["eth0", "eth1", "eth9"])] if chance() < 0.1 else []
        words += ["fwmark", one(["0x10/0xff", "0x10", "0x1/0x1", "0x0/0x1"])] if chance() < 0.25 else []
        words += ["tos", "0x10"] if chance() < 0.1 else []
        words += ["ipproto", "tcp", "dport", "80"] if chance() < 0.05 else []
        words += ["uidrange", one(["0-0", "1000-2000"])] if chance() < 0.03 else []
        return f"rule add pref {one([100, 200, 300, 500, 600, 700, 900])} {' '.join(words)} {self.action()}"

    def action(self) -> str:
        one, kind = self.pick.choice, self.pick.random()
        if kind < 0.2:
            return one(["blackhole", "unreachable", "prohibit"]) if kind < 0.08 else f"goto {one([500, 700, 990])}"
        if kind < 0.23:
            return "nop"
        table = f"lookup {one(['100', '200', '300', 'main', 'default', '999'])}"
        table += f" suppress_prefixlength {one([0, 9, 16, 24])}" if self.pick.random() < 0.3 else ""
        return table + (f" suppress_ifgroup {one([0, 1])}" if self.pick.random() < 0.1 else "")

    def question(self, *, incoming: bool) -> Flow:
        one, chance = self.pick.choice, self.pick.random
        known = (
            ["10.0.1.1", "10.0.1.77", "10.0.2.255", "8.8.8.8"]
            if self.family == 4
            else ["fd00:1::1", "fd00:1::77", "2001:db8::1", "::ffff:10.64.1.1", "fe80::9"]
        )
        own = f"10.0.{self.pick.randrange(4)}.1" if self.family == 4 else f"fd00:{self.pick.randrange(4)}::1"
        far = one(
            [self.address(), self.address(), f"10.0.{self.pick.randrange(4)}.{self.pick.randint(1, 9)}", "8.8.4.4", "127.0.0.5"]
        )
        src = far if incoming else own if chance() < 0.2 else ""
        return Flow(
            dst=Address.parse(one(known) if chance() < 0.1 else self.address()),
            src=Address.parse(src) if src else None,
            iif=f"eth{self.pick.randrange(4)}" if incoming else "",
            oif=f"eth{self.pick.randrange(4)}" if not incoming and chance() < 0.15 else "",
            mark=one([0x10, 0x11, 1]) if chance() < 0.3 else 0,
            tos=one([0x10, 0x04]) if self.family == 4 and chance() < 0.2 else 0,
            ipproto="udp",
        )


def words(flow: Flow, how: str = "") -> str:
    parts = [f"route get {how}{flow.dst}", f"from {flow.src}" if flow.src else "", f"iif {flow.iif}" if flow.iif else ""]
    parts += [
        f"oif {flow.oif}" if flow.oif else "",
        f"mark {flow.mark:#x}" if flow.mark else "",
        f"tos {flow.tos:#x}" if flow.tos else "",
    ]
    return " ".join(part for part in parts if part)


class Table:
    """A seed's rules and routes, put into the lab and taken out again."""

    def __init__(self, lab: Lab, seed: int, family: int, rules: int) -> None:
        self.lab, self.family, self.maker = lab, family, Maker(seed, family)
        self.routes = [self.maker.route() for _ in range(self.maker.pick.randint(5, 30))]
        self.rules = [self.maker.rule() for _ in range(rules)] + ["rule add pref 990 lookup 300"]

    def __enter__(self) -> Fib:
        near = ["10.0.{}.", "fd00:{}::"][self.family == 6]
        objects = [f"nexthop add id {n} {how.format(*map(near.format, range(4)))}" for n, how in OBJECTS.items()]
        self.lab.batch(self.family, objects + self.routes + self.rules)
        routes = parse_routes(self.lab.ip(self.family, "-j", "route", "show", "table", "all"), self.family)
        rules = parse_rules(self.lab.ip(self.family, "-j", "rule", "show"), self.family)
        return Fib(routes, rules, groups=GROUPS, vrf_tables={}, ignores_linkdown=lambda dev: dev == "eth3")

    def __exit__(self, *_: object) -> None:
        undo = ["rule flush", "rule add pref 32766 lookup main"] + ["rule add pref 32767 lookup default"] * (self.family == 4)
        undo += [f"route flush table {table}" for table in (100, 200, 300)]
        undo += [re.sub(r"^route \w+", "route del", route) for route in self.routes]
        undo += [f"nexthop del id {number}" for number in reversed(OBJECTS)]
        self.lab.batch(self.family, undo)


def is_wrong(ours: Any, kernel: dict[str, Any] | str, match: dict[str, Any] | str, family: int) -> bool:
    """Whether our answer differs in the error, the kind of route, the leg, or the prefix, table, metric and TOS that won."""
    if isinstance(kernel, str):
        return bool(ours.error != kernel)
    gateway = kernel.get("gateway") or kernel.get("via", {}).get("host", "")
    if ours.result != kernel.get("type", "unicast"):
        return True
    if ours.result == "unicast" and not any((hop.dev, hop.gateway) == (kernel["dev"], gateway) for hop in ours.nexthops):
        return True
    if isinstance(match, str) or ours.route is None:
        return False
    won = parse_routes(json.dumps([match]), family).routes[0]
    if family == 6 and won.nhid and won.nhid == ours.route.nhid:
        return False  # the kernel keeps one cached entry per nexthop object, and names the route that was the first to use it
    return bool(tuple(getattr(won, key) != getattr(ours.route, key) for key in ("prefix", "table", "metric", "tos")).count(True))


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("family", [4, 6])
def test_it_looks_routes_up_as_the_kernel_does(lab: Lab, family: int, chunk: int) -> None:
    asked = untold = 0
    for seed in range(chunk, TABLES, CHUNKS):
        table = Table(lab, seed, family, rules=seed % 8)
        with table as fib:
            flows = [table.maker.question(incoming=False) for _ in range(QUESTIONS)]
            kernel, matches = (lab.ask([words(flow, how) for flow in flows]) for how in ("", "fibmatch "))
            answers = [fib.lookup(flow) for flow in flows]
        for flow, ours, said, match in zip(flows, answers, kernel, matches, strict=True):
            asked += 1
            untold += ours.result == "unknown"
            wrong = ours.result != "unknown" and is_wrong(ours, said, match, family)
            assert not wrong, f"seed {seed}: {words(flow)}: the kernel says {said}, we say {ours}"
    assert asked >= QUESTIONS
    assert untold < asked / 10


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_it_follows_incoming_packets_as_the_kernel_does(lab: Lab, chunk: int) -> None:
    seen = set()
    for seed in range(chunk, INCOMING, CHUNKS):
        table = Table(lab, seed + 100_000, 4, rules=seed % 3 * 2)
        pick = table.maker.pick
        values = {"rp_filter": [0, 0, 1, 2], "forwarding": [1, 1, 1, 0], "accept_local": [0, 0, 0, 1], "src_valid_mark": [0, 1]}
        switches = [
            f"echo {pick.choice(choice)} >{dev}/{name}" for dev in GROUPS if dev != "lo" for name, choice in values.items()
        ]
        lab.run(
            "sh", "-c", f"cd /proc/sys/net/ipv4/conf; {'; '.join(switches)}; echo {pick.choice([0, 0, 0, 1, 2])} >all/rp_filter"
        )
        without = pick.random() < 0.3
        lab.batch(4, ["addr del 10.0.2.1/24 dev eth2"] * without)
        with table as fib:
            flows = [table.maker.question(incoming=True) for _ in range(QUESTIONS)]
            kernel = lab.ask([words(flow) for flow in flows])
            conf = parse_conf(lab.run("sh", "-c", PRELUDE + CONF.script))
            incoming = Incoming(fib, conf, set(GROUPS) - ({"eth2"} if without else set()))
            fates = [incoming.fate(flow) for flow in flows]
        lab.batch(4, ["addr add 10.0.2.1/24 dev eth2"] * without)
        for flow, ours, said in zip(flows, fates, kernel, strict=True):
            seen.add(ours.result)
            if ours.result == "unknown":  # a rule for a user: nobody said whose packet it is
                continue
            legs = ours.answer.devices if ours.answer else ()
            if isinstance(said, str):
                right = ours.error == said
            else:  # with several legs the kernel checks the source for the one it chose
                right = ours.result == said.get("type", "unicast") or (ours.result == "source_check" and len(legs) > 1)
            assert right, f"seed {seed}: {words(flow)}: the kernel says {said}, we say {ours}"
    assert {"unicast", "source_check", "not_forwarded"} <= seen
