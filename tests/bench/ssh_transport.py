"""How fast a host is asked over SSH, as ratios of what the machine itself needs. Run it by path; ``--json`` prints one object.

Every figure is a median of interleaved rounds on one machine, so that a busy moment hits all alike. "Bare" and "with timeouts"
are the same ten commands in a local shell, without and with ``timeout`` and ``sh -c`` round each: no transport is faster than its
host. The server's turns are the time for which sshd had the last word to answer, from connecting to the end of ``echo ok``.

A comparison with ansible is made when ``ansible-playbook`` is found: python3 -m venv DIR && DIR/bin/pip install ansible-core, and
DIR/bin on PATH.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from ssh_rig.ansible import ansible_rows  # noqa: E402
from ssh_rig.machine import CpuGroup, machine_busy_s, make_group  # noqa: E402
from ssh_rig.servers import SSHD, Line, Server, start_sshd, start_stub  # noqa: E402

from checks.transports.base import Command  # noqa: E402
from checks.transports.pool import ConnectionPool, PoolLimits  # noqa: E402
from checks.transports.ssh import SshTarget, SshTransport  # noqa: E402

TEN = {
    "cgroups": "cat /proc/cgroups",
    "cpu": "cat /proc/stat",
    "route": "ip route show table all",
    "neigh": "ip neigh",
    "sysctl": "sysctl -a 2>/dev/null | grep ipv6",
    "mounts": "cat /proc/self/mountinfo",
    "addresses": "ip addr",
    "iptables": "iptables-save 2>/dev/null; :",
    "rpm": "rpm --version 2>/dev/null; :",
    "sockets": "cat /proc/net/sockstat",
}
COMMANDS = [Command(name, text) for name, text in TEN.items()]
ONE = [Command("one", "echo ok")]
BARE = "\n".join(TEN.values())
LIMITED = "\n".join(f"timeout -k 1 10 sh -c '{text}'" for text in TEN.values())
PATH = "PATH=/usr/sbin:/sbin:/usr/bin:/bin; LC_ALL=C; export PATH LC_ALL\n"
Row = dict[str, object]
Measured = Callable[[], Awaitable[object]]


@dataclass
class Rig:
    """What all measurements share."""

    sshd: Server
    directory: Path
    rounds: int
    full: bool
    rows: list[Row]
    served: CpuGroup | None
    """What sshd and its commands work."""

    def row(self, what: str, value: float, limit: float, unit: str, target: float, note: str = "") -> None:
        verdict = "ok" if (ratio := value / limit) <= target else "over"
        self.rows.append(
            {"what": what, "value": round(value, 2), "limit": round(limit, 2), "unit": unit, "ratio": round(ratio, 2)}
            | {"target": target, "verdict": verdict, "note": note}
        )


async def interleaved(rounds: int, **ways: Measured) -> dict[str, float]:
    """Median milliseconds of each way."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name in random.sample(list(ways), len(ways)):
            began = time.perf_counter()
            await ways[name]()
            took[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in took.items()}


async def local(text: str, shell: str = "/bin/sh") -> None:
    process = await asyncio.create_subprocess_exec(shell, stdin=-1, stdout=-1, stderr=-1)
    await process.communicate((PATH + text).encode())


async def ask(target: SshTarget, pool: ConnectionPool, commands: list[Command]) -> None:
    sections = [section async for section in SshTransport(target, pool).collect(commands)]
    assert all(section.rc is not None for section in sections), sections


async def ask_cold(target: SshTarget, commands: list[Command]) -> None:
    pool = ConnectionPool()
    await ask(target, pool, commands)
    await pool.close()


async def one_host(rig: Rig) -> None:
    pool, target = ConnectionPool(), rig.sshd.at()
    await ask(target, pool, ONE)
    took = await interleaved(
        rig.rounds,
        one=lambda: ask(target, pool, ONE),
        one_local=lambda: local("timeout -k 1 10 sh -c 'echo ok'"),
        ten=lambda: ask(target, pool, COMMANDS),
        cold=lambda: ask_cold(target, COMMANDS),
        bare=lambda: local(BARE),
        limited=lambda: local(LIMITED),
    )
    turns = await server_turns(rig)
    await pool.close()
    rig.row("one warm command / the same in a local sh", took["one"], took["one_local"], "ms", 1.6)
    rig.row("ten warm / bare commands", took["ten"], took["bare"], "ms", 1.6)
    rig.row("ten warm / commands with timeouts", took["ten"], took["limited"], "ms", 1.15)
    note = f"the server's turns take {turns:.0f} ms"
    rig.row("ten cold / server's turns + bare commands", took["cold"], turns + took["bare"], "ms", 1.4, note)


async def host_cost(rig: Rig) -> None:
    """What a visit costs the host: processor time, which is steadier than the clock on a busy machine."""
    if not rig.served or not (group := make_group()):
        return
    pool, target, shell = ConnectionPool(), rig.sshd.at(), group.program(rig.directory)
    await ask(target, pool, ONE)
    cost: dict[str, list[float]] = {}
    for _ in range(rig.rounds):
        for name, counted, way in (
            ("twenty", rig.served, lambda: plain(target, pool, 20)),
            ("ten", rig.served, lambda: ask(target, pool, COMMANDS)),
            ("bare", group, lambda: local(BARE, shell)),
            ("limited", group, lambda: local(LIMITED, shell)),
        ):
            before = counted.used_s()
            began = time.perf_counter()
            await way()
            took = time.perf_counter() - began
            await asyncio.sleep(0.02)  # what ends behind the answer counts too
            cost.setdefault(name, []).append(1000 * (counted.used_s() - before))
            cost.setdefault(f"{name} wall", []).append(1000 * took)
    each = {name: statistics.median(values) for name, values in cost.items()}
    await pool.close()
    group.remove()
    rig.row("twenty bare warm commands / processor time of sshd and them", each["twenty wall"], each["twenty"], "ms", 1.3)
    rig.row("processor time of sshd and ten / of the bare commands", each["ten"], each["bare"], "ms", 1.6)
    rig.row("processor time of sshd and ten / of them with timeouts", each["ten"], each["limited"], "ms", 1.15)


