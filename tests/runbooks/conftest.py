"""Toy probes, toy runbooks and toy hosts: what runs need, without any real machine."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from checks.collectors.base import Collector
from checks.errors import TransportError
from checks.params import Param
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.results import Section, Verdict
from checks.transports.base import Command
from runbooks import hosts, live, tasks
from runbooks.choices import HostKeyState
from runbooks.models import Host, Revision, Run, Runbook

TOY = """---
title: Toy
kind: incident
params:
  word: {type: text, default: hello}
---

## Diagnosis

```check
id: first
probe: toy.number
confirms: true
```

```check
id: second
probe: toy.number
with: {say: "{word}"}
```
"""


def _judge(report: Report) -> None:
    """The first line is a number: 0 to 9 ok, from 10 warn, from 100 crit."""
    section = report.need("number")
    value = int(section.line(1))
    report.fact("value", value, "number", 1)
    report.fact("said", report.params.get("say") or "")
    report.fact("bound", report.params["bound"])
    verdict = Verdict.CRIT if value >= 100 else Verdict.WARN if value >= 10 else Verdict.OK
    report.find("toy.high", verdict, f"the number is {value}", value=value, evidence=[report.evidence("number", 1)])


NUMBER = Probe(
    id="toy.number",
    title="A number",
    question="How high is the number?",
    collectors=(Collector("number", "echo", 'echo "${1:-5}"', args=("say",)),),
    judge=_judge,
    facts=(
        FactSpec("value", "int", "the number"),
        FactSpec("said", "str", "the word"),
        FactSpec("bound", "int", "a number with a default"),
    ),
    rules=(Rule("toy.high", "high", "none"),),
    sources=("none",),
    params=(Param("say", "text"), Param("port", "port"), Param("bound", "int", default=7)),
)


@dataclass
class Script:
    """What the toy transport does: ``answers`` by host name, else 5; ``fail`` raises; ``hold`` waits for the test."""

    answers: dict[str, bytes] = field(default_factory=dict)
    fail: dict[str, TransportError] = field(default_factory=dict)
    wait: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    sent: list[tuple[Any, list[int]]] = field(default_factory=list)
    broker_up: bool = True


class ToyTransport:
    """Answers every command at once, as the script says."""

    name = "toy"

    def __init__(self, host: str, script: Script) -> None:
        self.host = host
        self.script = script

    async def collect(self, commands: Sequence[Command]) -> AsyncIterator[Section]:
        if self.host in self.script.fail:
            raise self.script.fail[self.host]
        if self.host in self.script.wait:
            await self.script.wait[self.host]()
        for command in commands:
            self.script.asked.append((self.host, command.name))
            yield Section(command.name, self.script.answers.get(self.host, b"5\n"), command=command.title, duration_ms=1)

    async def close(self) -> None:
        pass


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """The toy probe as the whole catalogue, toy hosts reachable, the doorbell and the live channel replaced by lists."""
    script = Script()
    for place in ("checks.catalog.catalog", "runbooks.waves.catalog", "runbooks.revisions.catalog"):
        monkeypatch.setattr(place, lambda: {NUMBER.id: NUMBER})
    monkeypatch.setitem(hosts.OPENERS, "toy", lambda host: lambda pool, name=host.name: ToyTransport(name, script))
    monkeypatch.setattr(tasks, "ring", lambda messages: script.sent.extend(messages) or script.broker_up)
    monkeypatch.setattr(live, "publish", lambda run_id, seq: None)
    return script


_numbers = itertools.count(1)


@pytest.fixture
def toy_host(db: None) -> Callable[..., Host]:
    def make(name: str = "", **fields: Any) -> Host:
        name = name or f"toy-{next(_numbers):06}"  # hosts are taken in the order of their names
        return Host.objects.create(**{"name": name, "transport": "toy", "host_key_state": HostKeyState.NONE} | fields)

    return make


@pytest.fixture
def revision(db: None) -> Callable[..., Revision]:
    def make(text: str = TOY) -> Revision:
        runbook = Runbook.objects.create(slug=f"toy-{next(_numbers)}", title="Toy")
        runbook.published = Revision.objects.create(runbook=runbook, number=1, text=text)
        runbook.save()
        return runbook.published

    return make


@pytest.fixture
def on_call(db: None) -> Any:
    """A person who may start runs."""
    user = get_user_model().objects.create_user(f"on-call-{next(_numbers)}")
    user.user_permissions.add(Permission.objects.get(codename="start_run"))
    return user


@pytest.fixture
def start(script: Script, revision: Callable[..., Revision], toy_host: Callable[..., Host], on_call: Any) -> Callable[..., Run]:
    """Start a run of some text on some toy hosts; nothing of it is executed yet."""
    from runbooks.dispatch import start_run

    def make(text: str = TOY, hosts: Sequence[Host] | None = None, **given: Any) -> Run:
        fields = {"params": {}, "user": on_call, "origin": "web"} | given
        return start_run(revision=revision(text), hosts=hosts or [toy_host()], **fields)

    return make
