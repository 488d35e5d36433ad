"""The IPv6 runbook answers what its laboratory hosts show: each step is judged on the sections of a case of ipv6.server."""

import json
from pathlib import Path

import pytest

from checks.catalog import catalog, get
from checks.params import read_all
from checks.results import Section, Verdict
from runbooks.document.model import Conclusion, Open
from runbooks.document.parse import parse
from runbooks.document.verdicts import conclude

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "cases" / "probes" / "ipv6.server"


@pytest.fixture(scope="module")
def document():
    text = (ROOT / "runbooks" / "library" / "network" / "ipv6-server-enable.md").read_text("utf-8")
    return parse(text, probes=catalog())


def sections_of(case):
    said = json.loads((CASES / case / "expected.json").read_text("utf-8")).get("sections", {})
    names = {file.name for file in (CASES / case).iterdir()} - {"expected.json"} | set(said)
    found = []
    for name in names:
        file, ended = CASES / case / name, said.get(name, {})
        data = file.read_bytes() if file.exists() else b""
        found.append(Section(name, data, ended.get("stderr", "").encode(), ended.get("rc", 0)))
    return found


def answer_to(document, case, given):
    values = {"ports": "80,443", "server_name": None, "iface": None, **given}
    verdicts, facts = {}, {}
    for step in document.steps:
        probe = get(step.probe)
        wanted = {name: values[reference.name] for name, reference in step.with_.items()}
        mine = [section for section in sections_of(case) if section.name in probe.section_names()]
        result = probe.evaluate(mine, read_all(probe.params, {name: value for name, value in wanted.items() if value}))
        verdicts[step.id], facts[step.id] = result.verdict, dict(result.facts)
    return conclude(document, verdicts, facts), verdicts


@pytest.mark.parametrize(
    ("case", "given", "says"),
    [
        ("healthy", {}, "ready for IPv6 visitors on its ports"),
        ("not_nginx_absent", {}, "ready for IPv6 visitors"),
        ("enabled", {}, "IPv6 is switched off"),
        ("addr", {}, "no IPv6 address that others can reach"),
        ("tunnel", {}, "the tunnel is not sound"),
        ("route", {}, "No IPv6 route"),
        ("firewall", {}, "The firewall drops"),
        ("listeners", {}, "Nobody listens over IPv6"),
        ("nginx_named", {"server_name": "blog.example.org"}, "its configuration has a fault"),
        ("dns", {}, "none of its own name servers"),
        ("nginx", {}, "something on it is not right"),
    ],
)
def test_it_answers_what_the_host_shows(document, case, given, says):
    answer, verdicts = answer_to(document, case, given)
    assert isinstance(answer, Conclusion), verdicts
    assert says in answer.say


def test_it_does_not_answer_when_the_firewall_could_not_be_read(document):
    answer, verdicts = answer_to(document, "unknown_firewall_not_root", {})
    assert verdicts["firewall"] == Verdict.UNKNOWN
    assert isinstance(answer, Open)
    assert "firewall" in answer.open


def test_it_corrects_the_writeup(document):
    errata = " ".join(document.meta.source.errata)
    for word in ("semicolon", "needs ssl", "sysctl --system", "dns-nameserver"):
        assert word in errata
