"""The masks are those measured with unshare --pid, one process of each kind."""

import pytest

from checks.analyzers.first_process import FirstProcess, Outcome, outcome
from checks.analyzers.signals import holds, names
from checks.parsers.proc_process import parse_status


def process(
    comm: str, caught: int, exe: str = "", command: str = "", *, children: int = 0, ns_pid: int | None = 1, ignored: int = 0
) -> FirstProcess:
    rows = [f"Name:\t{comm}", "State:\tS (sleeping)", "Pid:\t13899", "PPid:\t13870", "Threads:\t1"]
    rows += [f"NSpid:\t13899\t{ns_pid}"] if ns_pid else []
    rows += [f"SigBlk:\t{0:016x}", f"SigIgn:\t{ignored:016x}", f"SigCgt:\t{caught:016x}"]
    status = parse_status("\n".join(rows) + "\n")
    return FirstProcess(status, exe, command, tuple(range(20000, 20000 + children)))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (process("run.sh", 0x10000, "/usr/bin/bash", "/bin/bash /run.sh", children=1), Outcome.SHELL_IGNORES),
        (process("run.sh", 0x10000, "/bin/busybox", "/bin/sh /run.sh", children=1), Outcome.SHELL_IGNORES),
        (process("sh", 0x10000, "", "sh -c app", children=1), Outcome.SHELL_IGNORES),
        (process("sleep", 0, "/usr/bin/sleep", "sleep 300"), Outcome.DROPPED),
        (process("sleep", 0, "/bin/busybox", "sleep 300"), Outcome.DROPPED),
        (process("python3", 0x2, "/usr/bin/python3.11", "python3 app.py"), Outcome.DROPPED),
        (process("python3", 0x4002, "/usr/bin/python3.11", "python3 app.py"), Outcome.CAUGHT),
        (process("tini", 0, "/tini", "/tini -- app", children=1), Outcome.SHIM),
        (process("dumb-init", 0x7FFBFEFF, "/usr/bin/dumb-init", "dumb-init app", children=1), Outcome.SHIM),
        (process("app", 0xFFFFFFFD7FC1FEFD, "/app", "/app"), Outcome.CAUGHT),
        (process("node", 0x100004602, "/usr/local/bin/node", "node server.js"), Outcome.MAY_BE_DROPPED),
        (process("MainThread", 0x100004602, "/usr/local/bin/node", "node server.js"), Outcome.MAY_BE_DROPPED),
        (process("run.sh", 0x14000, "/usr/bin/bash", "/bin/bash /run.sh", children=1), Outcome.FORWARDED_LATE),
        (process("app", 0, "/app", "/app", ns_pid=8), Outcome.DEFAULT_ACTION),
        (process("app", 0, "/app", "/app", ns_pid=8, ignored=0x4000), Outcome.IGNORED),
        (process("app", 0, "/app", "/app", ns_pid=None), Outcome.NOT_KNOWN),
        (process("sh (deleted)", 0x10000, "/bin/dash (deleted)", "", children=2), Outcome.SHELL_IGNORES),
    ],
    ids=lambda value: value.status.name if isinstance(value, FirstProcess) else str(value),
)
def test_it_says_what_becomes_of_term(found: FirstProcess, expected: Outcome) -> None:
    assert outcome(found, "TERM") == expected


def test_it_asks_for_the_signal_that_is_really_sent() -> None:
    nginx = process("nginx", 0x18016A07, "/usr/sbin/nginx", "nginx: master process")
    assert outcome(nginx, "QUIT") == Outcome.CAUGHT
    assert outcome(process("app", 0x4000, "/app", "/app"), "USR2") == Outcome.DROPPED


def test_it_reads_signals_as_bits_from_one() -> None:
    assert [
        holds(1 << (number - 1), name) for number, name in ((1, "HUP"), (2, "INT"), (3, "QUIT"), (12, "USR2"), (15, "TERM"))
    ] == [True] * 5
    assert names(1 << 63) == ["64"]