async def plain(target: SshTarget, pool: ConnectionPool, count: int = 1) -> None:
    """Commands without our script, one by one."""
    async with pool.lease(target) as lease:
        for _ in range(count):
            process = await lease.connection.create_process("echo ok", encoding=None)
            assert await process.stdout.read() == b"ok\n"


async def server_turns(rig: Rig) -> float:
    line, pool = Line(rig.sshd.target.port, 0), ConnectionPool()
    for _ in range(rig.rounds):
        await plain(rig.sshd.at(port=line.port), pool)
        await pool.close()
    return statistics.median(line.stop())


async def far_host(rig: Rig) -> None:
    line = Line(rig.sshd.target.port, 0.010)
    pool, target = ConnectionPool(), rig.sshd.at(port=line.port)
    await ask(target, pool, ONE)
    took = await interleaved(
        rig.rounds,
        warm=lambda: ask(target, pool, COMMANDS),
        cold=lambda: ask_cold(target, COMMANDS),
        limited=lambda: local(LIMITED),
    )
    await pool.close()
    line.stop()
    rig.row("ten warm at 20 ms / one round trip + commands with timeouts", took["warm"], 20 + took["limited"], "ms", 1.6)
    rig.row("ten cold at 20 ms / six round trips + commands with timeouts", took["cold"], 120 + took["limited"], "ms", 2.5)


async def fan_out(server: Server, count: int, pool: ConnectionPool) -> tuple[float, float]:
    """Wall and client seconds for ten commands on each of ``count`` addresses, fifty at a time."""
    gate = asyncio.Semaphore(50)

    async def visit(number: int) -> None:
        async with gate:
            await ask(server.at(f"127.1.{number // 250}.{number % 250 + 1}"), pool, COMMANDS)

    wall, client = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(visit, range(count)))
    return time.perf_counter() - wall, time.process_time() - client


async def many_hosts(rig: Rig) -> None:
    if not rig.served:
        return
    cores, pool = os.cpu_count() or 1, ConnectionPool()
    for count in (50, 200):
        for kind in ("cold", "warm"):
            busy, before = machine_busy_s(), rig.served.used_s()
            wall, client = await fan_out(rig.sshd, count, pool)
            served = rig.served.used_s() - before
            others = max(0, machine_busy_s() - busy - client - served) / wall
            left = cores - others
            note = f"client {1000 * client / count:.1f} ms a host; {wall * left / served:.2f} of the {left:.1f} cores others left"
            rig.row(f"{count} hosts {kind} / processor time of sshd and commands", wall, served / cores, "s", 1.25, note)
        await pool.close()
        await asyncio.sleep(0.5)


async def client_cost(rig: Rig) -> None:
    stub = start_stub(rig.directory / "stub", 0.1)
    costs: dict[str, list[float]] = {"cold": [], "warm": []}
    for _ in range(4):
        pool = ConnectionPool(PoolLimits())
        for kind in ("cold", "warm"):
            _, client = await fan_out(stub, 200, pool)
            costs[kind].append(1000 * client / 200)
        await pool.close()
    stub.stop()
    rig.row("client processor time per cold host / 1 ms", statistics.median(costs["cold"][1:]), 1, "ms", 3)
    rig.row("client processor time per warm host / 1 ms", statistics.median(costs["warm"][1:]), 1, "ms", 1.5)


def show(rows: list[Row]) -> None:
    for row in rows:
        line = f"{row['what']:62} {row['value']:>9} / {row['limit']:>8} {row['unit']:3} {row['ratio']:>6}"
        print(f"{line}  target {row['target']:<5} {row['verdict']:5} {row['note']}")


async def measure(rig: Rig, only: str) -> None:
    for part in (host_cost, one_host, far_host, client_cost, many_hosts, ansible):
        if only in part.__name__:
            await part(rig)


async def ansible(rig: Rig) -> None:
    if not (program := shutil.which("ansible-playbook")):
        return
    ours = {1: (await interleaved(3, cold=lambda: ask_cold(rig.sshd.at(), COMMANDS)))["cold"] / 1000}
    if rig.full:
        pool = ConnectionPool()
        ours[50] = (await fan_out(rig.sshd, 50, pool))[0]
        await pool.close()
    rig.rows += ansible_rows(program, rig.sshd, rig.directory, TEN, ours)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--full", action="store_true", help="ansible on 50 hosts too: minutes of both cores")
    parser.add_argument("--only", default="", help="host_cost, one_host, far_host, client_cost, many_hosts or ansible")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers below are stopped
    if not SSHD:
        print("needs openssh-server")
        return
    with tempfile.TemporaryDirectory() as directory:
        rig = Rig(start_sshd(Path(directory) / "sshd"), Path(directory), options.rounds, options.full, [], make_group())
        if rig.served:
            rig.served.put(rig.sshd.process.pid)
        else:
            print("no control group can be made under /sys/fs/cgroup: no rows of processor time", file=sys.stderr)
        try:
            asyncio.run(measure(rig, options.only))
        finally:
            rig.sshd.stop()
            if rig.served:
                rig.served.remove()
    print(json.dumps({"ssh_transport": rig.rows}, indent=1)) if options.json else show(rig.rows)


if __name__ == "__main__":
    main()
