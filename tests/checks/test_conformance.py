"""Every entry of the catalogue is complete, documented, proven by cases, and only reads."""

from __future__ import annotations

import re
from typing import Any

import pytest

from checks.params import TYPES, read, read_all
from checks.pasted import clean, decode, split
from checks.recognise import reads
from checks.results import Verdict
from checks.shown_files import shows_files

MARKS = {"V", "S", "D", "I", "W", "J"}


def test_it_says_what_it_is(probe: Any) -> None:
    assert re.fullmatch(r"[a-z0-9]+(\.[a-z0-9_]+)+", probe.id)
    assert probe.title
    assert not probe.title.endswith(".")
    assert probe.question.endswith("?")
    assert probe.sources
    assert all(probe.sources)
    assert probe.version >= 1
    assert probe.collectors


def test_it_describes_its_facts_once(probe: Any) -> None:
    assert probe.facts
    names = [fact.name for fact in probe.facts]
    assert len(names) == len(set(names))
    for fact in probe.facts:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", fact.name)
        assert fact.type
        assert fact.say, fact.name


def test_it_gives_each_rule_its_condition_and_source(probe: Any) -> None:
    assert probe.rules
    ids = [rule.id for rule in probe.rules]
    assert len(ids) == len(set(ids))
    for rule in probe.rules:
        assert rule.say, rule.id
        assert rule.source, rule.id


def test_it_declares_its_limits(probe: Any) -> None:
    names = [limit.name for limit in probe.thresholds]
    assert len(names) == len(set(names))
    for limit in probe.thresholds:
        assert limit.say, limit.name
        assert limit.source, limit.name
        assert limit.mark in MARKS, limit.name


def test_it_takes_typed_parameters_with_good_defaults(probe: Any) -> None:
    names = [param.name for param in probe.params]
    assert len(names) == len(set(names))
    for param in probe.params:
        assert param.type in TYPES, param.name
        assert param.help, param.name
        assert param.type != "enum" or param.choices, param.name
        assert not (param.required and param.default is not None), param.name
        if param.default is not None:
            read(param, param.default)
    read_all(tuple(param for param in probe.params if not param.required), {})


def test_it_names_its_sections_well(probe: Any) -> None:
    names = probe.section_names()
    assert len(names) == len(set(names))
    types = {param.name: param.type for param in probe.params}
    for collector in probe.collectors:
        assert re.fullmatch(r"[a-z][a-z0-9_-]*", collector.name)
        assert not collector.name.endswith(("_a", "_b")), "the samples of a section are called so"
        assert collector.title, collector.name
        assert set(collector.args) <= set(types), collector.name
        assert not collector.only_if or types[collector.only_if] == "bool", collector.name
        assert 1 <= collector.timeout_s <= 120, collector.name
        assert 1024 <= collector.max_bytes <= 64 << 20, collector.name
        wanted = {int(number) for number in re.findall(r"\$\{?([1-9])", collector.script)} if collector.args else set()
        assert not wanted or len(collector.args) >= 1, collector.name


def test_it_can_be_recognised(probe: Any) -> None:
    required = [collector for collector in probe.collectors if not collector.optional and not collector.only_if]
    assert any(collector.looks_like or shows_files(collector) for collector in required or probe.collectors)
    for collector in probe.collectors:
        re.compile(collector.looks_like, re.MULTILINE)


def test_it_recognises_its_own_sections(probe: Any, every_case: list[Any]) -> None:
    """Each look is met by a real output. An output may look like its sibling (rules of IPv4 and IPv6), never like nothing."""
    files = [case.files for case in every_case if case.probe_id == probe.id]
    for collector in probe.collectors:
        name = f"{collector.name}_a" if collector.sampled else collector.name
        texts = [clean(decode(found[name])) for found in files if found.get(name, b"").strip()]
        if collector.looks_like and texts:
            blocks = [block for text in texts for block in split(text)]
            assert any(reads(other, block) for block in blocks for other in probe.collectors), collector.name


def test_it_proves_every_rule_with_a_case_that_fires_it(probe: Any, every_case: list[Any]) -> None:
    found = {finding.rule for case in every_case if case.probe_id == probe.id for finding in case.judge().findings}
    assert {rule.id for rule in probe.rules} - found == set()


def test_it_proves_every_bad_verdict_with_a_near_miss(probe: Any, every_case: list[Any]) -> None:
    mine = [case for case in every_case if case.probe_id == probe.id]
    bad = {found.rule for case in mine for found in case.judge().findings if found.verdict in (Verdict.WARN, Verdict.CRIT)}
    names = [f"{case.name}_" for case in mine]
    assert {rule for rule in bad if not any(name.startswith(f"not_{rule}_") for name in names)} == set()


def test_it_has_a_healthy_case(probe: Any, every_case: list[Any]) -> None:
    assert "healthy" in {case.name for case in every_case if case.probe_id == probe.id}


def test_it_gives_one_name_and_title_to_one_command(all_collectors: list[Any]) -> None:
    titles: dict[tuple[str, str], str] = {}
    for collector in all_collectors:
        assert titles.setdefault((collector.name, collector.title), collector.script) == collector.script, collector.name


@pytest.fixture(scope="session")
def all_collectors(every_probe: list[Any]) -> list[Any]:
    return list(dict.fromkeys(collector for probe in every_probe for collector in probe.collectors))
