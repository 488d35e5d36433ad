"""This machine as a host: what is particular to it."""

import asyncio
import os
from pathlib import Path

import pytest

from checks.errors import TransportError
from checks.results import Reason
from checks.transports import local
from checks.transports.base import Command
from checks.transports.local import LocalTransport


async def test_it_says_when_there_is_no_shell(refusal):
    error, _ = await refusal(LocalTransport("/nonexistent/sh"))
    assert error.reason is Reason.FAILED
    assert "/nonexistent/sh" in error.say


async def test_it_says_when_the_shell_ends_at_once(refusal, tmp_path):
    program = tmp_path / "sh"
    program.write_text("#!/bin/sh\necho not today; exit 1\n")
    program.chmod(0o755)
    error, _ = await refusal(LocalTransport(str(program)))
    assert error.reason is Reason.REFUSED
    assert "not today" in error.say


async def test_it_runs_in_a_session_of_its_own(gather):
    (section,) = await gather(LocalTransport(), Command("session", "read -r _ _ _ _ _ session _ </proc/self/stat; echo $session"))
    assert int(section.stdout) != os.getsid(0)


async def test_it_kills_a_shell_that_does_not_go(gather, monkeypatch):
    monkeypatch.setattr(local, "_GONE_S", 0.2)
    stuck = Command("stuck", "echo $PPID; kill -STOP $PPID; sleep 60", timeout_s=1)
    first, second = await gather(LocalTransport(grace_s=0.2), stuck, Command("next", "echo next"))
    assert (first.rc, first.timed_out, second.stdout) == (None, True, b"next\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(first.stdout), 0)


async def test_it_kills_what_runs_when_its_task_is_cancelled(running, gone):
    async def collect():
        async for _ in LocalTransport().collect([Command("long", "sh -c 'sleep 60; sleep 60' cancelled-local; :")]):
            pass

    task = asyncio.ensure_future(collect())
    await running("cancelled-local")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone("cancelled-local")


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


async def test_it_leaves_no_process_and_no_descriptor_behind(gather):
    before, others = set(os.listdir("/proc/self/fd")), set(children().split())  # another test's helper may live in this process
    for _ in range(5):
        await gather(LocalTransport(), Command("one", "echo one"))
    assert len(os.listdir("/proc/self/fd")) <= len(before) + 2
    assert set(children().split()) <= others


async def test_it_needs_no_variable_of_this_environment(gather, monkeypatch):
    for name in list(os.environ):
        monkeypatch.delenv(name)
    (section,) = await gather(LocalTransport(), Command("one", "have sleep && echo $LC_ALL"))
    assert section.stdout == b"C\n"


async def test_it_is_not_led_astray_by_this_environment(gather, monkeypatch, tmp_path):
    (tmp_path / "rc").write_text("echo astray\n")
    for name in ("ENV", "BASH_ENV"):
        monkeypatch.setenv(name, str(tmp_path / "rc"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("IFS", "/")
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    monkeypatch.setenv("CDPATH", "/usr")
    (section,) = await gather(LocalTransport(), Command("one", "cd bin 2>/dev/null; ls /none; echo $LC_ALL"))
    assert section.stdout == b"C\n"
    assert b"No such file" in section.stderr


async def test_it_survives_a_command_that_signals_its_whole_session(gather):
    sections = await gather(LocalTransport(), Command("group", "kill -TERM 0; sleep 5"), Command("next", "echo next"))
    assert sections[0].rc != 0
    assert sections[1].stdout == b"next\n"


async def test_it_goes_on_in_a_new_shell_when_its_own_is_killed(gather):
    sections = await gather(LocalTransport(), Command("kill", "kill -KILL $PPID; sleep 1"), Command("next", "echo next"))
    assert [section.rc for section in sections] == [None, 0]


async def test_it_refuses_damaged_marks(refusal, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda size: "b" * 32)
    forged = f"sleep 0.2; printf '\\n{'b' * 32} 7 0 1.00 1.00\\n'"
    error, sections = await refusal(LocalTransport(), Command("one", "echo one"), Command("forged", forged))
    assert isinstance(error, TransportError)
    assert error.reason is Reason.SSH_PROTOCOL
    assert [section.name for section in sections] == ["one"]
