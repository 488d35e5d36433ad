"""The script in every shell it may meet, with every means of ending a command that it may find."""

import asyncio
import os
import shutil
import uuid
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest

from checks.collectors.base import PRELUDE
from checks.transports import script
from checks.transports.base import Command
from checks.transports.local import LocalTransport
from checks.transports.script import build, time_limit

SHELLS = [
    pytest.param("dash", marks=pytest.mark.needs("dash")),
    pytest.param("bash", marks=pytest.mark.needs("bash")),
    pytest.param("bash --posix", marks=pytest.mark.needs("bash")),
    pytest.param("busybox sh", marks=pytest.mark.needs("busybox")),
]
LIMITERS = [
    "group",
    pytest.param("plain", marks=pytest.mark.needs("busybox")),
    pytest.param("old", marks=pytest.mark.needs("busybox")),
    "guard",
    "walk",
]
OLD_TIMEOUT = """#!/bin/sh
[ "$1" = -t ] || exit 1
limit=$2; shift 2
if [ "$1" = -s ]; then shift 2; exec busybox timeout -s KILL "$limit" "$@"; fi
exec busybox timeout "$limit" "$@"
"""


@pytest.fixture(params=SHELLS)
def shell(request):
    words = request.param.split()
    return " ".join([shutil.which(words[0]), *words[1:]])


@pytest.fixture(params=LIMITERS)
def limiter(request, tmp_path, monkeypatch):
    """A PATH on which only this way of ending a command is to be found."""
    tools = tmp_path / "bin"
    tools.mkdir()
    programs = ["sh", "cat", "sleep", "yes", "head", "id", "env", "true", "busybox"]
    if request.param == "group":
        programs.append("timeout")
    if request.param != "walk":
        programs.append("setsid")
    for program in programs:
        if found := shutil.which(program):
            (tools / program).symlink_to(Path(found).resolve() if program != "sh" else found)
    if request.param == "plain":
        (tools / "timeout").symlink_to(shutil.which("busybox"))
    if request.param == "old":
        (tools / "timeout").write_text(OLD_TIMEOUT)
        (tools / "timeout").chmod(0o755)
    start = PRELUDE.index("PATH=")
    path = PRELUDE[start : PRELUDE.index(";", start)]
    monkeypatch.setattr(script, "PRELUDE", PRELUDE.replace(path, f"PATH={tools}"))
    return request.param


async def test_it_runs_each_command_alone_and_ends_it_in_time(shell, limiter, gather, gone):
    mark = uuid.uuid4().hex
    transport = LocalTransport(shell)
    sections = await gather(
        transport,
        Command("status", "echo out; echo err >&2; exit 3"),
        Command("bytes", r"printf 'a\000b\377'"),
        Command("late", f'echo part; sh -c "trap : TERM; sleep 40; sleep 40" {mark}; sleep 40', timeout_s=1),
        Command("after", 'echo "$0 $LC_ALL"; have sh && echo has sh'),
    )
    assert transport.limiter == limiter
    status, raw, late, after = sections
    assert (status.rc, status.stdout, status.stderr) == (3, b"out\n", b"err\n")
    assert (raw.rc, raw.stdout) == (0, b"a\0b\xff")
    assert (late.timed_out, late.stdout) == (True, b"part\n")
    assert late.rc in (124, 137, 143)
    assert (after.rc, after.stdout) == (0, b"sidenote C\nhas sh\n")
    await gone(mark)


async def test_it_contains_what_a_command_does_to_its_shell(shell, gather):
    sections = await gather(
        LocalTransport(shell),
        Command("exit", "exit 7"),
        Command("exec", "exec echo gone"),
        Command("syntax", "if then"),
        Command("kill", "kill -9 $$"),
        Command("stdin", "cat; echo end"),
        Command("function", "run() { echo mine; }; B=1; K=2; run"),
        Command("redirect", "exec >/dev/null 2>&1; echo nothing"),
        Command("descriptors", 'for fd in 3 4; do if [ -e /proc/self/fd/$fd ]; then echo "open $fd"; fi; done; echo end'),
        Command("last", "echo here"),
    )
    assert [section.rc for section in sections] == [7, 0, 2, 137, 0, 0, 0, 0, 0]
    assert [section.stdout for section in sections] == [b"", b"gone\n", b"", b"", b"end\n", b"mine\n", b"", b"end\n", b"here\n"]
    assert b"yntax" in sections[2].stderr
    assert sections[3].stderr == b""


async def test_it_passes_arguments_as_they_are(shell, gather):
    arguments = ("", " a  b ", "$(id)", "`id`", "'", '"', "\\", "*", "-n", "; reboot", "line\nfeed", "ünï", "%s", "&&", "\t")
    (section,) = await gather(LocalTransport(shell), Command("echo", r"""printf '%s\0' "$@" """, arguments))
    assert section.stdout.split(b"\0")[:-1] == [argument.encode() for argument in arguments]


async def test_it_does_not_wait_for_a_background_child_and_leaves_none(shell, gather, gone):
    mark = uuid.uuid4().hex
    first, second = await gather(
        LocalTransport(shell), Command("child", f"sh -c 'sleep 60; sleep 60' {mark} & echo started"), Command("next", "echo next")
    )
    assert (first.rc, first.stdout, second.stdout) == (0, b"started\n", b"next\n")
    await gone(mark)


async def test_it_kills_its_command_when_the_client_goes_away(shell, limiter, running, gone):
    mark = uuid.uuid4().hex
    batch = LocalTransport(shell).collect([Command("one", "echo one"), Command("long", f"sh -c 'sleep 60; sleep 60' {mark}; :")])
    await anext(batch)
    await running(mark)
    await batch.aclose()
    await gone(mark)


async def test_it_lets_no_command_learn_the_boundary(shell, gather, monkeypatch):
    boundary = "feed" * 8
    monkeypatch.setattr("secrets.token_hex", lambda size: boundary)
    look = "set; env; cat /proc/[0-9]*/cmdline /proc/self/environ 2>/dev/null; [ -r /proc/self/fd/3 ] && cat /proc/self/fd/3; :"
    (section,) = await gather(LocalTransport(shell), Command("look", look, max_bytes=1 << 24))
    assert section.rc == 0
    assert b"sidenote" in section.stdout
    assert boundary.encode() not in section.stdout


async def test_it_writes_nothing(shell, gather, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    await gather(LocalTransport(shell), Command("one", "files /proc/uptime /none"), Command("late", "sleep 9", timeout_s=1))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.999])
async def test_it_runs_nothing_of_a_script_that_was_cut(shell, cut, tmp_path):
    target = tmp_path / "touched"
    text = build([Command("touch", f"echo > {target}")] * 3, "b" * 32)
    process = await asyncio.create_subprocess_exec(*shell.split(), stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL)
    await process.communicate(text[: int(len(text) * cut)])
    assert not target.exists()


@pytest.mark.parametrize(("seconds", "whole"), [(0, 1), (0.2, 1), (1, 1), (1.1, 2), (10, 10)])
def test_it_gives_the_host_whole_seconds(seconds, whole):
    assert time_limit(Command("any", ":", timeout_s=seconds)) == whole
