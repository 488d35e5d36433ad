"""Hostile, broken and foreign output: no parser raises, nothing damaged is ok, every prefix is the full verdict or unknown.

``SIDENOTE_EVERY_CUT=1`` cuts every golden case at each byte up to 4 KiB and then at each line; without it some cases are cut at a
fixed choice of these places.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from checks.catalog import catalog
from checks.results import ProbeResult, Reason, Section, Verdict

EVERY_CUT = os.environ.get("SIDENOTE_EVERY_CUT") == "1"
GOOD = (Verdict.OK, Verdict.INFO)
BIG = 256 << 10

ZH = {
    "zh_not_found": "bash: ip: 未找到命令\n",
    "zh_denied": "cat: /proc/slabinfo: 权限不够\n",
    "zh_no_such_file": "cat: /proc/net/softnet_stat: 没有那个文件或目录\n",
    "zh_iptables": "iptables-save v1.8.4 (nf_tables): 无法获取规则集: 不允许的操作\n",
    "zh_free": "      总计    已用    空闲  缓冲/缓存    可用\n内存：  16000  8000   100    7900   7800\n",
    "zh_systemctl": "● kubelet.service - kubelet: 节点代理\n   已加载：已加载 (/usr/lib/systemd/system/kubelet.service)\n",
    "zh_prose": "运行一段时间后发现节点上的容器请求延迟变高，怀疑是内核里的 memcg 泄漏。\n",
}
ERRORS = {
    "command_not_found": "sh: 1: ip: not found\n",
    "permission_denied": "cat: /proc/1/environ: Permission denied\n",
    "no_such_file": "cat: /proc/net/nf_conntrack: No such file or directory\n",
    "cannot_open_netlink": "Cannot open netlink socket: Operation not permitted\n",
    "rtnetlink": "RTNETLINK answers: Operation not permitted\n",
    "sudo_password": "sudo: a password is required\n",
    "sudo_lecture": "We trust you have received the usual lecture from the local System Administrator.\n",
    "usage": "Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }\n       ip [ -force ] -batch filename\n",
    "input_output_error": "cat: /sys/fs/cgroup/memory/memory.stat: Input/output error\n",
    "cannot_allocate": "sh: fork: Cannot allocate memory\n",
    "segfault": "Segmentation fault (core dumped)\n",
    "killed": "Killed\n",
    "python_traceback": 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nKeyError: 1\n',
    "login_banner": "*** Authorized use only. All activity may be monitored. ***\n",
    "last_login": "Last login: Tue Jan  7 10:00:00 2025 from 192.0.2.1\n",
}
FOREIGN = {
    "html_error": "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n",
    "http_response": "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nforbidden\n",
    "json_object": '{"error": "unauthorized", "code": 401}\n',
    "json_null": "null\n",
    "json_number": "42\n",
    "json_string": '"text"\n',
    "json_empty_list": "[]\n",
    "json_empty_object": "{}\n",
    "json_list_of_null": "[null, null]\n",
    "json_wrong_types": '[{"dst": 5, "dev": [], "metric": "x", "ifname": null, "addr_info": 7, "state": {}}]\n',
    "json_deep": "[" * 20000 + "]" * 20000,
    "json_deep_objects": '{"a":' * 20000 + "1" + "}" * 20000,
    "json_cut": '[{"dst": "default", "gateway": "192.0',
    "yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n",
    "xml_bomb": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>\n',
    "log": "Jan  7 10:00:00 node-1 kubelet[1234]: E0107 10:00:00.000000 1234 kubelet.go:1] error\n",
    "ls": "total 8\ndrwxr-xr-x 2 root root 4096 Jan  7 10:00 net\n-r--r--r-- 1 root root 0 Jan  7 10:00 uptime\n",
    "c_source": "#include <stdio.h>\nint main(void) { return 0; }\n",
    "git_diff": "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
    "one_word": "ok\n",
    "zero": "0\n",
    "minus_one": "-1\n",
    "huge_number": "9" * 5000 + "\n",
    "nan": "nan\n",
    "headers_only": "== /proc/nothing\n== end\n",
    "all_missing": "!! /proc/nothing missing\n== end\n",
    "end_only": "== end\n",
}
EMPTY = {"empty": b"", "newline": b"\n", "blanks": b"   \n\t\n\n", "crlf_only": b"\r\n\r\n"}
BINARY = {
    "nul": b"\0",
    "nuls": b"\0" * 4096,
    "elf": b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0" * 40,
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\xcb\xcf\x07\0\x21\x65\x73\x8c\x03\0\0\0",
    "random": random.Random(1).randbytes(4096),
    "invalid_utf8": b"\xff\xfe\xfd\xc3\x28\xa0\xa1\n" * 50,
    "latin1": "Größe über alles\n".encode("latin-1"),
    "gbk": "权限不够\n".encode("gbk"),
    "one_long_line": b"x" * BIG,
    "one_long_line_of_digits": b"1234567890 " * (BIG // 11),
    "many_short_lines": b"a b c 1 2 3\n" * (BIG // 12),
    "many_empty_lines": b"\n" * 50000,
    "record_separators": b"\x1eB x\n\x1eE x 0\n",
    "escape_codes": b"\x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m\n",
    "right_to_left": "\u202egnp.exe\n".encode(),
}
# What a damaged but not foreign output looks like: nothing may raise; the verdict is another matter.
ALTERED: dict[str, Callable[[bytes], bytes]] = {
    "doubled": lambda data: data + data,
    "doubled_without_newline": lambda data: data.rstrip(b"\n") + data,
    "lines_reversed": lambda data: b"\n".join(reversed(data.split(b"\n"))),
    "lines_sorted": lambda data: b"\n".join(sorted(data.split(b"\n"))),
    "words_reversed": lambda data: b"\n".join(b" ".join(reversed(line.split(b" "))) for line in data.split(b"\n")),
    "first_line_gone": lambda data: data.partition(b"\n")[2],
    "last_line_gone": lambda data: b"\n".join(data.rstrip(b"\n").split(b"\n")[:-1]) + b"\n",
    "middle_gone": lambda data: data[: len(data) // 3] + data[2 * len(data) // 3 :],
    "every_other_line": lambda data: b"\n".join(data.split(b"\n")[::2]),
    "no_newlines": lambda data: data.replace(b"\n", b" "),
    "no_blanks": lambda data: data.replace(b" ", b""),
    "tabs": lambda data: data.replace(b" ", b"\t"),
    "upper_case": lambda data: data.upper(),
    "numbers_negative": lambda data: re.sub(rb"\b(\d+)\b", rb"-\1", data),
    "numbers_huge": lambda data: re.sub(rb"\b\d+\b", b"9" * 30, data),
    "numbers_beyond_int": lambda data: re.sub(rb"\b\d+\b", b"9" * 5000, data[:2000]),
    "numbers_nan": lambda data: re.sub(rb"\b\d+\b", b"nan", data),
    "numbers_inf": lambda data: re.sub(rb"\b\d+\b", b"inf", data),
    "numbers_zero": lambda data: re.sub(rb"\b\d+\b", b"0", data),
    "numbers_fraction": lambda data: re.sub(rb"\b\d+\b", b"1.5", data),
    "numbers_exponent": lambda data: re.sub(rb"\b\d+\b", b"1e400", data),
    "numbers_grouped": lambda data: re.sub(rb"\b(\d+)(\d{3})\b", rb"\1,\2", data),
    "digits_arabic": lambda data: re.sub(rb"\d", "٣".encode(), data),
    "digits_superscript": lambda data: re.sub(rb"\d", "²".encode(), data),
    "quotes_gone": lambda data: data.replace(b'"', b"").replace(b"'", b""),
    "colons_gone": lambda data: data.replace(b":", b""),
    "one_bit_flipped": lambda data: (
        bytes([*data[: len(data) // 2], data[len(data) // 2] ^ 4, *data[len(data) // 2 + 1 :]]) if data else b""
    ),
    "nul_every_line": lambda data: data.replace(b"\n", b"\0\n"),
    "utf16": lambda data: data.decode("utf-8", "replace").encode("utf-16"),
    "log_prefix": lambda data: b"".join(b"Jan 7 10:00:00 node-1 app[1]: " + line + b"\n" for line in data.split(b"\n")),
    "diff_prefix": lambda data: b"".join(b"+" + line + b"\n" for line in data.split(b"\n")),
    "coloured": lambda data: data.replace(b" ", b"\x1b[01;31m \x1b[m"),
    "repeated_to_size": lambda data: data * (1 + min(40, BIG // (len(data) + 1))),
}
# What changes nothing that counts: the full verdict, or unknown.
HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "crlf": lambda data: data.replace(b"\n", b"\r\n"),
    "byte_order_mark": lambda data: b"\xef\xbb\xbf" + data,
    "blank_lines_after": lambda data: data + b"\n\n",
    "prompt_after": lambda data: data + b"[root@node-1 ~]# ",
    "cut_in_a_character": lambda data: data + "好".encode()[:2],
}
TEXTS = {name: text.encode() for group in (ZH, ERRORS, FOREIGN) for name, text in group.items()}
SHAPES = {**EMPTY, **BINARY, **TEXTS}


@cache
def healthy(probe_id: str, cases: tuple[Any, ...]) -> Any:
    """The probe's plainest case: ``healthy``, else one that is ok, else the first."""
    mine = [case for case in cases if case.probe_id == probe_id]
    plain = (
        [case for case in mine if case.name == "healthy"]
        or [case for case in mine if case.expected.get("verdict") in GOOD]
        or mine
    )
    return plain[0] if plain else None


