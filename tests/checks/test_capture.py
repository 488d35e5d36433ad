"""The collector script on real shells, and its capture read back: whole, cut, damaged."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from checks.capture import Capture, holds_capture, read, script
from checks.collectors.base import Collector
from checks.engine import Request, plan
from checks.errors import CheckError
from checks.pasted import decode
from checks.results import Reason, Verdict

SHELLS = [
    pytest.param("dash", marks=pytest.mark.needs("dash")),
    pytest.param("bash", marks=pytest.mark.needs("bash")),
    pytest.param("bash --posix", marks=pytest.mark.needs("bash")),
    pytest.param("busybox ash", marks=pytest.mark.needs("busybox")),
]


def probe_of(toy: Any, *collectors: Collector) -> Any:
    return dataclasses.replace(toy, collectors=collectors)


def quick(toy: Any) -> Any:
    """The toy without its two samples, so without a pause."""
    return probe_of(toy, *toy.collectors[:2])


def request(probe: Any, **params: Any) -> Request:
    return Request(probe.id, probe, params, interval_s=1)


def run(shell: str, text: str, **environment: str) -> bytes:
    """What the script writes to stdout, run the way ``ssh HOST sh <SCRIPT`` runs it."""
    done = subprocess.run(shell.split(), input=text.encode(), capture_output=True, timeout=60, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def collected(shell: str, *requests: Request) -> Capture:
    return read(decode(run(shell, script(requests))))


ODD = Collector("odd", "Odd output", r"printf 'no newline at the end'; printf 'error 1\nerror 2\n' >&2; exit 3")
EMPTY = Collector("empty", "Nothing", ":")
NEWLINES = Collector("newlines", "Newlines", r"printf '\n\n'")
BINARY = Collector("binary", "Bytes", r"printf 'a\000b\377c\r\n'")
MARKS = Collector("marks", "Marks of another capture", "printf '#sidenote 20250101T000000Z-1 end 0 0 0\\n#sidenote x\\n'")
ARGS = Collector("args", "Arguments", r"""for a in "$@"; do printf '<%s>\n' "$a"; done""", args=("first", "second", "third"))
STDIN = Collector("stdin", "Standard input", "cat")
SLEEPS = Collector("sleeps", "Too slow", "echo begun; sleep 30; echo ended", timeout_s=1)
FLOOD = Collector("flood", "Too much", "yes | head -c 300000", max_bytes=100_000)
FULL = Collector("full", "Just enough", "yes | head -c 100000", max_bytes=100_000)
KILLED = Collector("killed", "Killed", "kill -9 $$")
MISSING = Collector("missing", "Not installed", "no-such-program-anywhere")
LATER = Collector("later", "After the others", "echo here")


@pytest.mark.parametrize("shell", SHELLS)
def test_it_carries_every_output_byte_for_byte(shell: str, toy: Any) -> None:
    probe = probe_of(toy, ODD, EMPTY, NEWLINES, BINARY, MARKS, ARGS, STDIN, KILLED, MISSING, LATER)
    params = {"first": "a b", "second": "it's $(id) `id` \\ \"", "third": None}
    found = {section.name: section for section in collected(shell, request(probe, **params)).wanted[0].sections}
    assert (found["odd"].stdout, found["odd"].stderr, found["odd"].rc) == (b"no newline at the end", b"error 1\nerror 2", 3)
    assert (found["empty"].stdout, found["empty"].stderr, found["empty"].rc) == (b"", b"", 0)
    assert found["newlines"].stdout == b"\n\n"
    assert found["binary"].stdout == b"a\0b\xffc\r\n"
    assert found["marks"].stdout == b"#sidenote 20250101T000000Z-1 end 0 0 0\n#sidenote x\n"
    assert found["args"].text == "<a b>\n<it's $(id) `id` \\ \">\n<>\n"
    assert found["stdin"].stdout == b""
    assert found["killed"].rc == 137
    assert found["missing"].rc == 127
    assert found["later"].stdout == b"here\n"
    assert not any(section.dropped_bytes or section.timed_out for section in found.values())


@pytest.mark.parametrize("shell", SHELLS)
def test_it_stops_what_takes_too_long_or_prints_too_much(shell: str, toy: Any) -> None:
    found = {
        section.name: section
        for section in collected(shell, request(probe_of(toy, SLEEPS, FLOOD, FULL, LATER))).wanted[0].sections
    }
    assert found["sleeps"].timed_out
    assert found["sleeps"].stdout == b"begun\n"
    assert (len(found["flood"].stdout), found["flood"].dropped_bytes > 0) == (100_000, True)
    assert (len(found["full"].stdout), found["full"].dropped_bytes) == (100_000, 0)
    assert found["later"].stdout == b"here\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_it_works_where_timeout_and_head_are_missing(shell: str, toy: Any, tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for program in ("sh", "cat", "date", "uname", "sleep", "printf"):
        (bare / program).symlink_to(shutil.which(program) or program)
    # The host's own PATH counts in real life; here one folder stands for all of them.
    text = script([request(probe_of(toy, ODD, LATER))]).replace(
        "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin", str(bare)
    )
    found = read(decode(run(f"{shutil.which(shell.split()[0])} {' '.join(shell.split()[1:])}".strip(), text)))
    assert [section.rc for section in found.wanted[0].sections] == [3, 0]
    assert found.complete


def test_it_takes_two_samples_with_a_pause(toy: Any) -> None:
    found = collected("sh", request(toy, things=3)).wanted[0]
    times = {section.name: float(section.text.split()[0]) for section in found.sections if section.name.startswith("clock")}
    assert times["clock_b"] - times["clock_a"] >= 0.9
    assert toy.evaluate(found.sections, found.params).verdict == Verdict.OK


def test_it_asks_once_for_what_two_probes_want(toy: Any) -> None:
    other = dataclasses.replace(quick(toy), id="toy.other")
    requests = [request(quick(toy), things=3), request(other, things=3)]
    text = script(requests)
    assert text.count('printf "%s things') == 1
    found = read(decode(run("sh", text)))
    assert [(wanted.probe, wanted.params) for wanted in found.wanted] == [
        ("toy.count", {"things": 3}),
        ("toy.other", {"things": 3}),
    ]
    assert found.wanted[0].sections == found.wanted[1].sections


def test_it_says_the_same_as_the_sections_themselves(toy: Any) -> None:
    found = collected("sh", request(quick(toy), things=25)).wanted[0]
    result = toy.evaluate(found.sections, found.params)
    assert (result.verdict, result.finding) == (Verdict.CRIT, "there are 25 things")


def test_it_writes_no_file(toy: Any, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh"],
        input=script([request(quick(toy), things=3)]).encode(),
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_it_does_nothing_when_the_script_was_cut(toy: Any) -> None:
    text = script([request(quick(toy), things=3)]).encode()
    for cut in range(200, len(text) - 12, 97):
        done = subprocess.run(["sh"], input=text[:cut], capture_output=True, timeout=60)
        assert done.stdout == b"", cut


def test_it_calls_unknown_what_a_cut_capture_lacks(toy: Any) -> None:
    whole = run("sh", script([request(quick(toy), things=25)]))
    full = read(decode(whole))
    assert full.complete
    verdicts = set()
    for cut in range(len(whole)):
        try:
            found = read(decode(whole[:cut]))
        except CheckError:
            verdicts.add("refused")
            continue
        result = toy.evaluate(found.wanted[0].sections, found.wanted[0].params)
        assert result.verdict in (Verdict.CRIT, Verdict.UNKNOWN), cut
        assert not found.complete, cut
        if result.verdict == Verdict.UNKNOWN:
            assert result.reason == Reason.TRUNCATED, cut
        verdicts.add(str(result.verdict))
    assert verdicts == {"refused", "unknown", "crit"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_it_reads_a_capture_that_came_by_way_of_windows(toy: Any, encoding: str) -> None:
    text = run("sh", script([request(quick(toy), things=25)])).decode().replace("\n", "\r\n")
    found = read(decode(text.encode(encoding)))
    assert found.complete
    assert toy.evaluate(found.wanted[0].sections).verdict == Verdict.CRIT


def test_it_reads_a_capture_with_something_printed_before_and_after(toy: Any) -> None:
    text = run("sh", script([request(quick(toy), things=25)])).decode()
    found = read(f"Last login: today\n*** authorized use only ***\n{text}logout\n")
    assert found.complete
    assert toy.evaluate(found.wanted[0].sections).verdict == Verdict.CRIT


def test_it_believes_no_section_whose_marks_are_out_of_order(toy: Any) -> None:
    text = run("sh", script([request(quick(toy), things=25)])).decode()
    number = text.split()[2]
    for damaged in (
        text.replace(f"#sidenote {number} errors 0\n", ""),
        text.replace(f"#sidenote {number} end 0 0", f"#sidenote {number} end 0 x"),
        text.replace(f"#sidenote {number} end 0 0", f"#sidenote {number} end 1 0"),
    ):
        assert damaged != text
        sections = {section.name: section for section in read(damaged).wanted[0].sections}
        assert sections["count"].rc is None
        assert toy.evaluate(sections.values()).reason == Reason.TRUNCATED


@pytest.mark.parametrize(("text", "say"), [
    ("", "not a capture"),
    ("3 things\n", "not a capture"),
    ("#sidenote-capture 1 20250101T000000Z-1 node-1\n", "cut before it says"),
    ("#sidenote-capture 1 20250101T000000Z-1 node-1\n#sidenote 20250101T000000Z-1 want {\n", "damaged"),
    ("#sidenote-capture 1 20250101T000000Z-1 node-1\n#sidenote 20250101T000000Z-1 want {\"probe\": []}\n", "damaged"),
    ("#sidenote-capture 1 20250101T000000Z-1 node-1\n#sidenote 20250101T000000Z-1 want 5\n", "damaged"),
])  # fmt: skip
def test_it_says_what_is_wrong_with_a_capture(text: str, say: str) -> None:
    with pytest.raises(CheckError, match=say):
        read(text)


def test_it_reads_one_capture_at_a_time(toy: Any) -> None:
    text = run("sh", script([request(quick(toy), things=25)])).decode()
    assert holds_capture(text)
    with pytest.raises(CheckError, match="more than one"):
        read(text + text.replace("-capture 1 2", "-capture 1 1"))


def test_it_keeps_the_order_of_the_plan(toy: Any) -> None:
    requests = [request(toy, things=3)]
    names = [command.name for command in plan(requests).commands]
    assert names == ["clock_a", "count", "limits", "pause", "clock_b"]
    begun = [line.split()[-1] for line in run("sh", script(requests)).decode().splitlines() if " begin " in line]
    assert begun == names
