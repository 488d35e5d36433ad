"""A site with 200 hosts that are one stub, a probe that reads a little, and the ways to ask them that are compared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, cast

from django.core.management import call_command
from ssh_rig.servers import start_stub

from checks import catalog
from checks.collectors.base import Collector
from checks.engine import Request, collect, plan
from checks.params import Param
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Verdict
from checks.transports.pool import ConnectionPool
from checks.transports.ssh import SshTarget, SshTransport
from runbooks import keys, live, waves
from runbooks.choices import HostKeyState
from runbooks.dispatch import start_run
from runbooks.execution import execute
from runbooks.execution.fleet import fleet
from runbooks.execution.rights import UNATTENDED
from runbooks.hosts import opener
from runbooks.models import Host, Revision, Run, Runbook

SHARD = 50
STUB_DELAY_S = 0.05
BYTES = {"cgroups": 200, "cpu @": 1200, "route @": 940, "neighbours @": 400, "sysctl": 20200, "mounts @": 1700}
BYTES |= {"addresses @": 1000, "rules @": 3000, "rpm": 20, "sockets @": 140}
"""What ten commands print on a small host. Hosts of one kind agree in some; those with ``@`` differ on each and each time."""


def _printed(name: str, size: int) -> str:
    line = f"{name.replace('@', 'of')} eth0 scope 0 mtu 1500 = 1\n"
    lines = "".join(line.replace("0", str(number)) for number in range(size // len(line) + 1))
    return f"{name}\n{lines}"[:size]


def _judge(report: Report) -> None:
    section = report.need("words")
    for name in ("first", "second", "third"):
        report.fact(name, len(section.line(1)), "words", 1)
    verdict, limit = report.level(report.facts["first"], "long")
    report.find("bench.long", verdict, f"{report.facts['first']} letters in a row", value=report.facts["first"], limit=limit)
    report.find("bench.any", Verdict.INFO, "there are letters", evidence=[report.evidence("words", 1)])


PROBE = Probe(
    id="bench.words",
    title="Words",
    question="How long is the word?",
    collectors=(Collector("words", "echo", "echo x", args=("number",)),),
    judge=_judge,
    facts=tuple(FactSpec(name, "int", "letters") for name in ("first", "second", "third")),
    rules=(Rule("bench.long", "long", "none"), Rule("bench.any", "any", "none")),
    thresholds=(Threshold("long", 10_000, "letters", "long", "none"),),
    sources=("none",),
    params=(Param("number", "int"),),
)


class Rig:
    """Each way returns the processor seconds of this process for all hosts."""

    def __init__(self, folder: Path, text: str, count: int, checks: int) -> None:
        call_command("migrate", verbosity=0)
        catalog.catalog = waves.catalog = lambda: {PROBE.id: PROBE}  # type: ignore[assignment]
        live.publish = lambda run_id, seq: None
        self.stub = start_stub(folder / "stub", STUB_DELAY_S, [_printed(name, size) for name, size in BYTES.items()])
        target = self.stub.target
        credential = keys.import_key("bench", target.client_key.decode())
        runbook = Runbook.objects.create(slug="road", title="Road")
        self.revision = Revision.objects.create(runbook=runbook, number=1, text=text)
        made = [
            Host(
                name=f"h{number}",
                transport="ssh",
                address=f"127.1.0.{number + 1}",
                port=target.port,
                username="anyone",
                credential=credential,
                host_key=target.host_key,
                host_key_state=HostKeyState.PINNED,
            )
            for number in range(count)
        ]
        self.hosts = Host.objects.bulk_create(made)
        # The very targets of the road, so that all ways share their warm connections.
        self.targets = [cast("SshTransport", opener(host)(ConnectionPool)).target for host in self.hosts]
        self.requests = [Request(number, PROBE, {"number": number}) for number in range(checks)]
        self.commands = plan(self.requests).commands

    def stop(self) -> None:
        self.stub.stop()

    # --- the ways ------------------------------------------------------------

    def bare_cold(self) -> float:
        self._forget_connections()
        return self._on_loop(self._fan_out(self._bare))

    def bare_warm(self) -> float:
        return self._on_loop(self._fan_out(self._bare))

    def judged_cold(self) -> float:
        self._forget_connections()
        return self._on_loop(self._fan_out(self._judged))

    def road_cold(self) -> float:
        self._forget_connections()
        return self.road_warm()

    def road_warm(self) -> float:
        run = start_run(revision=self.revision, hosts=self.hosts, params={}, user=None, origin=UNATTENDED, ring=False)
        began = time.process_time()
        for start in range(0, len(self.hosts), SHARD):
            execute(run.pk, [host.pk for host in self.hosts[start : start + SHARD]])
        took = time.process_time() - began
        assert Run.objects.get(pk=run.pk).verdict == "ok"
        assert run.steps.filter(state="done").count() == len(self.hosts) * len(self.requests)
        return took

    # --- their parts ---------------------------------------------------------

    async def _bare(self, target: SshTarget, pool: ConnectionPool) -> None:
        transport = SshTransport(target, pool)
        assert len([section async for section in transport.collect(self.commands)]) == len(self.requests)

    async def _judged(self, target: SshTarget, pool: ConnectionPool) -> None:
        async for collected in collect(self.requests, SshTransport(target, pool)):
            assert collected.judge().verdict == Verdict.OK

    async def _fan_out(self, visit: Any) -> None:
        pool = fleet().pool()
        for start in range(0, len(self.targets), SHARD):
            await asyncio.gather(*(visit(target, pool) for target in self.targets[start : start + SHARD]))

    def _on_loop(self, work: Coroutine[Any, Any, None]) -> float:
        began = time.process_time()
        asyncio.run_coroutine_threadsafe(work, fleet().loop).result()
        return time.process_time() - began

    def _forget_connections(self) -> None:
        async def close() -> None:
            await fleet().pool().close()
            fleet()._pool = None

        self._on_loop(close())


WAYS: Sequence[str] = ("bare_cold", "bare_warm", "judged_cold", "road_cold", "road_warm")
