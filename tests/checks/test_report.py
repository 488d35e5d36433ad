"""What a judge can say, and what its probe makes of it."""

from __future__ import annotations

import dataclasses
import doctest
import json
import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from checks import errors, evidence, results
from checks.errors import EvidenceError, ParseError
from checks.probes.base import Report
from checks.results import Reason, Section, Verdict, worst

GOOD = Section("count", b"3 things\n")


def report(toy: Any, *sections: Section, **limits: float) -> Report:
    return Report(toy, sections or (GOOD,), {}, limits)


def test_its_samples_hold() -> None:
    assert [doctest.testmod(module).failed for module in (results, errors, evidence)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        ((), "unknown"),
        (("ok",), "ok"),
        (("info",), "info"),
        (("skipped",), "skipped"),
        (("ok", "info", "skipped"), "ok"),
        (("ok", "unknown"), "unknown"),
        (("info", "unknown"), "unknown"),
        (("unknown", "warn"), "warn"),
        (("warn", "crit", "unknown"), "crit"),
    ],
)
def test_it_takes_the_worst_verdict_in_any_order(verdicts: tuple[str, ...], wanted: str) -> None:
    for order in permutations(verdicts):
        assert worst(map(Verdict, order)) == wanted


@pytest.mark.parametrize(("section", "reason"), [
    (Section("count", b"x", rc=None), Reason.TRUNCATED),
    (Section("count", b"x", dropped_bytes=1), Reason.TRUNCATED),
    (Section("count", b"x", rc=124, timed_out=True), Reason.TIMEOUT),
    (Section("count", b"x", rc=0, timed_out=True), Reason.TIMEOUT),
    (Section("count", b"x", rc=127), Reason.TOOL_MISSING),
    (Section("count", b"", b"sh: 1: nft: not found\n", 1), Reason.TOOL_MISSING),
    (Section("count", b"", b"x: Permission denied\n", 1), Reason.NEED_PRIVILEGE),
    (Section("count", b"", b"sudo: a password is required\n", 1), Reason.NEED_PRIVILEGE),
    (Section("count", b"", b"", 126), Reason.NEED_PRIVILEGE),
    (Section("count", b"x", rc=137), Reason.KILLED),
    (Section("count", b"x", b"it broke\n", 4), Reason.FAILED),
    (Section("count", b""), Reason.EMPTY),
    (Section("count", b" \n\t\n"), Reason.EMPTY),
    (Section("count", b"", b"cat: x: Permission denied\n"), Reason.NEED_PRIVILEGE),
    (Section("other", b"x"), Reason.MISSING),
])  # fmt: skip
def test_it_needs_a_section_whole_and_says_why_it_has_none(toy: Any, section: Section, reason: Reason) -> None:
    made = report(toy, section)
    with pytest.raises(EvidenceError) as raised:
        made.need("count")
    assert raised.value.reason == reason
    assert "count" in raised.value.say
    assert not made.has("count")
    found = toy.evaluate([section])
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, reason)


def test_it_takes_a_status_or_an_emptiness_that_the_judge_allows(toy: Any) -> None:
    made = report(toy, Section("count", b"", rc=1))
    assert made.need("count", rc_ok=(0, 1), allow_empty=True).rc == 1


def test_it_points_at_the_line_in_the_section(toy: Any) -> None:
    made = report(toy, Section("count", b"one\r\ntwo\nthree"))
    assert [made.evidence("count", number).text for number in (0, 1, 2, 3, 4)] == ["", "one", "two", "three", ""]
    assert made.evidence("nowhere", 1).text == ""


def test_it_counts_lines_as_an_editor_does() -> None:
    section = Section("x", "a\u2028b\x0bc\x85d\ne\r\nf".encode())
    assert section.lines == ["a\u2028b\x0bc\x85d", "e", "f"]


def test_it_shows_bytes_that_are_no_text() -> None:
    assert Section("x", b"\xff\n").text == "\ufffd\n"


@pytest.mark.parametrize(("value", "verdict", "limit"), [
    (9, "ok", "warn_at"), (10, "warn", "warn_at"), (19.9, "warn", "warn_at"), (20, "crit", "crit_at"),
    (math.inf, "crit", "crit_at"), (-1, "ok", "warn_at"),
])  # fmt: skip
def test_it_levels_a_value_at_or_above_its_limits(toy: Any, value: float, verdict: str, limit: str) -> None:
    assert report(toy).level(value, "warn_at", "crit_at") == (verdict, limit)


def test_it_calls_nothing_ok_that_is_not_a_number(toy: Any) -> None:
    with pytest.raises(EvidenceError, match="nan"):
        report(toy).level(math.nan, "warn_at")


def test_it_lets_a_runbook_move_a_limit(toy: Any) -> None:
    assert report(toy, warn_at=3).level(3, "warn_at")[0] == Verdict.WARN


