"""What a paste holds is found; what it does not hold is not."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from checks.errors import CheckError
from checks.pasted import Block, clean, decode, split
from checks.recognise import assign, reads, recognise
from checks.shown_files import file_of, file_patterns, shows_files, wrap

ROOT = Path(__file__).parents[2]
CAPTURED = "[root@node-1 ~]# uname -r\n4.19.90-24.4.v2101.ky10.x86_64\n[root@node-1 ~]# cat /etc/os-release\nID=kylin\n"

PROSE = {
    "english": "After the upgrade the pods could not resolve names. We restarted coredns and it worked again.\n",
    "chinese": "运行一段时间后发现节点上的容器请求延迟变高，怀疑是内核里的 memcg 泄漏，重启后恢复。\n",
    "mail": "From: a@example.org\nTo: b@example.org\nSubject: node-1 is slow\n\nHi,\nload is 12, 3 of 4 CPUs are busy.\n",
    "markdown": "# Title\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n1. first\n2. second\n",
    "python": "import os\n\n\ndef main() -> None:\n    for i in range(10):\n        print(i, os.getpid())\n",
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("hi")\n}\n',
    "c": "#include <stdio.h>\nint main(void)\n{\n\tprintf(\"%d\\n\", 42);\n\treturn 0;\n}\n",
    "shell": "#!/bin/sh\nset -eu\nfor f in *.txt; do\n  wc -l \"$f\"\ndone\n",
    "dockerfile": "FROM debian:12\nRUN apt-get update && apt-get install -y iproute2\nCMD [\"sleep\", \"1\"]\n",
    "yaml": "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n  - port: 80\n",
    "json": '{"items": [{"name": "a", "value": 1}, {"name": "b", "value": [1, 2]}]}\n',
    "toml": '[tool.ruff]\nline-length = 130\n\n[tool.mypy]\nstrict = true\n',
    "manual": "## Files\n\n```sh\ncat /proc/cgroups\n```\n\n### Next\n\nSee `ip route`:\n\n```sh\nif have ip; then\n```\n",
    "csv": "host,cpu,memory\nnode-1,12,34\nnode-2,56,78\n",
    "html": "<!doctype html>\n<html><head><title>x</title></head><body><p>y</p></body></html>\n",
    "css": "body { margin: 0; color: #123456 }\n@media print { a { color: black } }\n",
    "sql": "SELECT id, name FROM hosts WHERE state = 'up' ORDER BY 1;\n",
    "kubelet log": "I0107 10:00:00.000000    1234 kubelet.go:2000] SyncLoop (ADD, \"api\"): \"web-1_default(5d1f)\"\n" * 20,
    "kernel log": "[    0.000000] Linux version 4.19.90 (root@build) (gcc version 7.3.0)\n[    1.234567] eth0: link up\n",
    "syslog": "Jan  7 10:00:00 node-1 systemd[1]: Started Session 12 of user root.\n" * 20,
    "nginx access log": '192.0.2.1 - - [07/Jan/2025:10:00:00 +0000] "GET / HTTP/1.1" 200 612 "-" "curl/7.88"\n' * 20,
    "nginx error log": "2025/01/07 10:00:00 [error] 1#1: *1 connect() failed (111: Connection refused), client: 192.0.2.1\n",
    "java trace": "java.lang.IllegalStateException: x\n\tat a.b.C.d(C.java:12)\n\tat a.b.E.f(E.java:34)\n",
    "go trace": "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:10 +0x1d\nexit status 2\n",
    "diff": "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-old\n+new\n same\n",
    "git log": "commit 5ead43500000000000000000000000000000000f\nAuthor: A <a@example.org>\nDate:   Tue Jan 7\n\n    Subject\n",
    "ls": "total 8\ndrwxr-xr-x 2 root root 4096 Jan  7 10:00 net\n-rw-r--r-- 1 root root 12 Jan  7 10:00 x\n",
    "ping": "PING 192.0.2.1 (192.0.2.1) 56(84) bytes of data.\n64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time=0.1 ms\n",
    "dig": ";; ANSWER SECTION:\nexample.org.\t300\tIN\tA\t192.0.2.1\n\n;; Query time: 1 msec\n",
    "curl -v": "* Trying 192.0.2.1:80...\n* Connected to example.org (192.0.2.1) port 80\n> GET / HTTP/1.1\n< HTTP/1.1 200 OK\n",
    "kubectl": "NAME    READY   STATUS    RESTARTS   AGE\nweb-1   1/1     Running   0          5d\n",
    "top": "top - 10:00:00 up 10 days,  1:00,  1 user,  load average: 0.10, 0.20, 0.30\nTasks: 100 total\n%Cpu(s):  1.0 us\n",
    "hosts": "127.0.0.1 localhost\n192.0.2.1 node-1\n2001:db8::1 node-1\n::1 ip6-localhost\n",
    "fstab": "UUID=0a1b / ext4 errors=remount-ro 0 1\n/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n",
    "numbers": "\n".join(str(number) for number in range(1000)) + "\n",
    "hex dump": "00000000  7f 45 4c 46 02 01 01 00  00 00 00 00 00 00 00 00  |.ELF............|\n",
    "base64": "TWFuIGlzIGRpc3Rpbmd1aXNoZWQsIG5vdCBvbmx5IGJ5IGhpcyByZWFzb24sIGJ1dCBieSB0aGlz\n" * 10,
    "nul bytes": "\0" * 1000,
    "binary": bytes(range(256)).decode("latin-1") * 20,
    "empty": "",
    "blank lines": "\n\n  \n\t\n",
    "one word": "ok\n",
    "error": "bash: ip: command not found\n",
    "denied": "cat: /proc/slabinfo: Permission denied\n",
    "poem": "Roses are red,\nviolets are blue,\n0 packets dropped,\nand none were for you.\n",
}  # fmt: skip

# Files of this repository that hold no tool's output.
OWN = sorted(
    path
    for pattern in (
        "checks/*.py",
        "checks/probes/*.py",
        "checks/collectors/*.py",
        "checks/transports/*.py",
        "kb/*.py",
        "*.toml",
        "*.lock",
    )
    for path in ROOT.glob(pattern)
)


@pytest.mark.parametrize("name", PROSE)
def test_it_finds_nothing_in_what_no_tool_printed(name: str) -> None:
    assert recognise(PROSE[name]) == []


@pytest.mark.parametrize("path", OWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_finds_nothing_in_the_files_of_this_repository(path: Path) -> None:
    assert recognise(clean(decode(path.read_bytes()))) == []


def test_it_was_tried_on_enough_texts() -> None:
    assert len(PROSE) + len(OWN) >= 80


def test_it_finds_what_a_session_holds_with_the_lines() -> None:
    found = {(match.probe, match.section, match.first, match.last, match.host) for match in recognise(CAPTURED)}
    assert ("kernel.gate", "kernel", 2, 2, "node-1") in found
    assert ("kernel.gate", "os", 4, 4, "node-1") in found


def test_it_tells_the_hosts_of_a_long_mixed_paste_apart() -> None:
    noise = "".join(f"2025-01-07T10:00:0{n % 10} worker {n}: done, nothing to say\n" for n in range(5000))
    paste = (
        f"{noise}[root@node-1 ~]# ip r\ndefault via 192.0.2.1 dev eth0\n[root@node-1 ~]# ssh node-2\nLast login: today\n"
        "root@node-2:~# uname -a\nLinux node-2 5.10.0-28-amd64 #1 SMP Debian 5.10.209-2 x86_64 GNU/Linux\n"
        f"root@node-2:~# nonsense\nbash: nonsense: command not found\nroot@node-2:~# journalctl\n{noise}"
        "node-3:~ # cat /proc/cgroups\n#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t73\t1\n"
    )
    found = {(match.section, match.place) for match in recognise(paste) if match.probe in ("ip.route", "cgroup.memcg_dying")}
    assert found == {
        ("route4", "lines 5002-5002 of node-1"),
        ("kernel", "lines 5006-5006 of node-2"),
        ("cgroups", "lines 10011-10012 of node-3"),
    }


@pytest.mark.parametrize("seed", range(20))
def test_it_finds_nothing_in_random_text(seed: int) -> None:
    pick = random.Random(seed)
    alphabets = (bytes(range(256)).decode("latin-1"), "0123456789abcdef \n", "abc xyz.,:/=[]#$>\n", "的一是了我不人在他有这中\n ")
    assert recognise("".join(pick.choices(alphabets[seed % 4], k=50_000))) == []


def test_it_finds_every_golden_case_in_a_session(case: Any) -> None:
    """A text that is recognised alone is recognised between other outputs too."""
    known = {f"{one.name}_a" if one.sampled else one.name: one for one in case.probe.collectors}
    for name, data in case.files.items():
        text = clean(decode(data))
        collector = known.get(name)
        if (
            not collector
            or not collector.looks_like
            or not text.endswith("\n")
            or not any(reads(collector, b) for b in split(text))
        ):
            continue
        session = f"Hello,\nthis is what we see:\n[root@node-1 ~]# something\n{text}[root@node-1 ~]# echo done\ndone\n"
        assert any(match.probe == case.probe_id and match.section == collector.name for match in recognise(session)), name


def test_it_reads_the_files_of_a_collector_from_its_text(toy: Any) -> None:
    count, limits, clock = toy.collectors
    assert file_patterns(limits) == ("/proc/sys/toy/limit", "/proc/toy/*/status")
    assert shows_files(limits)
    assert not shows_files(count)
    assert not shows_files(clock)


@pytest.mark.parametrize(("path", "wanted"), [
    ("/proc/sys/toy/limit", "/proc/sys/toy/limit"),
    ("/tmp/sosreport/proc/sys/toy/limit", "/proc/sys/toy/limit"),
    ("proc/sys/toy/limit", "/proc/sys/toy/limit"),
    ("./proc/toy/7/status", "/proc/toy/7/status"),
    ("limit", "/proc/sys/toy/limit"),
    ("/home/me/limit", ""),
    ("/proc/sys/toy/other", ""),
    ("other", ""),
])  # fmt: skip
def test_it_knows_a_file_by_its_name(toy: Any, path: str, wanted: str) -> None:
    assert file_of(toy.collectors[1], path) == wanted


def test_it_gives_each_output_of_a_paste_to_its_section(toy: Any) -> None:
    text = "$ things\n3 things\n$ cat /proc/sys/toy/limit\n100\n$ cat /proc/uptime\n1.00 2.00\n$ cat /proc/uptime\n11.00 22.00\n"
    found = {section.name: section.text for section, _ in assign(toy, split(text))}
    assert found == {
        "count": "3 things\n",
        "limits": "== /proc/sys/toy/limit\n100\n\n== end\n",
        "clock_a": "1.00 2.00\n",
        "clock_b": "11.00 22.00\n",
    }


def test_it_takes_the_same_output_twice_for_one(toy: Any) -> None:
    assert len(assign(toy, split("$ things\n3 things\n$ things\n3 things\n"))) == 1


@pytest.mark.parametrize("text", [
    "$ things\n3 things\n$ things\n4 things\n",
    "[a@node-1 ~]$ things\n3 things\n[a@node-2 ~]$ things\n4 things\n",
    "$ cat /proc/uptime\n1.00 2.00\n" * 3,
])  # fmt: skip
def test_it_does_not_choose_between_two_answers(toy: Any, text: str) -> None:
    with pytest.raises(CheckError, match="can all be read as"):
        assign(toy, split(text))


def test_it_does_not_call_a_file_whole_whose_last_line_has_no_end() -> None:
    assert wrap([("/a", "1\n"), ("/b", "2\n")]) == "== /a\n1\n\n== /b\n2\n\n== end\n"
    assert wrap([("/a", "1"), ("/b", "2\n")]) == "== /b\n2\n\n== /a\n1"
    assert wrap([("/a", "")]) == "== /a\n\n== end\n"


def test_it_looks_at_the_beginning_of_a_huge_text_only(toy: Any) -> None:
    assert reads(toy.collectors[0], Block("3 things\n" + "x" * 10_000_000, 1, 2))


@pytest.mark.parametrize("piece", ["\n", "#\n", " \n", "a b\n", "a=b\n", "1: a\n", "0 0 ", "1.2.3.4 a ", "{", "== /a\n"])
def test_it_ends_on_endless_text_for_every_collector(every_probe: list[Any], piece: str) -> None:
    # Not a measurement: an expression that tries every way to share the lines out would never end here.
    for collector in {collector for probe in every_probe for collector in probe.collectors if collector.looks_like}:
        for size in (2000, 70_000):
            assert not reads(collector, Block(piece * (size // len(piece)) + "!", 1, 2)), collector.name
