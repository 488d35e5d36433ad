"""From requests to results: plan the commands of one host, collect them in one round trip, hand each request its sections.

The same bytes give the same verdict whichever transport carried them: redaction happens here, before anything is judged or kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from checks.collectors.base import Collector
from checks.errors import TransportError
from checks.params import as_argument
from checks.probes.base import Probe
from checks.redact import redact
from checks.results import ProbeResult, Reason, Section
from checks.transports.base import Command, Transport

PAUSE = "pause"


@dataclass(frozen=True)
class Request:
    """One check to make on a host. ``interval_s`` is the time between the samples of a two-sample probe, its own by default."""

    key: Hashable
    probe: Probe
    params: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    interval_s: float | None = None


@dataclass(frozen=True)
class Collected:
    """A request's sections, or as many of them as arrived before ``error`` ended the collection."""

    request: Request
    sections: tuple[Section, ...]
    error: TransportError | None = None

    def judge(self) -> ProbeResult:
        """The probe's answer. With ``error`` set the caller has no evidence to judge and reports the error instead."""
        return self.request.probe.evaluate(self.sections, self.request.params, self.request.limits)


Wanted = tuple[Request, tuple[tuple[str, int], ...]]
"""A request and the (section name, command index) pairs that it waits for."""


@dataclass(frozen=True)
class Plan:
    """The commands of one host in order, and what each request waits for."""

    commands: tuple[Command, ...]
    wanted: tuple[Wanted, ...]


def plan(requests: Sequence[Request]) -> Plan:
    """Lay out the commands of one host: first samples, single readings, one pause, second samples; equal commands run once.

    The pause is the longest interval asked for, so that a host waits once however many two-sample probes it is asked.
    """
    commands: list[Command] = []
    index: dict[tuple[Any, ...], int] = {}
    wanted: dict[int, list[tuple[str, int]]] = {i: [] for i in range(len(requests))}

    def add(position: int, request: Request, collector: Collector, suffix: str) -> None:
        arguments = tuple(as_argument(request.params.get(name)) for name in collector.args)
        key = (collector.script, arguments, suffix)
        name = collector.name + suffix
        if key not in index:
            index[key] = len(commands)
            command = Command(name, collector.script, arguments, collector.timeout_s, collector.max_bytes, collector.title)
            commands.append(command)
        wanted[position].append((name, index[key]))

    def lay(suffix: str, *, sampled: bool) -> None:
        for position, request in enumerate(requests):
            for collector in request.probe.collectors:
                if collector.sampled == sampled and (not collector.only_if or request.params.get(collector.only_if)):
                    add(position, request, collector, suffix)

    lay("_a", sampled=True)
    lay("", sampled=False)
    pauses = [request.interval_s or request.probe.interval_s for request in requests if request.probe.sampled]
    if pauses:
        seconds = max(pauses)
        commands.append(Command(PAUSE, 'exec sleep "$1"', (f"{seconds:g}",), timeout_s=seconds + 5))
        lay("_b", sampled=True)
    return Plan(tuple(commands), tuple((request, tuple(wanted[i])) for i, request in enumerate(requests)))


async def collect(requests: Sequence[Request], transport: Transport) -> AsyncIterator[Collected]:
    """Collect all requests of one host in one round trip; yield each request as soon as its last section is there.

    Never raises TransportError: when the host fails, every request that is still waiting is yielded with the error.
    """
    laid = plan(requests)
    arrived: list[Section] = []
    complete_at = _complete_at(laid)
    error: TransportError | None = None
    try:
        async with aclosing(transport.collect(laid.commands)) as stream:  # a reader who stops early frees the connection at once
            async for section in stream:
                arrived.append(redact(section))
                for request, names in complete_at.pop(len(arrived), ()):
                    yield Collected(request, _named(names, arrived))
    except TransportError as failure:
        error = failure
    for request, names in chain.from_iterable(complete_at.values()):
        lost = error or TransportError("the connection ended before every command had answered", Reason.CONN_LOST)
        yield Collected(request, _named(names, arrived), lost)


def _complete_at(laid: Plan) -> dict[int, list[Wanted]]:
    """The requests by the number of sections that must have arrived before all of theirs are there."""
    complete_at: dict[int, list[Wanted]] = {}
    for request, names in laid.wanted:
        complete_at.setdefault(1 + max((position for _, position in names), default=0), []).append((request, names))
    return complete_at


def _named(names: tuple[tuple[str, int], ...], arrived: Sequence[Section]) -> tuple[Section, ...]:
    found = ((name, arrived[position]) for name, position in names if position < len(arrived))
    return tuple(section if section.name == name else replace(section, name=name) for name, section in found)
