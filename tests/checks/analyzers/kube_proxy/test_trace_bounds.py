"""Rules that would keep a trace busy for ever: it ends, and says that it does not know."""

from __future__ import annotations

import pytest

from checks.analyzers.packet import Packet
from checks.analyzers.packet_trace import MAX_STEPS, MAX_WAYS, Tracer
from checks.parsers.iptables_save import read

HEAD = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:X - [0:0]\n"
DIE = "-A PREROUTING -m statistic --mode random --probability 0.50000000000 -j"


def ways(text):
    (rules,) = read(text)
    branches = Tracer(rules).trace(Packet("10.244.1.5", "10.96.23.5", 80, "tcp"))
    assert sum(branch.probability for branch in branches) == pytest.approx(1)
    return branches


def test_it_stops_where_each_die_doubles_the_ways():
    found = ways(HEAD + f"{DIE} X\n" * 40 + "COMMIT\n")
    assert len(found) <= MAX_WAYS + 1
    assert {branch.verdict for branch in found} >= {"unknown"}
    assert any("more ways than can be followed" in note for branch in found for note in branch.notes)


def test_it_stops_where_chains_call_each_other_twice():
    chains = "".join(f":A{n} - [0:0]\n" for n in range(31))
    calls = "".join(f"-A A{n} -j A{n + 1}\n" * 2 for n in range(30))
    (branch,) = ways(HEAD + chains + "-A PREROUTING -j A0\n" + calls + "COMMIT\n")
    assert (branch.verdict, len(branch.path)) == ("unknown", MAX_STEPS + 1)


def test_it_stops_where_calls_without_a_match_double(monkeypatch):
    monkeypatch.setattr("checks.analyzers.packet_trace.MAX_LOOKS", 1000)
    (branch,) = ways(HEAD + "-A PREROUTING -p udp -j ACCEPT\n" * 2000 + "COMMIT\n")
    assert branch.verdict == "unknown"


def test_it_follows_a_service_of_5000_endpoints():
    rules = "".join(
        f"-A PREROUTING -m statistic --mode random --probability {1 / (5000 - n):.11f}"
        f" -j DNAT --to-destination 10.1.{n // 250}.{n % 250}:80\n"
        for n in range(4999)
    )
    found = ways(HEAD + rules + "-A PREROUTING -p tcp -j DNAT --to-destination 10.2.0.1:80\nCOMMIT\n")
    assert len(found) == 5000
    assert {branch.verdict for branch in found} == {"ACCEPT"}