def with_text(sections: list[Section], name: str, text: bytes) -> list[Section]:
    return [replace(section, stdout=text) if section.name == name else section for section in sections]


def checked(result: ProbeResult) -> ProbeResult:
    """Every result is plain data that any program can read."""
    json.dumps(result.as_json(), allow_nan=False).encode()
    for finding in result.findings:
        assert finding.verdict != Verdict.UNKNOWN or finding.reason, f"{finding.rule} is unknown without a reason: {finding.say}"
        assert "\n" not in finding.say
    return result


def test_it_knows_more_than_sixty_shapes() -> None:
    assert len(SHAPES) + len(ALTERED) + len(HARMLESS) >= 100


@pytest.fixture(scope="session")
def cases(every_case: list[Any]) -> tuple[Any, ...]:
    return tuple(every_case)


def test_it_calls_nothing_foreign_ok(probe: Any, cases: tuple[Any, ...]) -> None:
    """Where a probe cannot do without a section, no foreign text in its place is ok."""
    case = healthy(probe.id, cases)
    assert case, f"{probe.id} has no case"
    for section in case.sections:
        without = checked(case.judge([other for other in case.sections if other.name != section.name]))
        for name, text in SHAPES.items():
            found = checked(case.judge(with_text(case.sections, section.name, text)))
            number = (
                re.fullmatch(rb"-?\d+|nan", text.strip()) and len(section.stdout.split()) < 2
            )  # where a number is all there is
            if without.verdict not in GOOD and not number:
                assert found.verdict not in GOOD, f"{section.name} holds {name}: {found.finding}"


