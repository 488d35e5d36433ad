"""A program: many runs while workers are killed, frozen, and their messages lost and doubled. Prints what came of it as JSON.

Run by test_chaos.py with a database of its own. Workers are real processes that take doorbells from a pipe, so a killed worker
takes its unread messages with it. Only the hosts are not real: they answer within some milliseconds.
"""
# ruff: noqa: E402  Django must be set up before a model is imported

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["DJANGO_SETTINGS_MODULE"] = "kb.settings"

import django

django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.db.models import Count, F, Max

from checks import catalog
from checks.collectors.base import Collector
from checks.params import Param
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.results import Section, Verdict
from checks.transports.base import Command
from runbooks import hosts, live, tasks, waves
from runbooks.choices import STEP_TERMINAL, HostKeyState
from runbooks.dispatch import start_run
from runbooks.execution import execute
from runbooks.execution.rights import UNATTENDED
from runbooks.models import Attempt, Host, Result, ResultSection, Revision, Run, Runbook, RunEvent, Step
from runbooks.reaper import reap
from runbooks.sweeper import sweep

RUNS, HOSTS, CHECKS, WORKERS = 50, 10, 6, 4
LOST, DOUBLED = 0.3, 0.3
KILL_EACH, FREEZE_EACH = 25, 200  # ended steps, so that a slow machine kills no faster than it works
FROZEN_S = 1.6
ENDS_AFTER_S = 140
TEXT = "---\ntitle: Chaos\nkind: incident\n---\n" + "".join(
    f"\n```check\nid: c{i}\nprobe: chaos.number\nwith: {{n: {i}}}\n{'when: c0 == ok' if i > 3 else ''}\nconfirms: true\n```\n"
    for i in range(CHECKS)
)


def _judge(report: Report) -> None:
    report.fact("value", int(report.need("number").line(1)))
    report.find("chaos.any", Verdict.OK, f"it is {report.facts['value']}")


PROBE = Probe(
    id="chaos.number",
    title="A number",
    question="Which number?",
    collectors=(Collector("number", "echo", "", args=("n",)),),
    judge=_judge,
    facts=(FactSpec("value", "int", "the number"),),
    rules=(Rule("chaos.any", "any", "none"),),
    sources=("none",),
    params=(Param("n", "int"),),
)


class Quick:
    """A host that answers each command within some milliseconds."""

    name = "quick"

    async def collect(self, commands: Sequence[Command]) -> AsyncIterator[Section]:
        for command in commands:
            await asyncio.sleep(random.uniform(0, 0.08))
            yield Section(command.name, f"{command.args[0]}\n".encode() * random.randint(1, 50))

    async def close(self) -> None:
        pass


@dataclass
class Worker:
    """A forked process and the pipe that it reads doorbells from."""

    pid: int
    pipe: int

    @classmethod
    def fork(cls, others: Sequence[Worker]) -> Worker:
        connections.close_all()
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            for other in others:
                os.close(other.pipe)
            _work(reader)
        os.close(reader)
        os.set_blocking(writer, False)
        return cls(pid, writer)

    def send(self, message: bytes) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self.pipe, message)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.pipe)


def _work(reader: int) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(reader) as messages:
        for line in messages:
            run_id, host_ids = json.loads(line)
            try:
                execute(UUID(run_id), host_ids, f"worker@chaos:{os.getpid()}")
            except Exception as error:
                print(f"worker {os.getpid()}: {error!r}", file=sys.stderr)
    os._exit(0)


