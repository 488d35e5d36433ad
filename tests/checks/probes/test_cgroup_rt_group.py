"""cgroup.delegation about real-time threads: an info beside the verdict, so the golden cases alone do not hold it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checks.results import Verdict


@pytest.fixture
def cases(every_case: list[Any]) -> dict[str, Any]:
    return {case.name: case for case in every_case if case.probe_id == "cgroup.delegation"}


def found(case: Any, sections: list[Any] | None = None) -> list[Any]:
    return [finding for finding in case.judge(sections).findings if finding.rule == "rt_group"]


def test_it_names_the_threads_for_whose_sake_the_kernel_would_refuse(cases: dict[str, Any]) -> None:
    (finding,) = found(cases["rt_group"])
    assert (finding.verdict, finding.value) == (Verdict.INFO, 2)
    assert "first corosync (812) in /system.slice/corosync.service" in finding.say
    assert "EINVAL" in finding.say
    assert "chrt --other" in finding.remedy
    lines = [(line.section, line.text.split(" ")[0]) for line in finding.evidence]
    assert lines == [("delegation", "memory"), ("rt_group", "CONFIG_RT_GROUP_SCHED=y"), ("rt_group", "812"), ("rt_group", "1377")]


def test_it_says_nothing_of_them_in_the_near_cases(cases: dict[str, Any]) -> None:
    near = [case for name, case in cases.items() if name.startswith("not_rt_group_")]
    assert len(near) == 5
    assert {case.name for case in near if found(case)} == set()


@pytest.mark.parametrize("ending", [{"timed_out": True, "rc": 124}, {"dropped_bytes": 1}, {"rc": 1}, {"stdout": b""}])
def test_it_says_the_same_of_the_controller_without_them(cases: dict[str, Any], ending: dict[str, Any]) -> None:
    case = cases["rt_group"]
    spoilt = [replace(section, **ending) if section.name == "rt_group" else section for section in case.sections]
    assert found(case, spoilt) == []
    assert case.judge(spoilt).findings == cases["handed_down_from_the_root"].judge().findings


def test_it_asks_for_them_only_of_the_cpu_controller(cases: dict[str, Any]) -> None:
    case = cases["rt_group"]
    result = case.probe.evaluate(case.sections, {"path": "/lab/a", "controller": "cpuset"})
    assert result.verdict == Verdict.WARN
    assert [finding.rule for finding in result.findings] == ["handed_down"]
