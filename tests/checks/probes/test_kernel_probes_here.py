"""The kernel-side probes on the machine that runs the tests, through each shell a host may have."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from typing import Any

import pytest

from checks.catalog import get
from checks.collectors.base import PRELUDE, Collector
from checks.params import as_argument, read_all
from checks.probes.base import Probe
from checks.results import ProbeResult, Reason, Section, Verdict

SHELLS = [
    pytest.param(("dash",), marks=pytest.mark.needs("dash"), id="dash"),
    pytest.param(("busybox", "sh"), marks=pytest.mark.needs("busybox"), id="busybox"),
    pytest.param(("bash", "--posix"), marks=pytest.mark.needs("bash"), id="bash"),
]
PROBES: list[tuple[str, dict[str, Any]]] = [
    ("kernel.gate", {}),
    ("cgroup.mode", {}),
    ("cgroup.memcg_dying", {}),
    ("mem.slab", {}),
    ("net.softnet", {}),
    ("net.softirq", {}),
    ("net.irq", {"iface": "lo"}),
    ("net.nic", {"iface": "lo"}),
    ("tcp.retrans", {}),
    ("tcp.listen", {}),
    ("sock.reuseport", {"port": 9}),
    ("syslog.pri", {"text": "<158>Jan  7 10:00:00 node-1 app[12]: hi"}),
    ("proc.status", {"pid": 1}),
    ("proc.ulimit", {"pid": 1}),
    ("proc.pid1_signals", {"pid": 1}),
    ("cgroup.path", {"pid": 1}),
    ("cgroup.cpu", {"pid": 1}),
    ("cgroup.pids", {"pid": 1}),
    ("cgroup.memory", {"pid": 1}),
    ("cgroup.psi", {"pid": 1}),
    ("cgroup.delegation", {"pid": 1}),
    ("cgroup.freezer", {"pid": 1}),
    ("cgroup.io", {"pid": 1}),
]
DEFECTS = {Reason.UNPARSED, Reason.TRUNCATED, Reason.PROBE_ERROR, Reason.FAILED, Reason.PARAM_INVALID}


def run(shell: tuple[str, ...], collector: Collector, params: dict[str, Any], name: str) -> Section:
    arguments = [as_argument(params.get(argument)) for argument in collector.args]
    ended = subprocess.run(
        [*shell, "-c", PRELUDE + collector.script, "sh", *arguments], capture_output=True, timeout=30, check=False
    )
    return Section(name, ended.stdout, ended.stderr, ended.returncode)


def collect(shell: tuple[str, ...], probe: Probe, params: dict[str, Any]) -> list[Section]:
    typed = read_all(probe.params, params)
    sections = []
    for suffix in ("_a", "", "_b"):
        wanted = [collector for collector in probe.collectors if not collector.only_if or typed.get(collector.only_if)]
        now = [collector for collector in wanted if collector.sampled == bool(suffix)]
        sections += [run(shell, collector, typed, collector.name + suffix) for collector in now]
        if suffix == "" and probe.sampled:
            subprocess.run(["sleep", "0.05"], check=True)  # /proc/uptime has steps of 10 ms
    return sections


def judged(shell: tuple[str, ...], probe_id: str, params: dict[str, Any]) -> ProbeResult:
    probe = get(probe_id)
    return probe.evaluate(collect(shell, probe, params), read_all(probe.params, params))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("probe_id", "params"), PROBES, ids=[probe for probe, _ in PROBES])
def test_it_understands_what_this_machine_prints(shell: tuple[str, ...], probe_id: str, params: dict[str, Any]) -> None:
    result = judged(shell, probe_id, params)
    assert result.reason not in DEFECTS, result.finding
    assert result.facts or result.verdict == Verdict.UNKNOWN


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("probe_id", "params"), PROBES, ids=[probe for probe, _ in PROBES])
def test_it_prints_nothing_on_standard_error(shell: tuple[str, ...], probe_id: str, params: dict[str, Any]) -> None:
    assert {section.name: section.stderr for section in collect(shell, get(probe_id), params) if section.stderr} == {}


@pytest.mark.needs("dash")
@pytest.mark.parametrize(("probe_id", "params"), PROBES, ids=[probe for probe, _ in PROBES])
def test_it_recognises_its_own_sections(probe_id: str, params: dict[str, Any]) -> None:
    probe = get(probe_id)
    patterns = {collector.name: collector.looks_like for collector in probe.collectors}
    for section in collect(("dash",), probe, params):
        if section.text in ("absent\n", "end\n", "unreadable\n", "ss absent\n"):
            continue
        name = section.name if section.name in patterns else section.name[:-2]
        assert re.search(patterns[name], section.text, re.MULTILINE), section.name


@pytest.mark.needs("dash")
def test_it_finds_a_process_by_its_name() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        try:
            by_pid = judged(("dash",), "proc.status", {"pid": sleeper.pid})
            by_name = judged(("dash",), "proc.status", {"process": "sleep"})
        finally:
            sleeper.kill()
    assert by_pid.facts["comm"] == "sleep"
    assert by_pid.verdict == Verdict.OK
    assert sleeper.pid in by_name.facts["pids"]


@pytest.mark.needs("dash")
def test_it_says_when_no_process_has_the_name() -> None:
    assert judged(("dash",), "proc.status", {"process": "no-such-program"}).verdict == Verdict.SKIPPED


@pytest.mark.needs("dash")
def test_it_sees_what_a_process_does_with_the_stop_signal() -> None:
    catching = ["dash", "-c", "trap 'exit 3' TERM; echo ready; sleep 60; true"]
    with subprocess.Popen(catching, stdout=subprocess.PIPE, start_new_session=True) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        try:
            result = judged(("dash",), "proc.pid1_signals", {"pid": shell.pid})
        finally:
            os.killpg(shell.pid, signal.SIGKILL)
    assert (result.facts["program"], result.facts["handles_term"]) == ("dash", True)
    assert result.verdict == Verdict.WARN


@pytest.mark.needs("iproute2")
@pytest.mark.needs("busybox")
def test_it_looks_at_a_connection_twenty_times() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"x")
            result = judged(("busybox", "sh"), "tcp.nagle", {"port": server.getsockname()[1]})
    assert (result.verdict, result.facts["samples"], result.facts["hold_ratio"]) == (Verdict.OK, 20, 0.0)


@pytest.mark.needs("iproute2")
@pytest.mark.needs("dash")
def test_it_sees_sockets_that_share_a_port() -> None:
    with socket.socket() as first, socket.socket() as second:
        for member in (first, second):
            member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            member.bind(("127.0.0.1", first.getsockname()[1] if member is second else 0))
            member.listen(7)
        result = judged(("dash",), "sock.reuseport", {"port": first.getsockname()[1]})
    assert result.facts["group_size"] == 2
    assert result.verdict == Verdict.OK


@pytest.mark.needs("iproute2")
@pytest.mark.needs("dash")
def test_it_sees_udp_sockets_that_share_a_port() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as first, socket.socket(type=socket.SOCK_DGRAM) as second:
        for member in (first, second):
            member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            member.bind(("127.0.0.1", first.getsockname()[1] if member is second else 0))
        result = judged(("dash",), "sock.reuseport", {"port": first.getsockname()[1]})
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.connect(first.getsockname())
            for _ in range(30):
                client.send(bytes(100))
            stuck = judged(("dash",), "sock.reuseport", {"port": first.getsockname()[1]})
    assert (result.verdict, result.facts["group_size"]) == (Verdict.OK, 2)
    assert [row["proto"] for row in result.facts["sockets"]] == ["udp", "udp"]
    assert "stuck" in {found.rule for found in stuck.findings}