def test_it_survives_altered_output(probe: Any, cases: tuple[Any, ...]) -> None:
    case = healthy(probe.id, cases)
    for section in case.sections:
        for name, alter in ALTERED.items():
            found = checked(case.judge(with_text(case.sections, section.name, alter(section.stdout))))
            assert found.verdict in set(Verdict), name


def test_it_is_not_misled_by_what_changes_nothing(probe: Any, cases: tuple[Any, ...]) -> None:
    case = healthy(probe.id, cases)
    full = case.judge().verdict
    for section in case.sections:
        for name, alter in HARMLESS.items():
            found = checked(case.judge(with_text(case.sections, section.name, alter(section.stdout))))
            assert found.verdict in (full, Verdict.UNKNOWN), f"{section.name} with {name}: {found.finding}"


ENDINGS: dict[str, dict[str, Any]] = {
    "timed_out": {"timed_out": True, "rc": 124},
    "cut": {"dropped_bytes": 1},
    "never_ended": {"rc": None},
    "killed": {"rc": 137},
    "failed": {"rc": 1, "stderr": b"it broke\n"},
    "tool_missing": {"rc": 127, "stderr": b"sh: 1: x: not found\n"},
    "denied": {"rc": 126, "stderr": b"x: Permission denied\n"},
}


def test_it_believes_no_command_that_did_not_end_well(probe: Any, cases: tuple[Any, ...]) -> None:
    case = healthy(probe.id, cases)
    full = case.judge().verdict
    for section in case.sections:
        without = case.judge([other for other in case.sections if other.name != section.name])
        for name, ending in ENDINGS.items():
            found = checked(case.judge([replace(one, **ending) if one.name == section.name else one for one in case.sections]))
            allowed = {full, Verdict.UNKNOWN, Verdict.SKIPPED, without.verdict}
            assert found.verdict in allowed, f"{section.name} {name}: {found.finding}"
            if without.verdict not in GOOD and section.rc == 0 and name in ("timed_out", "cut", "never_ended"):
                assert found.verdict not in GOOD, f"{section.name} {name}: {found.finding}"


def test_it_says_unknown_when_nothing_was_collected(probe: Any, cases: tuple[Any, ...]) -> None:
    found = checked(healthy(probe.id, cases).judge([]))
    assert found.verdict in (Verdict.UNKNOWN, Verdict.SKIPPED)
    assert found.reason in set(Reason)


def cuts(text: bytes, name: str, most: int) -> Iterator[int]:
    """Where to cut: at each byte up to 4 KiB, then at each line; or a fixed choice of ``most`` of these places."""
    places = [*range(min(len(text), 4096)), *(match.start() for match in re.finditer(rb"\n", text[4096:]))]
    if EVERY_CUT or len(places) <= most:
        return iter(places)
    return iter(sorted(random.Random(name).sample(places, most)))


def test_it_gives_every_prefix_the_full_verdict_or_unknown(probe: Any, cases: tuple[Any, ...]) -> None:
    seen: set[tuple[str, bytes]] = set()
    for case in cases:
        if case.probe_id != probe.id:
            continue
        full, sections = case.judge().verdict, case.sections
        most = 1500 if case.name == "healthy" else 60
        for section in sections:
            if (section.name, section.stdout) in seen:
                continue
            seen.add((section.name, section.stdout))
            for place in cuts(section.stdout, f"{case.name} {section.name}", most):
                found = case.judge(with_text(sections, section.name, section.stdout[:place]))
                told = f"{case.name}/{section.name} cut at {place}: {found.verdict} instead of {full}: {found.finding}"
                assert found.verdict in (full, Verdict.UNKNOWN), told


def test_every_probe_has_cases(cases: tuple[Any, ...]) -> None:
    assert set(catalog()) - {case.probe_id for case in cases} == set()
