"""The script in every shell it may meet, with every means of ending a command that it may find."""

import asyncio
import os
import re
import shutil
import uuid
from asyncio.subprocess import DEVNULL, PIPE

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


@pytest.fixture(params=SHELLS)
def shell(request):
    words = request.param.split()
    return " ".join([shutil.which(words[0]), *words[1:]])


@pytest.fixture
def few_tools(tmp_path, monkeypatch):
    """A PATH with hardly more than sleep(1): no timeout(1), no setsid(1)."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for program in ("sh", "sleep", "busybox"):
        if found := shutil.which(program):
            (tools / program).symlink_to(found)
    start = PRELUDE.index("PATH=")
    path = PRELUDE[start : PRELUDE.index(";", start)]
    monkeypatch.setattr(script, "PRELUDE", PRELUDE.replace(path, f"PATH={tools}"))


@pytest.mark.usefixtures("few_tools")
@pytest.mark.parametrize("own", ["", ": $$; "], ids=["fork", "exec"])
async def test_it_runs_each_command_alone_and_ends_it_in_time(shell, own, gather, gone):
    mark = uuid.uuid4().hex
    status, raw, late, after = await gather(
        LocalTransport(shell),
        Command("status", f"{own}echo out; echo err >&2; exit 3"),
        Command("bytes", rf"{own}printf 'a\000b\377'"),
        Command("late", f'{own}echo part; sh -c "trap : TERM; sleep 40; sleep 40" {mark}; sleep 40', timeout_s=1),
        Command("after", f"{own}echo $LC_ALL; have sh && echo has sh"),
    )
    assert (status.rc, status.stdout, status.stderr) == (3, b"out\n", b"err\n")
    assert (raw.rc, raw.stdout) == (0, b"a\0b\xff")
    assert (late.timed_out, late.stdout) == (True, b"part\n")
    assert late.rc in (137, 143)
    assert (after.rc, after.stdout) == (0, b"C\nhas sh\n")
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


@pytest.mark.usefixtures("few_tools")
async def test_it_kills_its_command_when_the_client_goes_away(shell, running, gone):
    mark = uuid.uuid4().hex
    batch = LocalTransport(shell).collect([Command("one", "echo one"), Command("long", f"sh -c 'sleep 60; sleep 60' {mark}; :")])
    await anext(batch)
    await running(mark)
    await batch.aclose()
    await gone(mark)


@pytest.mark.parametrize("own", ["", ": $$; "], ids=["fork", "exec"])
async def test_it_lets_no_command_learn_the_boundary(shell, own, gather, monkeypatch):
    boundary = "feed" * 8
    monkeypatch.setattr("secrets.token_hex", lambda size: boundary)
    look = "set; env; cat /proc/[0-9]*/cmdline /proc/self/environ 2>/dev/null; [ -r /proc/self/fd/3 ] && cat /proc/self/fd/3; :"
    (section,) = await gather(LocalTransport(shell), Command("look", own + look, max_bytes=1 << 24))
    assert section.rc == 0
    assert b"LC_ALL=" in section.stdout
    assert boundary.encode() not in section.stdout


async def test_it_gives_a_fork_no_more_than_a_shell_of_its_own_knows(shell, gather):
    """A variable that a command takes for unset must be unset, and a program must not be hidden by a function of ours."""
    words = re.findall(r"\b(\w+)(?:=|\(\) {)", script._FUNCTIONS + script._START)
    names = " ".join(sorted({*words, "main", "B", "P", "SH"}))
    look = f"""for name in {names}; do eval 'echo '"$name"' ${{'"$name"'-unset}}'; have "$name" && echo found; done; :"""
    assert script._way(Command("fork", look)) == "fork"
    late = Command("late", "sleep 9", timeout_s=1)  # after it all of them have been set
    _, ours, fresh = await gather(LocalTransport(shell), late, Command("fork", look), Command("exec", f": $$; {look}"))
    assert (ours.rc, ours.stdout) == (0, fresh.stdout)
    assert ours.stdout.count(b"unset") > 20


def test_it_has_no_word_in_common_with_what_collectors_use():
    ours, theirs = (set(re.findall(r"^(\w+)\(\) {", text, re.MULTILINE)) for text in (script._FUNCTIONS, PRELUDE))
    assert len(ours) > 5
    assert len(theirs) > 2
    assert not ours & theirs


async def test_it_splits_words_as_any_shell_does(shell, gather):
    text = "saved=$IFS; IFS=,; set -- $1; IFS=$saved; set -- $1 $2; echo $#"
    (section,) = await gather(LocalTransport(shell), Command("split", text, ("a b,c\td\ne",)))
    assert section.stdout == b"5\n"


async def test_it_ends_what_a_command_limits_itself(shell, gather, gone):
    """timeout(1) makes a process group of its own."""
    mark = uuid.uuid4().hex
    (late,) = await gather(
        LocalTransport(shell), Command("late", f"timeout 50 sh -c 'sleep 40; sleep 40' {mark}; :", timeout_s=1)
    )
    assert late.timed_out
    await gone(mark)


async def test_it_gives_a_command_that_took_seconds_its_own_status(shell, gather):
    sections = await gather(
        LocalTransport(shell),
        Command("slow", "sleep 2.2; exit 7"),
        Command("signal", "kill -USR1 $$; sleep 1"),
        Command("killed", "sleep 1.2; sh -c 'kill -USR1 $$'", timeout_s=30),
    )
    assert [(section.rc, section.timed_out) for section in sections] == [(7, False), (138, False), (138, False)]


async def test_it_calls_late_what_ends_well_when_it_is_told_to(shell, gather):
    polite, after = await gather(
        LocalTransport(shell), Command("polite", "trap 'exit 0' TERM; sleep 40", timeout_s=1), Command("after", "echo after")
    )
    assert polite.timed_out
    assert polite.rc in (0, 137)  # a machine that is too busy to let it end in a second kills it
    assert (after.rc, after.timed_out, after.stdout) == (0, False, b"after\n")


async def test_it_finds_what_runs_where_the_kernel_lists_no_children(shell, gather, monkeypatch, gone):
    assert "/proc/$$/task/$$/children" in script._FUNCTIONS
    monkeypatch.setattr(script, "_FUNCTIONS", script._FUNCTIONS.replace("/proc/$$/task/$$/children", "/none"))
    mark = uuid.uuid4().hex
    late = Command("late", f"sh -c 'sleep 40; sleep 40' {mark}; sleep 40", timeout_s=1)
    first, second, last = await gather(LocalTransport(shell), late, late, Command("last", "echo last"))
    assert (first.timed_out, second.timed_out, last.stdout) == (True, True, b"last\n")
    await gone(mark)


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