def test_it_computes_how_far_beyond_a_value_is(toy: Any) -> None:
    made = report(toy)
    made.find("many", Verdict.WARN, "x", value=15, limit="warn_at")
    made.find("many", Verdict.OK, "x", value=5, limit="warn_at")
    made.find("many", Verdict.OK, "x", value="text", limit="warn_at")
    assert [(found.margin, found.threshold, found.unit) for found in made.findings] == [
        (0.5, 10, "things"),
        (-0.5, 10, "things"),
        (None, 10, "things"),
    ]


def test_it_gives_the_remedy_only_with_bad_news(toy: Any) -> None:
    made = report(toy)
    for verdict in (Verdict.WARN, Verdict.CRIT, Verdict.OK, Verdict.INFO):
        made.find("many", verdict, "x")
    assert [found.remedy for found in made.findings] == ["Take some away.", "Take some away.", "", ""]
    assert {found.source for found in made.findings} == {"counted by hand"}


def test_it_refuses_facts_and_rules_that_are_not_declared(toy: Any) -> None:
    with pytest.raises(KeyError):
        report(toy).fact("other", 1)
    with pytest.raises(KeyError):
        report(toy).find("other", Verdict.OK, "x")


def test_it_lets_the_finding_farthest_beyond_its_limit_speak(toy: Any) -> None:
    made = report(toy)
    made.find("many", Verdict.OK, "fine")
    made.find("many", Verdict.WARN, "a little", value=11, limit="warn_at")
    made.find("many", Verdict.WARN, "a lot", value=19, limit="warn_at")
    made.unknown(Reason.IDLE, "nothing moved")
    assert (made.result().verdict, made.result().finding, made.result().reason) == (Verdict.WARN, "a lot", None)


def test_it_is_unknown_when_the_judge_says_nothing(toy: Any) -> None:
    found = report(toy).result()
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, Reason.UNPARSED)


def test_it_is_skipped_where_it_does_not_apply(toy: Any) -> None:
    made = report(toy)
    made.skip("this host has no things")
    assert (made.result().verdict, made.result().reason) == (Verdict.SKIPPED, Reason.NOT_APPLICABLE)


def judged_by(toy: Any, judge: Callable[[Report], None]) -> Any:
    return dataclasses.replace(toy, judge=judge)


def test_it_turns_missing_evidence_into_unknown_with_its_line(toy: Any) -> None:
    def judge(made: Report) -> None:
        made.find("many", Verdict.OK, "so far")
        raise ParseError("line 1 is odd", section="count", line=1)

    found = judged_by(toy, judge).evaluate([GOOD])
    assert (found.verdict, found.reason, found.finding) == (Verdict.UNKNOWN, Reason.UNPARSED, "line 1 is odd")
    assert found.findings[1].evidence[0].text == "3 things"


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), ZeroDivisionError(), RecursionError(), AttributeError("x")])
def test_it_survives_a_defect_of_the_probe(toy: Any, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    def judge(made: Report) -> None:
        made.find("many", Verdict.OK, "so far")
        raise error

    broken = judged_by(toy, judge)
    found = broken.evaluate([GOOD])
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, Reason.PROBE_ERROR)
    assert type(error).__name__ in found.finding
    assert "toy.count" in caplog.text
    with pytest.raises(type(error)):
        Report(broken, [GOOD], {}, {}).judge()


def test_it_calls_a_number_of_thousands_of_digits_unparsed(toy: Any) -> None:
    found = toy.evaluate([Section("count", b"9" * 5000 + b" things\n")])
    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, Reason.UNPARSED)


def test_it_describes_raw_output_without_repeating_it(toy: Any) -> None:
    found = toy.evaluate([dataclasses.replace(GOOD, command="Number of things", duration_ms=5)]).as_json()
    assert found["sections"] == [
        {
            "name": "count",
            "command": "Number of things",
            "rc": 0,
            "bytes": 9,
            "dropped_bytes": 0,
            "timed_out": False,
            "duration_ms": 5,
        }
    ]
    assert found["fact_lines"] == {"things": {"section": "count", "line": 1, "text": "3 things"}}
    json.dumps(found, allow_nan=False)


def test_it_knows_what_a_probe_collects(toy: Any) -> None:
    assert toy.sampled
    assert toy.section_names() == ("count", "limits", "clock_a", "clock_b")
    assert toy.privilege == "user"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EvidenceError("x"), Reason.UNPARSED),
        (EvidenceError("x", Reason.EMPTY), Reason.EMPTY),
        (errors.ParamError("p", "x"), Reason.PARAM_INVALID),
        (errors.TransportError("x"), Reason.HOST_UNREACHABLE),
        (errors.CheckError("x"), Reason.FAILED),
    ],
)
def test_it_gives_every_error_a_sentence_and_a_reason(error: errors.CheckError, reason: Reason) -> None:
    assert (error.say, error.reason, str(error)) == ("x", reason, "x")
