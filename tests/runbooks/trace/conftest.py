"""The recorded rules of a node with three services, and what a trace through them finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

CASES = Path(__file__).parents[2] / "cases" / "probes" / "iptables.save"
QUESTION = {"src": "172.19.1.10", "dst": "10.96.23.5", "dport": 80, "proto": "tcp", "origin": "pod"}
SERVICE = "KUBE-SVC-I6F7J7E256H6PY43"


@pytest.fixture
def question() -> dict[str, Any]:
    return dict(QUESTION)


@pytest.fixture
def rules() -> Callable[..., str]:
    """The rules of the healthy node, or of another case, with pieces replaced; each piece is there."""

    def read(case: str = "healthy", changes: Mapping[str, str] | None = None) -> str:
        text = (CASES / case / "iptables-nft-save").read_text()
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        return text

    return read


@pytest.fixture
def dead_endpoint(rules: Callable[..., str]) -> str:
    """A session on the node: its rules, and routes of which one leads an endpoint to nowhere."""
    routes = ("default via 192.168.105.1 dev eth0", "unreachable 172.19.2.10", "172.19.1.0/24 dev cni0 proto kernel scope link")
    return f"root@n1:~# iptables-save\n{rules()}root@n1:~# ip route show table all\n" + "".join(f"{route} \n" for route in routes)


@pytest.fixture
def many(rules: Callable[..., str]) -> Callable[[int], str]:
    """The rules with that many endpoints behind the service, as kube-proxy would write them."""

    def write(count: int) -> str:
        chains, picks, targets = [], [], []
        for number in range(count):
            name = "KUBE-SEP-" + f"{number:016d}".translate(str.maketrans("0189", "ABCD"))
            ip = f"172.20.{number // 250}.{number % 250 + 1}"
            die = "" if number == count - 1 else f" -m statistic --mode random --probability {1 / (count - number):.11f}"
            chains.append(f":{name} - [0:0]\n")
            picks.append(f'-A {SERVICE} -m comment --comment "prod/web:http -> {ip}:8080"{die} -j {name}\n')
            targets.append(
                f"-A {name} -s {ip}/32 -j KUBE-MARK-MASQ\n-A {name} -p tcp -m tcp -j DNAT --to-destination {ip}:8080\n"
            )
        kept = [line for line in rules().splitlines(keepends=True) if not line.startswith(f"-A {SERVICE} -m comment")]
        mark = next(number for number, line in enumerate(kept) if line.startswith(f"-A {SERVICE} !"))
        kept[mark + 1 : mark + 1] = [*targets, *picks]
        head = kept.index(":KUBE-SVC-I6F7J7E256H6PY43 - [0:0]\n")
        kept[head:head] = chains
        return "".join(kept)

    return write


@pytest.fixture
def found(question: dict[str, Any]) -> Callable[..., Any]:
    """What the probe says of a pasted text."""

    def judge(text: str, **asked: Any) -> Any:
        from checks import catalog
        from checks.params import read_all
        from runbooks.tracing import read_paste

        name, sections = read_paste(text)
        probe = catalog.get(name)
        return probe.evaluate(sections, read_all(probe.params, question | asked))

    return judge
