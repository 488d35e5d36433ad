"""The author's rules on top of the probe's, and the answer that heads the page."""

from dataclasses import replace

import pytest

from checks.results import Evidence, Finding, ProbeResult, Reason, Verdict
from runbooks.document.model import Open
from runbooks.document.verdicts import apply_expectations, conclude, known

LINE = Evidence("cgroups", 7, "memory 10 61000 1")
RESULT = ProbeResult(
    probe="cgroup.memcg_dying",
    version=1,
    verdict=Verdict.OK,
    reason=None,
    finding="few groups",
    facts={"memcg_total": 61000, "memcg_dying": 12},
    fact_lines={"memcg_total": LINE},
    findings=(Finding("dying", Verdict.OK, "few groups"),),
)


def rules(check, *texts):
    document = check("expect:", *(f"  - {text}" for text in texts))
    assert document.ok, document.problems
    return document.steps[0]


def test_a_rule_that_holds_makes_the_verdict_worse_and_shows_its_line(check):
    step = rules(check, '{if: "memcg_total >= 60000", then: crit, say: "{memcg_total} of 65535 ids"}')
    result = apply_expectations(step, RESULT)
    assert (result.verdict, result.finding) == (Verdict.CRIT, "61000 of 65535 ids")
    finding = result.findings[-1]
    assert (finding.rule, finding.value, finding.threshold, finding.margin) == ("expect[1]", 61000, 60000, 0.0167)
    assert finding.evidence == (LINE,)
    assert result.findings[0] == RESULT.findings[0]


def test_a_rule_that_does_not_hold_changes_nothing(check):
    step = rules(check, "{if: memcg_total >= 65000, then: crit, say: x}")
    assert apply_expectations(step, RESULT) == RESULT


def test_a_rule_never_makes_a_verdict_better(check):
    step = rules(check, "{if: memcg_total > 0, then: ok, say: fine}")
    bad = replace(RESULT, verdict=Verdict.CRIT, finding="many")
    result = apply_expectations(step, bad)
    assert (result.verdict, result.finding) == (Verdict.CRIT, "many")
    assert result.findings[-1].verdict is Verdict.OK


def test_a_missing_fact_is_unknown_and_never_ok(check):
    step = rules(check, "{if: memcg_total > 70000, then: crit, say: x}")
    result = apply_expectations(step, replace(RESULT, facts={}))
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, Reason.MISSING)
    assert "memcg_total is not known" in result.finding


def test_an_unknown_result_keeps_its_own_reason(check):
    step = rules(check, "{if: memcg_total > 70000, then: crit, say: x}")
    late = replace(RESULT, facts={}, verdict=Verdict.UNKNOWN, reason=Reason.TIMEOUT, finding="too late")
    result = apply_expectations(step, late)
    assert (result.verdict, result.reason, result.finding) == (Verdict.UNKNOWN, Reason.TIMEOUT, "too late")


def test_a_skipped_step_stays_skipped(check):
    step = rules(check, "{if: memcg_total > 1, then: crit, say: x}")
    skipped = replace(RESULT, verdict=Verdict.SKIPPED, facts={})
    assert apply_expectations(step, skipped) is skipped


def test_rules_are_numbered_and_the_worst_decides(check):
    step = rules(
        check,
        "{if: memcg_dying > 1, then: warn, say: some}",
        "{if: memcg_dying > 99, then: crit, say: no}",
        "{if: memcg_total > 9, then: crit, say: many}",
    )
    result = apply_expectations(step, RESULT)
    assert [finding.rule for finding in result.findings[1:]] == ["expect[1]", "expect[3]"]
    assert (result.verdict, result.finding) == (Verdict.CRIT, "many")


def test_a_rule_may_use_facts_and_verdicts_of_earlier_steps(write):
    document = write(
        "```check\nid: m\nprobe: cgroup.mode\n```\n\n```check\nid: a\nprobe: cgroup.memcg_dying\nexpect:\n"
        '  - {if: {all: ["m == ok", "m.mode == v1", "memcg_dying > 1"]}, then: warn, say: "{m.mode} on {memcg_dying}"}\n```\n'
    )
    assert document.ok, document.problems
    told = known({"m": Verdict.OK}, {"m": {"mode": "v1"}})
    assert apply_expectations(document.steps[1], RESULT, told).finding == "v1 on 12"
    assert apply_expectations(document.steps[1], RESULT).verdict is Verdict.UNKNOWN


def test_hostile_facts_are_text_in_a_sentence(check):
    step = rules(check, '{if: "memcg_total != 1", then: warn, say: "{memcg_total}"}')
    hostile = replace(RESULT, facts={"memcg_total": "{memcg_dying} {{7*7}}\n$(id) %s"})
    assert apply_expectations(step, hostile).finding == "{memcg_dying} {{7*7}} $(id) %s"


def test_hidden_characters_of_a_fact_become_visible(check):
    step = rules(check, '{if: "memcg_total != 1", then: warn, say: "{memcg_total}"}')
    hostile = replace(RESULT, facts={"memcg_total": "a\x1b[31mb\u202ec\u200bd\x9be"})
    assert apply_expectations(step, hostile).finding == "a\ufffd[31mb\ufffdc\ufffdd\ufffde"


@pytest.fixture
def story(write):
    mode = "```check\nid: {0}\nprobe: cgroup.memcg_dying\nconfirms: true\n```\n\n"
    document = write(
        mode.format("a") + mode.format("b"),
        "conclusions:\n"
        '  - {if: {all: ["a == crit", "b == crit"]}, say: "both, {a.memcg_total}", do: "{b}", fix: f, next: n}\n'
        "  - {if: a == crit, say: only a}\n"
        "  - {if: b.memcg_dying > 5, say: b dying}\n",
    )
    assert document.ok, document.problems
    return document


def test_the_first_conclusion_that_holds_answers(story):
    answer = conclude(story, {"a": "crit", "b": "crit"}, {"a": {"memcg_total": 9}})
    assert (answer.say, answer.do, answer.fix, answer.next, answer.unsettled) == ("both, 9", "crit", "f", "n", ())
    assert conclude(story, {"a": "crit", "b": "ok"}, {}).say == "only a"


def test_it_says_what_could_still_overturn_an_answer(story):
    answer = conclude(story, {"a": "crit"}, {})
    assert (answer.say, answer.unsettled) == ("only a", ("b",))


def test_it_says_which_steps_decide_and_are_open(story):
    assert conclude(story, {}, {}) == Open(("a", "b"), ("a", "b"))
    assert conclude(story, {"a": "ok"}, {}) == Open(("a", "b"), ("b",))
    assert conclude(story, {"a": "ok", "b": "ok"}, {"b": {"memcg_dying": 1}}) == Open(("a", "b"), ())


def test_a_step_that_could_not_tell_leaves_the_question_open(story):
    assert conclude(story, {"a": "unknown", "b": "ok"}, {"b": {"memcg_dying": 1}}) == Open(("a", "b"), ("a",))


def test_a_runbook_without_conclusions_answers_nothing(check):
    assert conclude(check(), {"a": "crit"}, {}) == Open((), ())
