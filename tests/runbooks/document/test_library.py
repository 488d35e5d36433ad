"""Every shipped runbook lints clean, answers, and is findable."""

import re
from pathlib import Path

import pytest
import regex

from checks.catalog import catalog
from checks.results import Verdict
from runbooks.document.evaluation import evaluate
from runbooks.document.expressions import comparisons
from runbooks.document.model import Conclusion, Open
from runbooks.document.parse import parse
from runbooks.document.verdicts import conclude

LIBRARY = Path(__file__).parents[3] / "runbooks" / "library"
FILES = sorted(LIBRARY.rglob("*.md"))


def read(path):
    return parse(path.read_bytes().decode(), probes=catalog())


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def document(request):
    return read(request.param)


def test_there_is_a_library():
    assert len(FILES) >= 12
    assert len({path.stem for path in FILES}) == len(FILES)


def test_it_lints_clean(document):
    assert document.problems == ()


def test_it_says_what_it_is_in_both_languages(document):
    meta = document.meta
    assert re.search(r"[A-Za-z]", meta.title)
    assert re.search(r"[\u4e00-\u9fff]", meta.title_zh)
    assert meta.source.title
    assert meta.tags
    assert meta.targets


def test_it_is_found_by_words_of_both_languages_and_by_log_lines(document):
    symptoms = document.meta.symptoms
    assert symptoms.strong
    assert any(re.search(r"[\u4e00-\u9fff]", word) for word in symptoms.words)
    assert any(re.fullmatch(r"[ -~]+", word) for word in symptoms.words)
    for pattern in (*symptoms.strong, *symptoms.weak):
        assert re.compile(pattern)
        assert not regex.search(pattern, "a quiet line of a healthy service")


def test_it_has_a_step_that_confirms_and_conclusions_that_name_it(document):
    confirming = {check.id for check in document.steps if check.confirms}
    assert confirming
    assert confirming & {
        part.operand.partition(".")[0] for one in document.meta.conclusions for part in comparisons(one.condition)
    }


def test_each_check_stands_beside_prose(document):
    beside = [part.check_id for part in document.parts if part.check_id]
    assert beside == [check.id for check in document.steps]


def test_nothing_concludes_from_nothing(document):
    answer = conclude(document, {}, {})
    assert isinstance(answer, Open)
    assert answer.open == answer.deciding
    unknown = conclude(document, {check.id: Verdict.UNKNOWN for check in document.steps}, {})
    assert isinstance(unknown, Open)


def test_every_conclusion_can_be_reached(document):
    """Facts and verdicts that make a conclusion's own condition true never leave the page without an answer."""
    for wanted in document.meta.conclusions:
        verdicts, facts = {}, {}
        for part in comparisons(wanted.condition):
            step, dot, fact = part.operand.partition(".")
            if dot:
                facts.setdefault(step, {})[fact] = _satisfying(part)
                verdicts.setdefault(step, "crit")
            else:
                verdicts[step] = part.literal[0] if isinstance(part.literal, list) else part.literal
        answer = conclude(document, verdicts, facts)
        assert isinstance(answer, Conclusion), wanted.say


def _satisfying(part):
    if part.op in ("==", ">=", "<="):
        return part.literal
    if part.op == "in":
        return part.literal[0]
    if part.op == "!=":
        return "something else"
    step = 1 if part.op == ">" else -1
    return [part.literal[0] + step] if isinstance(part.literal, list) else part.literal + step


def test_remedies_stand_in_the_last_chapter(document):
    start = next(part.line for part in document.parts if part.heading == "Mitigation")
    assert all(remedy.line > start for remedy in document.remedies)


def test_the_worked_example_corrects_the_writeup():
    document = read(LIBRARY / "cgroup" / "kubelet-cadvisor-memcg-latency.md")
    text = document.text
    assert "5.8" in " ".join(document.meta.source.errata)
    assert "dd8657b6c1cb" in text
    assert any("drop_caches" in remedy.text for remedy in document.remedies)
    assert len(document.steps) >= 11


KYLIN = {"memcg_total": 13482, "memcg_dying": 12900, "kernel": [4, 19, 90]}
FEW = {"memcg_total": 80, "memcg_dying": 12, "kernel": [4, 19]}


@pytest.mark.parametrize(
    ("verdicts", "facts", "says"),
    [
        ({"dying": "crit"}, {"memcg_total": 61000, "memcg_dying": 60000, "kernel": [6, 1]}, "ids are nearly used up"),
        (
            {"dying": "crit", "retrans": "warn"},
            KYLIN,
            "is the incident",
        ),
        (
            {"dying": "warn", "retrans": "warn"},
            KYLIN,
            "is the incident",
        ),
        (
            {"dying": "warn", "retrans": "ok", "reading": "warn"},
            KYLIN,
            "nothing waits for them right now",
        ),
        (
            {"dying": "warn", "retrans": "warn"},
            FEW | {"memcg_dying": 1500},
            "do not explain it",
        ),
        (
            {"dying": "ok", "retrans": "ok", "kubelet_cpu": "ok", "softnet": "ok"},
            FEW,
            "does not show the pattern",
        ),
        (
            {"dying": "ok", "retrans": "ok", "kubelet_cpu": "crit"},
            FEW,
            "throttled by a CPU quota",
        ),
    ],
)
def test_the_worked_example_answers(verdicts, facts, says):
    document = read(LIBRARY / "cgroup" / "kubelet-cadvisor-memcg-latency.md")
    answer = conclude(document, verdicts, {"dying": facts})
    assert isinstance(answer, Conclusion)
    assert says in answer.say
    assert "not known" not in answer.say


@pytest.mark.parametrize(
    ("prefix", "fault"), [("0.0.0.0/0", True), ("172.19.1.0/26", True), ("172.19.1.10/32", False), ("fd00::1/128", False)]
)
def test_a_pod_needs_a_route_of_its_own(prefix, fault):
    step = read(LIBRARY / "network" / "calico-proxy-arp.md").step("pod_route")
    assert evaluate(step.expect[0].condition, {"prefix": prefix}) is fault
