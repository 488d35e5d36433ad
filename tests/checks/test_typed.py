"""Which files a typed command shows, and the blocks that come of it."""

from __future__ import annotations

import doctest

import pytest

from checks import typed
from checks.pasted import clean, split
from checks.typed import files_shown


def test_its_samples_hold() -> None:
    assert doctest.testmod(typed).failed == 0


@pytest.mark.parametrize(("command", "files"), [
    ("cat cpu.stat", ("cpu.stat",)),
    ("cat /sys/fs/cgroup/cpu/cpu.stat | more", ("/sys/fs/cgroup/cpu/cpu.stat",)),
    ("sudo cat cpu.cfs_quota_us cpu.cfs_period_us", ("cpu.cfs_quota_us", "cpu.cfs_period_us")),
    ("grep -E '^(Name|SigCgt)' /proc/$P/status", ("/proc/$P/status",)),
    ("cat /proc/812/limits | grep 'open files'", ("/proc/812/limits",)),
    ("ls -1 /proc/812/fd 2>/dev/null | wc -l", ("/proc/812/fd",)),
    ("kubectl -n shop exec -it web-0 -- cat /sys/fs/cgroup/cpu.stat", ("/sys/fs/cgroup/cpu.stat",)),
    ("docker exec web cat /sys/fs/cgroup/pids.current", ("/sys/fs/cgroup/pids.current",)),
    ("docker exec web cat /sys/fs/cgroup/cgroup.stat", ()),
    ("cat /proc/net/route | grep eth0", ()),
    ("cat a | sort", ()),
    ("cat a && uname -r", ()),
    ("catalog list", ()),
])  # fmt: skip
def test_it_knows_the_files_of_a_command(command: str, files: tuple[str, ...]) -> None:
    assert files_shown(command) == files


def test_it_parts_the_output_of_one_command_that_shows_several_files() -> None:
    blocks = split("# cat cpu.cfs_quota_us cpu.cfs_period_us cpu.stat\n20000\n100000\nnr_periods 3\nnr_throttled 1\n# date\n")
    assert [(block.path, block.text, block.first, block.last) for block in blocks] == [
        ("cpu.cfs_quota_us", "20000\n", 2, 2),
        ("cpu.cfs_period_us", "100000\n", 3, 3),
        ("cpu.stat", "nr_periods 3\nnr_throttled 1\n", 4, 5),
    ]


def test_it_leaves_an_output_whole_whose_files_cannot_be_told_apart() -> None:
    assert [block.path for block in split("# cat a.stat b.stat\n1\n2\n3\n")] == [""]


def test_it_knows_a_command_without_its_prompt_at_the_beginning() -> None:
    blocks = split("grep cgroup /proc/self/mountinfo\n31 30 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    assert [(block.path, block.first) for block in blocks] == [("/proc/self/mountinfo", 2)]


@pytest.mark.parametrize("indent", ["    ", "\t", "        "])
def test_it_takes_away_the_indent_of_a_whole_page(indent: str) -> None:
    text = "# uname -r\n5.10.0-28-amd64\n\n# cat cpu.stat\nnr_periods 3\n"
    indented = "".join(indent + line if line.strip() else line for line in text.splitlines(keepends=True))
    assert clean(indented) == text


def test_it_keeps_the_indent_of_a_part() -> None:
    text = "    TX:\nRX: 1\n"
    assert clean(text) == text