class Chaos:
    """The workers, and what is done to them."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.thawing: list[subprocess.Popen[bytes]] = []
        self.count: Counter[str] = Counter()
        for _ in range(WORKERS):
            self.workers.append(Worker.fork(self.workers))

    def ring(self, messages: Sequence[tuple[UUID, list[int]]]) -> bool:
        for run_id, host_ids in messages:
            luck = random.random()
            copies = 0 if luck < LOST else 2 if luck < LOST + DOUBLED else 1
            self.count["lost" if not copies else "doubled" if copies == 2 else "sent"] += 1
            for _ in range(copies):
                random.choice(self.workers).send(json.dumps([str(run_id), host_ids]).encode() + b"\n")
        return True

    def kill_one(self) -> None:
        place = random.randrange(WORKERS)
        victim = self.workers.pop(place)
        victim.kill()
        self.workers.append(Worker.fork(self.workers))
        self.count["killed"] += 1

    def freeze_one(self) -> None:
        """Another process thaws it: this one may be waiting for a lock that the frozen one holds."""
        victim = random.choice(self.workers)
        os.kill(victim.pid, signal.SIGSTOP)
        self.thawing = [each for each in self.thawing if each.poll() is None]
        self.thawing.append(subprocess.Popen(["sh", "-c", f"sleep {FROZEN_S}; kill -CONT {victim.pid} 2>/dev/null"]))
        self.count["frozen"] += 1

    def stop(self) -> None:
        for worker in self.workers:
            worker.kill()


def _prepare() -> tuple[Revision, list[Host]]:
    call_command("migrate", verbosity=0)
    settings.LEASE_S, settings.LEASE_RENEW_S, settings.SWEEP_AFTER_S = 1.0, 0.3, 0.5
    settings.MAX_ATTEMPTS, settings.SHARD_HOSTS = 10_000, 3
    catalog.catalog = waves.catalog = lambda: {PROBE.id: PROBE}  # type: ignore[assignment]
    hosts.OPENERS["quick"] = lambda host: lambda pool: Quick()  # type: ignore[assignment,return-value]
    live.publish = lambda run_id, seq: None
    runbook = Runbook.objects.create(slug="chaos", title="Chaos")
    revision = Revision.objects.create(runbook=runbook, number=1, text=TEXT)
    made = [Host(name=f"h{i}", transport="quick", host_key_state=HostKeyState.NONE) for i in range(HOSTS)]
    return revision, Host.objects.bulk_create(made)


def _go(revision: Revision, known: list[Host]) -> tuple[Chaos, float]:
    chaos = Chaos()
    tasks.ring = chaos.ring  # type: ignore[assignment]
    began = time.monotonic()
    try:
        _storm(chaos, revision, known, began)
    finally:
        chaos.stop()
    return chaos, time.monotonic() - began


def _storm(chaos: Chaos, revision: Revision, known: list[Host], began: float) -> None:
    kill_at = freeze_at = 0
    started = 0
    while time.monotonic() - began < ENDS_AFTER_S:
        if started < RUNS:
            start_run(revision=revision, hosts=known, params={}, user=None, origin=UNATTENDED)
            started += 1
        reap()
        sweep()
        ended = Step.objects.filter(state__in=STEP_TERMINAL).count()
        if started == RUNS and ended == RUNS * HOSTS * CHECKS:
            break
        if ended >= kill_at:
            chaos.kill_one()
            kill_at = ended + KILL_EACH
        if ended >= freeze_at:
            chaos.freeze_one()
            freeze_at = ended + FREEZE_EACH
        time.sleep(0.05)


def _report(chaos: Chaos, seconds: float) -> dict[str, Any]:
    terminal_events = RunEvent.objects.filter(kind__in=STEP_TERMINAL).values("step").annotate(n=Count("id"))
    per_run = Run.objects.annotate(n=Count("events"), top=Max("events__seq"))
    return {
        **chaos.count,
        "seconds": round(seconds, 1),
        "steps": Step.objects.count(),
        "states": dict(Counter(Step.objects.values_list("state", flat=True))),
        "runs_finished_ok": Run.objects.filter(state="finished", verdict="ok").count(),
        "results": Result.objects.count(),
        "results_of_an_older_fence": Result.objects.exclude(fence=F("step__fence")).count(),
        "sections": ResultSection.objects.count(),
        "attempts": Attempt.objects.count(),
        "late": Attempt.objects.filter(late__isnull=False).count(),
        "steps_ended_twice": terminal_events.filter(n__gt=1).count(),
        "steps_ended_once": terminal_events.filter(n=1).count(),
        "runs_with_gaps": per_run.exclude(n=F("top")).count() + per_run.exclude(n=F("last_seq")).count(),
    }


if __name__ == "__main__":
    seed = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 1 << 30)
    random.seed(seed)
    print(json.dumps({"seed": seed} | _report(*_go(*_prepare()))))
