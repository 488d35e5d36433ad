"""Requests of one host into one round trip, and its sections back to each request."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from checks.collectors.base import Collector
from checks.engine import PAUSE, Collected, Request, collect, plan
from checks.errors import TransportError
from checks.results import Reason, Section, Verdict
from checks.transports.base import Command

A = Collector("a", "A", "echo a")
B = Collector("b", "B", 'echo "$1"', args=("word",))
S = Collector("s", "S", "cat /proc/uptime", sampled=True)
ONLY = Collector("only", "Only", "echo only", only_if="wanted")


def probe(toy: Any, name: str, *collectors: Collector, interval_s: int = 10) -> Any:
    return dataclasses.replace(toy, id=name, collectors=collectors, interval_s=interval_s)


class Scripted:
    """A transport that yields an echo of each command, up to where it was told to fail."""

    name = "scripted"

    def __init__(self, fail_at: int | None = None, error: TransportError | None = None) -> None:
        self.fail_at = fail_at
        self.error = error
        self.calls: list[list[Command]] = []

    async def collect(self, commands: Sequence[Command]) -> AsyncIterator[Section]:
        self.calls.append(list(commands))
        for position, command in enumerate(commands):
            if position == self.fail_at:
                if self.error:
                    raise self.error
                return
            yield Section(command.name, f"{command.script} {' '.join(command.args)}\n".encode(), command=command.title)

    async def close(self) -> None: ...


async def gather(requests: Sequence[Request], transport: Scripted) -> list[Collected]:
    return [found async for found in collect(requests, transport)]


def names(requests: Sequence[Request]) -> list[str]:
    return [command.name for command in plan(requests).commands]


def test_it_lays_samples_around_single_readings(toy: Any) -> None:
    assert names([Request(1, probe(toy, "x", A, S)), Request(2, probe(toy, "y", B), {"word": "w"})]) == [
        "s_a",
        "a",
        "b",
        PAUSE,
        "s_b",
    ]


def test_it_runs_equal_commands_once_and_others_apart(toy: Any) -> None:
    requests = [
        Request(1, probe(toy, "x", A, B), {"word": "v"}),
        Request(2, probe(toy, "y", A, B), {"word": "w"}),
        Request(3, probe(toy, "z", B), {"word": "v"}),
    ]
    laid = plan(requests)
    assert [(command.name, command.args) for command in laid.commands] == [("a", ()), ("b", ("v",)), ("b", ("w",))]
    assert [dict(wanted) for _, wanted in laid.wanted] == [{"a": 0, "b": 1}, {"a": 0, "b": 2}, {"b": 1}]


def test_it_takes_the_two_samples_of_one_command_apart(toy: Any) -> None:
    assert names([Request(1, probe(toy, "x", S)), Request(2, probe(toy, "y", S))]) == ["s_a", PAUSE, "s_b"]


def test_it_waits_once_for_the_longest_interval(toy: Any) -> None:
    requests = [
        Request(1, probe(toy, "x", S, interval_s=3)),
        Request(2, probe(toy, "y", S), interval_s=0.5),
        Request(3, probe(toy, "z", A)),
    ]
    pauses = [command for command in plan(requests).commands if command.name == PAUSE]
    assert [(pause.args, pause.timeout_s) for pause in pauses] == [(("3",), 8)]


def test_it_waits_not_at_all_without_samples(toy: Any) -> None:
    assert PAUSE not in names([Request(1, probe(toy, "x", A))])


@pytest.mark.parametrize(("params", "wanted"), [({"wanted": True}, ["a", "only"]), ({"wanted": False}, ["a"]), ({}, ["a"])])
def test_it_leaves_out_what_was_not_asked_for(toy: Any, params: dict[str, Any], wanted: list[str]) -> None:
    assert names([Request(1, probe(toy, "x", A, ONLY), params)]) == wanted


def test_it_passes_limits_of_time_and_size_on(toy: Any) -> None:
    slow = Collector("slow", "Slow one", "sleep 1", timeout_s=33, max_bytes=4096)
    assert plan([Request(1, probe(toy, "x", slow))]).commands == (Command("slow", "sleep 1", (), 33, 4096, "Slow one"),)


async def test_it_asks_the_host_once(toy: Any) -> None:
    transport = Scripted()
    found = await gather([Request(1, probe(toy, "x", A)), Request(2, probe(toy, "y", A, S))], transport)
    assert len(transport.calls) == 1
    assert [one.request.key for one in found] == [1, 2]
    assert not any(one.error for one in found)


async def test_it_hands_each_request_its_sections_as_soon_as_the_last_is_there(toy: Any) -> None:
    requests = [Request("slow", probe(toy, "x", S)), Request("quick", probe(toy, "y", A))]
    order = [(one.request.key, [section.name for section in one.sections]) for one in await gather(requests, Scripted())]
    assert order == [("quick", ["a"]), ("slow", ["s_a", "s_b"])]


async def test_it_names_a_shared_section_as_each_probe_calls_it(toy: Any) -> None:
    same = dataclasses.replace(A, name="another")
    found = await gather([Request(1, probe(toy, "x", A)), Request(2, probe(toy, "y", same))], Scripted())
    assert [one.sections[0].name for one in found] == ["a", "another"]
    assert found[0].sections[0].stdout == found[1].sections[0].stdout


async def test_it_gives_what_arrived_before_the_host_failed(toy: Any) -> None:
    requests = [
        Request(1, probe(toy, "x", A)),
        Request(2, probe(toy, "y", A, B), {"word": "w"}),
        Request(3, probe(toy, "z", B), {"word": "v"}),
    ]
    error = TransportError("the connection was lost", Reason.CONN_LOST)
    found = {one.request.key: one for one in await gather(requests, Scripted(1, error))}
    assert (found[1].error, found[2].error, found[3].error) == (None, error, error)
    assert [section.name for section in found[2].sections] == ["a"]
    assert found[3].sections == ()


async def test_it_believes_no_early_end_without_an_error(toy: Any) -> None:
    found = await gather([Request(1, probe(toy, "x", A, B), {"word": "w"})], Scripted(1))
    assert found[0].error
    assert found[0].error.reason == Reason.CONN_LOST


async def test_it_fails_every_request_when_the_host_is_not_there(toy: Any) -> None:
    error = TransportError("no route to host", Reason.HOST_UNREACHABLE)
    found = await gather([Request(1, probe(toy, "x", A)), Request(2, probe(toy, "y", B))], Scripted(0, error))
    assert [(one.request.key, one.error, one.sections) for one in found] == [(1, error, ()), (2, error, ())]


async def test_it_takes_secrets_out_before_anybody_sees_them(toy: Any) -> None:
    secret = Collector("count", "Secret", "password=hunter2")
    found = await gather([Request(1, probe(toy, "x", secret))], Scripted())
    assert b"hunter2" not in found[0].sections[0].stdout
    assert found[0].judge().verdict == Verdict.UNKNOWN


async def test_it_judges_with_the_parameters_and_limits_of_the_request(toy: Any) -> None:
    count = Collector("count", "Count", "12 things")
    request = Request(1, probe(toy, "x", count), limits={"warn_at": 13})
    sections = [
        dataclasses.replace(section, stdout=b"12 things\n") for section in (await gather([request], Scripted()))[0].sections
    ]
    assert Collected(request, tuple(sections)).judge().verdict == Verdict.OK
    assert Collected(dataclasses.replace(request, limits={}), tuple(sections)).judge().verdict == Verdict.WARN


async def test_it_has_nothing_to_do_without_requests() -> None:
    assert await gather([], Scripted()) == []
