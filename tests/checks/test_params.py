"""Typed parameters: what is let in is exactly one harmless argument; everything else is refused with what to write."""
# ruff: noqa: E501  the tables of texts read better wide

from __future__ import annotations

import asyncio
import dataclasses
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from checks.capture import script
from checks.collectors.base import Collector
from checks.engine import Request, collect
from checks.errors import ParamError
from checks.params import TYPES, Param, as_argument, read, read_all
from checks.transports.local import LocalTransport

CANARY = "/canary"  # stands for a file that no command may make
_COMMANDS = (f"touch {CANARY}", f"id>{CANARY}", "reboot", "cat /etc/shadow")
_WRAPPERS = (
    "; {}", "& {}", "| {}", "|| {}", "&& {}", "$({})", "`{}`", "\n{}", "\r\n{}", "\0{}", "'; {}; '", '"; {}; "', "'$({})'", '"`{}`"', "\\; {}",
    "x; {} #", "eth0;{}", "eth0$({})", "eth0|{}", "eth0 {}", "eth0\t{}", "10.0.0.1;{}", "10.0.0.1\n{}", "/etc/x;{}", "/etc/x $({})", "1;{}",
    "kubelet.service;{}", ">(  {})", "<({})", "$'{}'", "${{IFS}}{}", "{{{}}}", "%0a{}", "\u2028{}", "\x1b]0;{}\x07",
)  # fmt: skip
INJECTIONS = [wrapper.format(command) for wrapper in _WRAPPERS for command in _COMMANDS] + [
    "-oProxyCommand=id", "--help", "-rf", "-", "--", "-w", "../../etc/shadow", "/etc/../etc/shadow", "/..", "..", "~root/.ssh/id_rsa", "*", "?", "[a-z]*",
    "$HOME", "${PATH}", "$0", "$@", "%s%n", "{{7*7}}", "{% x %}", "<script>", "' OR 1=1 --", "http://169.254.169.254/", "file:///etc/shadow",
    "fe80::1%eth0;id", "10.0.0.1/33", "10.0.0.256", "0x7f.1", "::ffff:10.0.0.1%1", "1e9", "1_000", "0x10", "٣", "²", "+5", "--5", "NaN", "inf", "",
    " ", "\t", "a" * 5000, "eth0\u202e", "ｅth0", "é", "\ud800", "\ufeff10.0.0.1", "true;", "kubelet.service\x00", "a=b", "a b",
]  # fmt: skip
SAFE = re.compile(r"[A-Za-z0-9._@:/\[\]%+=,~\\-]{1,1200}")
FREE = {"text", "enum"}

