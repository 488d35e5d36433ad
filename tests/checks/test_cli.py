"""The command line, as a person and as a program would use it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from checks import __main__ as command_line
from checks import catalog as catalog_module
from checks import show
from checks.__main__ import main

ROOT = Path(__file__).parents[2]
USAGE = 64
KEYS = ["probe", "version", "verdict", "reason", "finding", "facts", "findings", "sections", "fact_lines"]
FINDING_KEYS = ["rule", "verdict", "say", "value", "threshold", "unit", "margin", "evidence", "remedy", "source", "reason"]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(toy: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """The command line with the toy as its catalogue, in a folder of its own."""
    catalog: Callable[[], Mapping[str, Any]] = lambda: {toy.id: toy}  # noqa: E731
    monkeypatch.setattr(catalog_module, "catalog", catalog)
    monkeypatch.setattr(command_line, "catalog", catalog)
    monkeypatch.setattr("checks.recognise.catalog", catalog)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = main(arguments)
        told = capsys.readouterr()
        return status, told.out, told.err

    return call


def write(name: str, text: str | bytes) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


@pytest.mark.parametrize(("count", "status", "verdict"), [(3, 0, "OK"), (10, 1, "WARN"), (20, 2, "CRIT")])
def test_it_exits_by_the_verdict(run: Run, count: int, status: int, verdict: str) -> None:
    found, out, err = run("judge", "toy.count", "-i", write("x", f"{count} things\n"))
    assert (found, err) == (status, "")
    assert out.startswith(f"{verdict} toy.count: there are {count} things\n")


def test_it_exits_3_for_unknown(run: Run) -> None:
    status, out, _ = run("judge", "toy.count", "-i", write("x", "many things\n"))
    assert status == 3
    assert out.startswith("UNKNOWN (unparsed) toy.count: the first line is not a number of things\n")


def test_it_shows_a_person_what_decided(run: Run) -> None:
    _, out, _ = run("judge", "toy.count", "-i", write("x", "12 things\n"))
    for part in (
        "value 12, limit 10 things, +20%",
        "x:1 (count): 12 things",
        "remedy: Take some away.",
        "source: counted by hand",
        "things  12  (x:1 (count))",
    ):
        assert part in out


def test_it_prints_one_object_with_the_keys_of_the_contract(run: Run) -> None:
    status, out, _ = run("judge", "toy.count", "-i", write("x", "12 things\n"), "--json")
    found = json.loads(out)
    assert out.count("\n") == 1
    assert status == 1
    assert list(found) == KEYS
    assert list(found["findings"][0]) == FINDING_KEYS
    assert found["findings"][0]["evidence"] == [{"section": "count", "line": 1, "text": "12 things", "mark": "12", "file": "x"}]
    assert (found["verdict"], found["reason"], found["facts"]) == ("warn", None, {"things": 12})


def test_it_runs_a_probe_on_this_machine(run: Run) -> None:
    status, out, _ = run("run", "toy.count", "-w", "things=25", "--interval", "1s", "--json")
    assert (status, json.loads(out)["facts"]["things"]) == (2, 25)
    assert [section["name"] for section in json.loads(out)["sections"]] == ["clock_a", "count", "limits", "clock_b"]


def test_it_says_the_same_from_host_file_paste_and_capture(run: Run) -> None:
    def told(*arguments: str, stdin: bytes = b"") -> tuple[str, str, dict[str, Any]]:
        found = json.loads(run(*arguments, "--json", stdin=stdin)[1])
        return found["verdict"], found["finding"], found["facts"]

    script = run("script", "toy.count", "-w", "things=12", "--interval", "1s")[1]
    capture = subprocess.run(["sh"], input=script.encode(), capture_output=True, timeout=60).stdout
    write("capture.txt", capture)
    answers = [
        told("run", "toy.count", "-w", "things=12", "--interval", "1s"),
        told("read", "capture.txt"),
        told("judge", "toy.count", "-i", "capture.txt"),
        told(
            "judge",
            "toy.count",
            "-i",
            "count=" + write("count", "12 things\n"),
            "-i",
            "limits=" + write("none", "!! /proc/sys/toy/limit missing\n== end\n"),
        ),
        told("judge", "toy.count", "-i", "-", "-i", "none", stdin=b"[root@node-1 ~]# count\r\n12 things\r\n[root@node-1 ~]#"),
    ]
    assert answers[0][:2] == ("warn", "there are 12 things")
    assert [answer[:2] for answer in answers] == [answers[0][:2]] * len(answers)
    assert {answer[2]["things"] for answer in answers} == {12}


def test_it_takes_other_limits(run: Run) -> None:
    write("x", "12 things\n")
    assert run("judge", "toy.count", "-i", "x", "-l", "warn_at=13")[0] == 0
    assert run("judge", "toy.count", "-i", "x", "-l", "crit_at=12")[0] == 2


def test_it_takes_samples_in_order(run: Run) -> None:
    write("count", "3 things\n"), write("a", "1.00 1.00\n"), write("b", "2.00 2.00\n")
    _, out, _ = run("judge", "toy.count", "--json", "-i", "count", "-i", "clock=a", "-i", "clock=b")
    assert [section["name"] for section in json.loads(out)["sections"]] == ["count", "clock_a", "clock_b"]
    _, out, _ = run("judge", "toy.count", "--json", "-i", "count", "-i", "clock_b=a")
    assert [section["name"] for section in json.loads(out)["sections"]] == ["count", "clock_b"]


@pytest.mark.parametrize("arguments", [
    ("-i", "limits=copy/proc/sys/toy/limit", "-i", "limits=copy/proc/toy/7/status"),
    ("-i", "limits=copy/proc/sys/toy/limit"),
    ("-i", "copy/proc/sys/toy/limit"),
    ("-i", "limits=limit.txt"),
    ("-i", "limits=headed"),
])  # fmt: skip
def test_it_takes_raw_files_for_a_section_of_files(run: Run, arguments: tuple[str, ...]) -> None:
    write("count", "3 things\n")
    write("copy/proc/sys/toy/limit", "77\n"), write("copy/proc/toy/7/status", "Name: x\n"), write("limit.txt", "77\n")
    write("headed", "== /proc/sys/toy/limit\n77\n\n== end\n")
    _, out, _ = run("judge", "toy.count", "--json", "-i", "count=count", *arguments)
    assert json.loads(out)["facts"] == {"things": 3, "limit": "77"}


def test_it_tells_a_person_which_file_it_did_not_use(run: Run) -> None:
    write("things", "3 things\n"), write("more", "no\n")
    status, out, err = run("judge", "toy.count", "-i", "things", "-i", "more")
    assert (status, out.splitlines()[0]) == (0, "OK toy.count: there are 3 things")
    assert err == (
        "checks: more was not used: nothing in it looks like a section of toy.count; "
        "if it is one, name it: -i SECTION=more, one of limits, clock_a, clock_b\n"
    )


def test_it_does_not_believe_a_raw_file_whose_last_line_has_no_end(run: Run) -> None:
    write("count", "3 things\n"), write("limit", "7")
    status, out, _ = run("judge", "toy.count", "--json", "-i", "count=count", "-i", "limits=limit")
    assert (status, json.loads(out)["reason"]) == (3, "truncated")


@pytest.mark.parametrize("text", [b"", b"\n", b"\0\0\0", b"\xff\xfe", b"<html></html>", "没有".encode(), b"3 thing"])
def test_it_calls_any_other_text_unknown(run: Run, text: bytes) -> None:
    status, out, _ = run("judge", "toy.count", "-i", write("x", text), "--json")
    assert (status, json.loads(out)["verdict"]) == (3, "unknown")


@pytest.mark.parametrize("text", [
    "12 things\r\n".encode("utf-16"),
    "12 things\r\n".encode("utf-16-le"),
    "12 things\n".encode("utf-8-sig"),
    b"\x1b[1m12 things\x1b[0m\n",
    "12\u00a0things\n".encode(),
    b"PS C:\\> ssh node-1\n[root@node-1 ~]# things\n12 things\n[root@node-1 ~]# exit\n",
])  # fmt: skip
def test_it_reads_what_windows_terminals_and_chats_made_of_it(run: Run, text: bytes) -> None:
    write("x", text)
    assert [run("judge", "toy.count", "-i", given)[0] for given in ("x", "count=x")] == [1, 1]


def test_it_redacts_before_it_judges(run: Run) -> None:
    _, out, _ = run("judge", "toy.count", "-i", "count=" + write("x", "password=hunter2\n"))
    assert "hunter2" not in out
    assert "[redacted]" in out


def test_it_shows_no_control_character(run: Run) -> None:
    _, out, _ = run("judge", "toy.count", "-i", "count=" + write("x", "\x1b]0;t\x07\x9b31m\u202egnp\n".encode()))
    assert not set(out) & set("\x1b\x07\x9b\u202e")


@pytest.mark.parametrize(("arguments", "say"), [
    ((), "required"),
    (("nothing",), "invalid choice"),
    (("judge", "toy.count"), "-i"),
    (("judge", "toy.coumt", "-i", "x"), "Did you mean toy.count?"),
    (("run", "other"), "There is no probe other"),
    (("judge", "toy.count", "-i", "nowhere"), "nowhere cannot be read: No such file"),
    (("judge", "toy.count", "-i", "."), "is a directory; give its files one by one: -i SECTION=FILE, of count, limits"),
    (("judge", "toy.count", "-i", "cuont=x"), "has no section cuont; its sections are count, limits, clock_a, clock_b"),
    (("judge", "toy.count", "-i", "count=x", "-i", "count=x"), "given 2 times"),
    (("judge", "toy.count", "-i", "limits=x", "-i", "limits=y"), "not named as one of the files of limits: /proc/sys/toy/limit"),
    (("judge", "toy.count", "-i", "x", "-l", "warm_at=1"), "there is no limit warm_at; known limits: crit_at, warn_at"),
    (("judge", "toy.count", "-i", "x", "-l", "warn_at=nan"), "must be a number, not nan"),
    (("judge", "toy.count", "-i", "x", "-w", "things=lots"), "things must be a whole number, not 'lots'"),
    (("judge", "toy.count", "-i", "x", "-w", "thongs=1"), "there is no parameter 'thongs'; known parameters: things"),
    (("judge", "toy.count", "-i", "x", "-w", "things"), "write NAME=VALUE"),
    (("run", "toy.count", "--interval", "0"), "--interval must be a duration"),
    (("run", "toy.count", "--interval", "soon"), "--interval must be a duration"),
    (("run", "toy.count", "--on", "telnet://x"), "is no place to run: write local or ssh://"),
    (("run", "toy.count", "--on", "ssh://u@h:notaport"), "is no place to run"),
    (("run", "toy.count", "--on", "ssh://u:secret@h"), "a password does not belong on a command line"),
    (("run", "toy.count", "--on", "ssh://u@h?keys=/x"), "is no place to run"),
    (("run", "toy.count", "--on", "ssh://u@h?key=/no/such/key"), "/no/such/key cannot be read"),
    (("script", "toy.count", "-w", "other=1"), "none of these probes has a parameter other; known: things"),
    (("script",), "required"),
    (("read", "x"), "not a capture"),
    (("read", "nowhere"), "cannot be read"),
    (("explain", "count"), "Did you mean toy.count?"),
    (("recognise", "nowhere"), "cannot be read"),
])  # fmt: skip
def test_it_says_in_one_sentence_what_to_write_instead(run: Run, arguments: tuple[str, ...], say: str) -> None:
    write("x", "3 things\n"), write("y", "3 things\n")
    status, out, err = run(*arguments)
    assert (status, out) == (USAGE, "")
    assert say in err
    assert err.startswith("checks: ")
    assert err.count("\n") == 1


def test_it_tells_an_unreachable_host_from_a_wrong_command_line(run: Run) -> None:
    write("key", asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    key = "ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    status, out, _ = run("run", "toy.count", "--json", "--on", f"ssh://root@127.0.0.1:1?key=key&hostkey={key}")
    found = json.loads(out)
    assert (status, found["verdict"]) == (3, "unknown")
    assert found["reason"] in ("connect_refused", "host_unreachable")
    assert list(found) == KEYS


def test_it_explains_all_that_the_probe_declares(run: Run, toy: Any) -> None:
    status, out, _ = run("explain", "toy.count")
    assert status == 0
    for part in (
        toy.title,
        toy.question,
        "`things`",
        "files /proc/sys/toy/limit",
        "Take some away.",
        "counted by hand",
        "`warn_at` = 10 things",
        "any user",
        "two samples, 1 s apart",
        "$1 things",
    ):
        assert part in out, part
    described = json.loads(run("explain", "toy.count", "--json")[1])
    assert described == json.loads(run("list", "--json")[1])
    assert [section["name"] for section in described["sections"]] == ["count", "limits", "clock"]


def test_it_recognises_the_parts_of_a_paste(run: Run) -> None:
    write("paste", "Hi,\n\n$ things\n3 things\n$ cat /proc/uptime\n1.00 2.00\n")
    status, out, _ = run("recognise", "paste")
    assert (status, out) == (0, "toy.count count: lines 4-4\ntoy.count clock: lines 6-6\n")
    rows = [json.loads(line) for line in run("recognise", "paste", "--json")[1].splitlines()]
    assert rows[0] == {"probe": "toy.count", "section": "count", "first": 4, "last": 4, "host": ""}


def test_it_says_when_it_recognises_nothing(run: Run) -> None:
    assert run("recognise", write("x", "Dear all,\n")) == (
        3,
        "",
        "no probe knows this text; if you know what it is: python -m checks judge PROBE -i SECTION=FILE\n",
    )


def test_it_names_the_probes_of_a_capture(run: Run) -> None:
    script = run("script", "toy.count", "--interval", "1s")[1]
    write("capture", subprocess.run(["sh"], input=script.encode(), capture_output=True, timeout=60).stdout)
    assert run("recognise", "capture")[1].split()[1::2] == ["clock_a", "count", "limits", "clock_b"]
    status, _, err = run("judge", "toy.count", "-i", write("cut", Path("capture").read_bytes()[:-40]))
    assert (status, err) == (0, "")
    status, _, err = run("read", "cut")
    assert (status, "no last line" in err) == (0, True)


def test_it_prints_the_documentation(run: Run, toy: Any) -> None:
    assert run("docs")[1] == show.documentation([toy])


# From here on as a process, with the real catalogue.


def shell(command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PY": sys.executable},
        **options,
    )


def test_it_works_as_a_module() -> None:
    done = shell('printf "6.18.44\\n" | "$PY" -m checks judge kernel.gate -i - --json')
    assert done.stderr == ""
    assert json.loads(done.stdout)["facts"]["kernel"] == [6, 18, 44]


def test_it_is_quiet_when_the_reader_goes_away() -> None:
    done = shell('set -o pipefail; "$PY" -m checks docs | head -n 1')
    assert (done.stdout, done.stderr) == ("# Probes\n", "")


def test_it_is_quiet_when_interrupted(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "checks", "judge", "kernel.gate", "-i", str(pipe)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it, and so would its children
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    signal.signal(signal.SIGINT, before)
    try:
        with pipe.open("wb"):  # opens when the program has opened the other end, and is about to wait for what is written
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, b"", b"")


def test_it_prints_what_an_ascii_terminal_can_show() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "checks", "judge", "kernel.gate", "-i", "kernel=-"],
        cwd=ROOT,
        input="好\n".encode(),
        capture_output=True,
        timeout=60,
        env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert (done.returncode, done.stderr) == (3, b"")
    done.stdout.decode("ascii")


def test_it_needs_no_site() -> None:
    hide = "sys.modules.update({name: None for name in ('django', 'celery', 'redis')})"
    code = f"import sys; {hide}; from checks.__main__ import main; sys.exit(main(['list']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
