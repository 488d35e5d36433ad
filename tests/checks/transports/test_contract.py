"""What every transport promises, asked of each: this machine, a host over SSH, and a recording of either."""

import pytest

from checks.collectors.base import Collector
from checks.engine import PAUSE, Request, collect
from checks.errors import TransportError
from checks.probes.base import Probe, Rule
from checks.results import Reason, Section, Verdict
from checks.transports.base import Command
from checks.transports.local import LocalTransport
from checks.transports.replay import ReplayTransport

BATCH = (
    Command("plain", "echo hello; echo careful >&2", title="a plain one"),
    Command("status", "exit 3"),
    Command("raw", r"printf '\000\377\r\nno end'"),
    Command("empty", ":"),
    Command("late", "echo first; sleep 30; echo second", timeout_s=1),
    Command("big", "head -c 5000 /dev/zero; echo end", max_bytes=4000),
    Command("flood", "yes", max_bytes=1000),
    Command("stdin", "cat; echo read"),
    Command("missing", "no-such-program-here"),
    Command("killed", "kill -KILL $$"),
    Command("arguments", 'printf "%s|" "$@"', ("a b", "$(id)", "'")),
    Command("words", "files /proc/uptime /none >/dev/null; have sh; echo $?"),
    Command("last", "echo last"),
)


@pytest.fixture(params=["local", pytest.param("ssh", marks=pytest.mark.needs("openssh-server")), "replay"])
async def transport(request, pool, gather):
    if request.param == "local":
        return LocalTransport()
    if request.param == "replay":
        return ReplayTransport(await gather(LocalTransport(), *BATCH))
    sshd = request.getfixturevalue("sshd")
    return request.getfixturevalue("over_ssh")(sshd)


async def test_it_yields_every_section_in_order_with_its_own_end(transport, gather):
    sections = await gather(transport, *BATCH)
    assert [section.name for section in sections] == [command.name for command in BATCH]
    by_name = {section.name: section for section in sections}
    assert (by_name["plain"].stdout, by_name["plain"].stderr) == (b"hello\n", b"careful\n")
    assert by_name["plain"].command == "a plain one"
    assert by_name["status"].rc == 3
    assert by_name["raw"].stdout == b"\0\xff\r\nno end"
    assert (by_name["empty"].rc, by_name["empty"].stdout) == (0, b"")
    assert (by_name["late"].timed_out, by_name["late"].stdout) == (True, b"first\n")
    assert by_name["late"].rc is not None
    assert (by_name["big"].rc, by_name["big"].dropped_bytes) == (0, 1004)
    assert by_name["big"].stdout == b"\0" * 3996 + b"end\n"
    assert by_name["flood"].rc is None
    assert by_name["flood"].dropped_bytes >= 7000
    assert (len(by_name["flood"].stdout), set(by_name["flood"].stdout)) == (1000, set(b"y\n"))
    assert by_name["stdin"].stdout == b"read\n"
    assert by_name["missing"].rc == 127
    assert (by_name["killed"].rc, by_name["killed"].timed_out) == (137, False)
    assert by_name["arguments"].stdout == b"a b|$(id)|'|"
    assert by_name["words"].stdout == b"0\n"
    assert (by_name["last"].rc, by_name["last"].stdout) == (0, b"last\n")
    assert all(section.duration_ms is not None for section in sections if section.rc is not None)


async def test_it_collects_nothing_for_nothing(transport, gather):
    assert await gather(transport) == []


async def test_it_can_be_asked_again_and_closed(transport, gather):
    for _ in range(2):
        (section,) = await gather(transport, BATCH[0])
        assert section.stdout == b"hello\n"
    await transport.close()


async def test_it_gives_what_has_ended_before_the_rest_runs(transport):
    batch = transport.collect([BATCH[0], Command("never", "sleep 60", timeout_s=60)])
    assert (await anext(batch)).stdout == b"hello\n"
    await batch.aclose()


def judge(report):
    report.need("plain")
    report.need("empty", allow_empty=True)
    report.find("seen", Verdict.OK, "both sections are whole")


async def test_it_gives_the_engine_what_a_probe_needs(transport):
    collectors = tuple(Collector(command.name, command.title, command.script) for command in (BATCH[0], BATCH[3]))
    probe = Probe(
        "test.seen", "Seen", "Is it whole?", collectors, judge, (), (Rule("seen", "both are whole", "test"),), ("test",)
    )
    (collected,) = [collected async for collected in collect([Request("key", probe)], transport)]
    assert collected.error is None
    assert collected.judge().verdict is Verdict.OK


async def test_it_leaves_what_was_not_recorded_without_an_end(gather):
    recorded = ReplayTransport([Section("one", b"1")])
    first, pause, second = await gather(recorded, Command("one", ":"), Command(PAUSE, ":"), Command("one", ":"))
    assert (first.stdout, first.rc) == (b"1", 0)
    assert (pause.rc, second.rc) == (None, None)


async def test_it_loses_a_recorded_host_where_the_recording_ends(gather):
    recorded = ReplayTransport([Section("one", b"1")], error=TransportError("lost", Reason.CONN_LOST))
    batch = recorded.collect([Command("one", ":"), Command("two", ":")])
    assert (await anext(batch)).stdout == b"1"
    with pytest.raises(TransportError) as lost:
        await anext(batch)
    assert lost.value.reason is Reason.CONN_LOST