GOOD = {
    "ip": ["192.0.2.1", "2001:db8::1", "::1"], "cidr": ["10.244.0.0/16", "2001:db8::/32"], "port": ["1", "65535"],
    "ip_port": ["10.96.0.10:53", "[fd00::1]:53"], "iface": ["eth0", "cali1a2b3c4d5e6", "br-0a1b2c", "eth0.100", "veth@if3"], "pid": ["1", "4194304"],
    "unit": ["kubelet.service", "user@1000.service", r"dev-disk-by\x2duuid.device"], "path": ["/", "/etc/kubernetes/kubelet.conf", "/a b".replace(" ", "_")],
    "process": ["kube-proxy", "nginx"], "service": ["kube-system/kube-dns", "kube-system/kube-dns:dns-tcp"], "proto": ["tcp", "udp"],
    "hostname": ["node-1.example.org", "n"], "macro": ["__os_install_post"], "int": ["-5", "0", "1000000"], "number": ["0.5", "-1", "3"],
    "duration": ["10s", "5m", "1h", "2d", "30"], "bool": ["true", "no", "ON", "0"], "enum": ["x"], "text": ["any words; $(even these)"],
}  # fmt: skip
BAD = {
    "ip": ["192.0.2", "192.0.2.1/32", "fe80::1%eth0"], "cidr": ["10.244.0.0/40", "x"], "port": ["0", "65536", "-1", "80x"], "ip_port": ["10.0.0.1", "10.0.0.1:0", "fd00::1"],
    "iface": ["a234567890123456", "eth 0", "-eth0", "eth0/1"], "pid": ["0", "4194305", "self"], "unit": ["a b", "-x", "x/y"],
    "path": ["etc", "/a b", "/a/../b", "/a\n"], "process": ["a b", "x" * 65], "service": ["kube-dns", "a/b/c", "A/b", "a/b:c:d"], "proto": ["icmp", "TCP"],
    "hostname": ["-a", "a_b", "a b", "a."], "macro": ["1x", "a-b", "%x"], "int": ["1.5", "x", "1" * 30], "number": ["x", "1e5", "."],
    "duration": ["10 s", "1w", "-5s", "s"], "bool": ["maybe", "2"], "enum": [""], "text": ["two\nlines", "bell\x07", "x" * 5000],
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_it_reads_the_right_forms_and_refuses_the_wrong_ones(kind: str) -> None:
    param = Param("p", kind)
    for text in GOOD[kind]:
        assert read(param, text) is not None
    for text in BAD[kind]:
        with pytest.raises(ParamError) as raised:
            read(param, text)
        assert raised.value.say.startswith(f"p must be {TYPES[kind].say}")


def test_it_was_tried_with_150_injections() -> None:
    assert len(set(INJECTIONS)) >= 150


def harmless(kind: str, text: str) -> None:
    """Either refused, or one argument of harmless characters that is no option."""
    try:
        argument = as_argument(read(Param("p", kind), text))
    except ParamError:
        return
    assert not re.search(r"[\x00-\x1f\x7f]", argument), text
    assert not argument.startswith("-") or kind in ("int", "number", "text"), text
    assert kind in FREE or SAFE.fullmatch(argument), text


@pytest.mark.parametrize("kind", TYPES)
def test_it_lets_no_injection_in(kind: str) -> None:
    for text in INJECTIONS:
        harmless(kind, text)


@pytest.mark.parametrize("kind", TYPES)
def test_it_lets_no_generated_injection_in(kind: str) -> None:
    dice = random.Random(kind)
    pieces = [
        *"abcz019.:/@-_%=+,~\\ $`;|&<>(){}[]*?!#'\"\n\r\t\0\x1b",
        "..",
        "$(",
        "${",
        "::",
        "eth0",
        "10.0.0.1",
        "/etc",
        "tcp",
        "é",
        "٣",
        "\u2028",
    ]
    for _ in range(2000):
        seed = dice.choice(GOOD[kind])
        parts = [dice.choice(pieces) for _ in range(dice.randint(1, 6))]
        parts.insert(dice.randrange(len(parts) + 1), seed if dice.random() < 0.7 else "")
        harmless(kind, "".join(parts))


@pytest.mark.parametrize("way", ["transport", "script"])
def test_it_arrives_as_exactly_one_argument(way: str, toy: Any, tmp_path: Path) -> None:
    """Free text is the worst that may reach a command; the command sees the same bytes and nothing else happens."""
    texts = [text.replace(CANARY, str(tmp_path / "canary")) for text in INJECTIONS]
    taken = [text for text in texts if len(text) < 4096 and not re.search(r"[\x00-\x1f\x7f\ud800]", text) and text]
    names = tuple(f"p{number}" for number in range(len(taken)))
    show = Collector("count", "Arguments", 'for a in "$@"; do printf \'%s\\n\' "$a"; done', args=names)
    probe = dataclasses.replace(toy, collectors=(show,), params=tuple(Param(name, "text") for name in names))
    request = Request("x", probe, read_all(probe.params, dict(zip(names, taken, strict=True))))
    printed = asyncio.run(by_transport(request)) if way == "transport" else by_script(request)
    assert "\n".join(taken) in printed.decode()
    assert not list(tmp_path.iterdir())
    assert not Path(CANARY).exists()


async def by_transport(request: Request) -> bytes:
    found = [one async for one in collect([request], LocalTransport())]
    return found[0].sections[0].stdout


def by_script(request: Request) -> bytes:
    return subprocess.run(["sh"], input=script([request]).encode(), capture_output=True, timeout=60).stdout


def test_it_says_which_parameters_there_are() -> None:
    declared = (Param("iface", "iface", required=True), Param("port", "port", 53), Param("note", "text"))
    assert read_all(declared, {"iface": "eth0"}) == {"iface": "eth0", "port": 53, "note": None}
    assert read_all(declared, {"iface": "eth0", "port": "80", "note": ""}) == {"iface": "eth0", "port": 80, "note": None}
    for given, say in (
        ({}, "iface is required: write an interface name"),
        ({"iface": "eth0", "prot": "1"}, "there is no parameter 'prot'; known parameters: iface, note, port"),
        ({"iface": "eth0", "port": "x"}, "port must be a port number from 1 to 65535, not 'x'"),
    ):
        with pytest.raises(ParamError) as raised:
            read_all(declared, given)
        assert raised.value.say.startswith(say)


def test_it_holds_numbers_to_their_bounds() -> None:
    param = Param("n", "int", min=2, max=5)
    assert [read(param, value) for value in ("2", 5)] == [2, 5]
    for value in ("1", "6"):
        with pytest.raises(ParamError, match="at least 2 and at most 5"):
            read(param, value)


def test_it_holds_a_choice_to_its_list() -> None:
    param = Param("mode", "enum", choices=("a", "b"))
    assert read(param, "b") == "b"
    with pytest.raises(ParamError, match="one of a, b, not 'c'"):
        read(param, "c")


@pytest.mark.parametrize(
    ("value", "wanted"), [(None, ""), (True, "true"), (False, "false"), (5, "5"), (0.5, "0.5"), ("x y", "x y")]
)
def test_it_writes_a_value_as_an_argument(value: Any, wanted: str) -> None:
    assert as_argument(value) == wanted


def test_it_reads_back_what_it_wrote() -> None:
    """Facts of earlier steps come in as parameters: a typed value is its own right form."""
    for kind, texts in GOOD.items():
        for text in texts:
            value = read(Param("p", kind), text)
            assert read(Param("p", kind), value) == value
