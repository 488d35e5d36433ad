"""What is shown, as plain data: hosts' text made visible, verdicts over hosts, facts with thresholds, lines in their places."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks.results import Reason
from runbooks.choices import UNREACHED, StepState
from runbooks.dispatch import rerun_step
from runbooks.models import Host, ProcessTick, Run
from runbooks.presenters import hints, words
from runbooks.presenters import notices as presented_notices
from runbooks.presenters.database import Cell, Detail
from runbooks.presenters.evidence import deciding_lines, marked, whole
from runbooks.presenters.facts import fact_table, threshold_note
from runbooks.presenters.over_hosts import Choice
from runbooks.presenters.overview import advice
from runbooks.presenters.run import present_card, present_run
from runbooks.presenters.shown import Shown, shown, worst_seen
from runbooks.presenters.spread import spread
from runbooks.room import StoreFullError

STEERING = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]52;c;Y29weQ==\x07",
    "\x1b]8;;http://evil\x1b\\link",
    "\x9b31m",
    "\x90q\x9c",
    "\x1bc",
    "a\rb",
    "a\x08b",
    "a\x00b",
    "a\x0bb\x0c",
    "\x7f",
    "a\u202eb",
    "a\u2066b\u2069",
    "a\u200bb",
    "a\u200db",
    "a\u2028b",
    "a\u00adb",
    "\ufeffa",
    "a\U000e0041b",
    "\ufff9a",
    "a\u061cb",
]


@pytest.mark.parametrize("text", STEERING, ids=ascii)
def test_it_shows_what_steers_a_terminal_or_reorders_a_line(text: str) -> None:
    shown_text = words.visible(text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in shown_text)
    assert not any(c in shown_text for c in "\u202e\u2066\u200b\u200d\u2028\u00ad\ufeff\U000e0041\ufff9\u061c")
    assert shown_text != text


def test_it_leaves_tabs_and_other_languages_alone() -> None:
    assert words.visible("a\tb 路由 é العربية") == "a\tb 路由 é العربية"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (13482, "", "13,482"),
        (1391.2, "ms", "1,391.2 ms"),
        (1536, "bytes", "1.5 KiB"),
        (0.0125, "of packets", "1.25 % of packets"),
        (True, "", "yes"),
        (None, "", "not known"),
        ([], "", "none"),
        (["a", "b"], "", "a, b"),
        ({"a": 1}, "", "1 entry"),
        ("x\x1b", "", "x␛"),
        (float("inf"), "", "inf"),
    ],
)
def test_it_writes_values_with_their_units(value: Any, unit: str, text: str) -> None:
    assert words.quantity(value, unit) == text


def test_it_says_how_long_ago() -> None:
    now = timezone.now()
    spans = {5: "now", 40: "40 s ago", 120: "2 min ago", 7300: "2 h ago", 90000: "1 day ago"}
    for seconds, text in spans.items():
        assert words.ago(now - timedelta(seconds=seconds), now) == text
    assert words.ago(None) == "never"


@pytest.mark.parametrize("reason", sorted(UNREACHED))
def test_it_never_shows_an_unreached_host_as_judged(reason: Reason) -> None:
    assert shown(StepState.ERROR, "unknown", reason) is Shown.UNREACHABLE


@pytest.mark.parametrize("reason", sorted(set(Reason) - UNREACHED))
def test_it_never_shows_missing_evidence_as_ok(reason: Reason) -> None:
    for state in (StepState.DONE, StepState.ERROR, StepState.TIMEOUT, StepState.LOST, StepState.REFUSED, StepState.CANCELLED):
        assert shown(state, "unknown", reason) is Shown.UNKNOWN


def test_it_shows_a_verdict_that_it_does_not_know_as_unknown() -> None:
    assert shown(StepState.DONE, "splendid") is Shown.UNKNOWN
    assert shown(StepState.DONE, "") is Shown.UNKNOWN


def test_it_takes_the_worst_that_was_seen() -> None:
    assert worst_seen([Shown.OK, Shown.UNREACHABLE, Shown.WARN]) is Shown.WARN
    assert worst_seen([Shown.OK, Shown.UNKNOWN]) is Shown.UNKNOWN
    assert worst_seen([Shown.UNREACHABLE, Shown.NA]) is Shown.UNREACHABLE
    assert worst_seen([]) is None


def finding(**fields: Any) -> dict[str, Any]:
    return {"rule": "r", "verdict": "crit", "say": "s", "value": 12, "threshold": 10, "unit": "", "evidence": []} | fields


def test_it_names_the_threshold_and_its_direction() -> None:
    assert threshold_note(finding()) == "critical from 10"
    assert threshold_note(finding(value=2)) == "critical below 10"
    assert threshold_note(finding(verdict="warn", unit="ms"), "ms") == "warning from 10 ms"
    assert threshold_note(finding(verdict="ok", value=5)) == "warning from 10"
    assert threshold_note(finding(verdict="ok", value=50)) == "warning below 10"
    assert threshold_note(finding(threshold=None)) == ""


def test_it_puts_judged_facts_first_with_their_threshold() -> None:
    line = {"section": "a", "line": 3, "text": "x", "mark": ""}
    detail = Detail(
        facts={"plain": 1, "empty": "", "twin": 12, "dying_total": 12, "many": list(range(9))},
        fact_lines={"dying_total": line},
        findings=(finding(evidence=[line]),),
    )
    table = fact_table(None, detail)
    assert [row.name for row in table.first] == ["dying_total", "plain", "twin"]
    assert (table.first[0].label, table.first[0].value, table.first[0].note) == ("dying total", "12", "critical from 10")
    assert [row.name for row in table.others] == ["many"]


def test_it_names_no_fact_for_a_value_that_equals_it_by_chance() -> None:
    share = finding(value=1.0, threshold=None, unit="", evidence=[{"section": "rules", "line": 9, "text": "x", "mark": ""}])
    table = fact_table(None, Detail(facts={"sum_probability": 1.0}, findings=(share,)))
    assert [(row.name, row.shown) for row in table.first] == [("sum_probability", None)]


def test_it_marks_the_token_that_decided_and_makes_every_piece_visible() -> None:
    assert marked("a\x1b 12 b", {"12"}) == (("a␛ ", False), ("12", True), (" b", False))
    assert marked("no token", {"12"}) == (("no token", False),)


def test_it_folds_what_did_not_decide() -> None:
    text = "\n".join(f"line {n}" for n in range(1, 101))
    deciding = deciding_lines([finding(evidence=[{"section": "s", "line": 50, "text": "line 50", "mark": "50"}])])["s"]
    pieces, total = whole(text + "\n", deciding)
    assert total == 100
    assert [(piece.folded, piece.count) for piece in pieces] == [(True, 47), (False, 5), (True, 48)]
    assert pieces[1].lines[2].number == 50
    assert pieces[1].lines[2].parts == (("line ", False), ("50", True))


def test_it_keeps_long_folds_off_the_page() -> None:
    pieces, total = whole("x\n" * 5000, {})
    assert total == 5000
    assert [(piece.folded, len(piece.lines)) for piece in pieces] == [(False, 8), (True, 0)]


def test_it_takes_the_command_at_the_end_of_an_advice_apart() -> None:
    said = advice("Free them with: `sync; echo 3 > /x`.")
    assert said is not None
    assert (said.say, said.commands) == ("Free them with", ("sync; echo 3 > /x",))
    plain = advice("Use `ip route` to look")
    assert plain is not None
    assert plain.commands == ()


def test_it_takes_a_check_that_was_not_asked_for_no_answer(made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(hosts=2, checks=2)
    answer(run, "c1", "ok", hosts=["host-1"])
    answer(run, "c1", result("unknown", "host-2 is away", reason="connect_timeout"), hosts=["host-2"], state="error")
    answer(run, "c2", result("unknown", "not asked", reason="missing"), hosts=["host-2"], state="skipped")
    view = present_run(run.pk, Choice(run.hosts.get(name="host-2").pk))
    assert (view.status.hosts_answered, view.status.hosts) == (1, 2)
    assert view.grid is not None
    assert [row.cells[1].shown for row in view.grid.rows] == [Shown.UNREACHABLE, Shown.UNREACHABLE]
    first = next(part.card for part in view.parts if part.check == "c1")
    assert first is not None
    assert first.finding == "is away"


def test_it_counts_hosts_that_answered(made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(hosts=3, checks=1)
    answer(run, "c1", result("crit", value=120), hosts=["host-1"])
    answer(run, "c1", result("unknown", "no answer", reason="connect_timeout"), hosts=["host-2"], state="error")
    view = present_run(run.pk)
    assert (view.status.shown, view.status.hosts_answered, view.status.hosts) == (Shown.CRIT, 1, 3)
    card = view.parts[-1].card
    assert card is not None
    assert (card.shown, card.meta) == (Shown.RUNNING, "1 of 3 hosts answered")
    assert card.finding == "the value is 120"
    answer(run, "c1", "ok", hosts=["host-3"])
    card = present_card(run.pk, "c1", Choice())
    assert card is not None
    assert (card.shown, card.meta) == (Shown.CRIT, "1 of 2 hosts")


def test_it_says_unknown_when_a_host_was_not_seen_and_nothing_is_bad(made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(hosts=2, checks=1)
    answer(run, "c1", "ok", hosts=["host-1"])
    answer(run, "c1", result("unknown", "gone", reason="conn_lost"), hosts=["host-2"], state="error")
    view = present_run(run.pk)
    assert view.finished
    assert (view.status.shown, view.status.collected, view.status.collectable) == (Shown.UNKNOWN, 1, 2)
    assert view.overview.title == "Not enough was seen to tell"
    assert [host.name for host in view.overview.unseen] == ["host-2"]


def test_it_shows_the_host_that_was_chosen(made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(hosts=12, checks=1)
    answer(run, "c1", result("crit", value=120), hosts=["host-1"])
    answer(run, "c1", result("ok", value=7), hosts=[f"host-{n}" for n in range(2, 13)])
    chosen = Host.objects.get(name="host-2")
    card = present_card(run.pk, "c1", Choice(chosen.pk))
    assert card is not None
    assert (card.finding, card.shown) == ("the value is 7", Shown.CRIT)
    assert [(pick.text, pick.value, pick.current) for pick in card.picks] == [
        ("host-1", "120 things", False),
        ("host-2", "7 things", True),
        ("10 more: OK", "", False),
    ]


CONCLUSION = """conclusions:
  - {if: "c2 == crit", say: "the second is bad: {c2.value}", do: "look: `uptime`"}
  - {if: "c1 == crit", say: "the first is bad"}
"""


def test_it_heads_the_run_with_the_conclusion_that_holds_on_a_host(made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(hosts=3, checks=2, front=CONCLUSION)
    answer(run, "c1", result("crit", value=120), hosts=["host-1", "host-2"])
    overview = present_run(run.pk).overview
    assert (overview.title, overview.settled) == ("the first is bad", False)
    assert [link.check for link in overview.open_checks] == ["c2"]
    answer(run, "c2", result("crit", value=300), hosts=["host-2"])
    overview = present_run(run.pk).overview
    assert overview.title == "the second is bad: 300"
    assert overview.lead == "It holds on 1 of 3 hosts: host-2."
    assert overview.do is not None
    assert overview.do.commands == ("uptime",)


def test_it_names_the_checks_that_decide_while_nothing_holds(made_run: Any, answer: Any) -> None:
    run = made_run(checks=2, front=CONCLUSION)
    answer(run, "c1", "ok")
    overview = present_run(run.pk).overview
    assert [link.check for link in overview.deciding] == ["c2", "c1"]
    assert [link.check for link in overview.open_checks] == ["c2"]


def test_it_says_since_when_no_worker_has_shown_itself(made_run: Any) -> None:
    run = made_run()
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(minutes=2))
    assert [one.kind for one in present_run(run.pk).notices] == ["no_worker"]
    ProcessTick.objects.create(name="w1", kind="worker", at=timezone.now() - timedelta(seconds=90))
    (notice,) = present_run(run.pk).notices
    assert "No worker since" in notice.say
    assert "1 min ago" in notice.say
    ProcessTick.objects.create(name="d1", kind="drain", at=timezone.now())
    assert "The stand-in takes each one a little later." in present_run(run.pk).notices[0].say
    ProcessTick.objects.filter(name="w1").update(at=timezone.now())
    assert present_run(run.pk).notices == ()
    assert [one.kind for one in present_run(run.pk, broker_down=True).notices] == ["broker_down"]
    ProcessTick.objects.create(name="n1", kind="no-broker", at=timezone.now() - timedelta(seconds=20))
    assert present_run(run.pk).notices == ()
    ProcessTick.objects.filter(name="n1").update(at=timezone.now())
    assert [one.kind for one in present_run(run.pk).notices] == ["broker_down"]


def test_it_says_that_a_worker_went_away_and_what_has_to_begin_again(made_run: Any, settings: Any) -> None:
    run = made_run(checks=3)
    now = timezone.now()
    ProcessTick.objects.create(name="w", kind="worker", at=now)
    steps = run.steps.all()
    steps.update(state=StepState.RUNNING, attempt=1, lease_until=now + timedelta(seconds=settings.LEASE_S))
    assert present_run(run.pk).notices == ()
    steps.update(lease_until=now + timedelta(seconds=3))
    (notice,) = present_run(run.pk).notices
    assert (notice.kind, "silent about 3 checks" in notice.say) == ("worker_lost", True)
    steps.update(state=StepState.QUEUED, lease_until=None)
    assert "3 checks had to begin again" in present_run(run.pk).notices[0].say
    steps.update(state=StepState.RUNNING, attempt=2, lease_until=now + timedelta(seconds=settings.LEASE_S))
    assert "3 checks had to begin again" in present_run(run.pk).notices[0].say
    steps.update(state=StepState.QUEUED, attempt=0, lease_until=None)
    assert present_run(run.pk).notices == ()


def test_it_says_on_an_open_run_that_the_disk_is_full(made_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise StoreFullError("no room")

    run = made_run()
    monkeypatch.setattr(presented_notices, "need_room", full)
    assert [one.kind for one in present_run(run.pk).notices] == ["disk_full"]


def test_it_says_of_a_run_that_saw_nothing_no_more_than_that(made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(hosts=2, checks=1)
    answer(run, "c1", result("unknown", "host-1 (toy@10.0.0.1:22) refuses connections", reason="connect_refused"))
    view = present_run(run.pk)
    assert view.overview.title == "Nothing was seen"
    assert "No host answered" in view.overview.lead
    card = view.parts[-1].card
    assert card is not None
    assert card.finding == "refuses connections"


def test_it_heads_a_repeated_part_by_what_it_says(made_run: Any, answer: Any, result: Any) -> None:
    first = made_run(checks=3, front=CONCLUSION)
    part = rerun_step(first.steps.get(check_id="c2"), None)
    answer(part, "c2", result("ok", "all is well"))
    view = present_run(part.pk)
    assert view.overview.title == "all is well"
    assert view.overview.lead == "1 of 3 check was asked again."
    assert view.repeats == first.pk


def test_it_tells_a_check_that_waits_from_one_that_was_not_collected() -> None:
    waits, lost = hints.settle(Reason.MISSING, asked=False), hints.settle(Reason.MISSING)
    assert waits is not None
    assert lost is not None
    assert "earlier one" in waits.say
    assert "not collected" in lost.say


def test_it_says_that_the_reaper_is_missing(made_run: Any) -> None:
    run = made_run()
    ProcessTick.objects.create(name="r", kind="reaper", at=timezone.now() - timedelta(seconds=40))
    assert [one.kind for one in present_run(run.pk).notices] == ["no_reaper"]


def test_it_lays_no_grid_for_one_host_and_groups_many(made_run: Any, answer: Any, result: Any) -> None:
    assert present_run(made_run(hosts=1).pk).grid is None
    few = present_run(made_run(hosts=3).pk).grid
    assert few is not None
    assert (few.few, few.by_group, len(few.columns)) == (True, False, 3)
    run = made_run(hosts=61, checks=1, group="racks")
    answer(run, "c1", "ok", hosts=[f"host-{n}" for n in range(2, 62)])
    answer(run, "c1", result("crit", value=120), hosts=["host-1"])
    many = present_run(run.pk).grid
    assert many is not None
    assert many.by_group
    assert [(cell.shown, cell.share) for cell in many.rows[0].cells] == [(Shown.CRIT, "1/61")]


def cells_with(values: dict[int, tuple[Any, str]]) -> tuple[list[Cell], dict[int, Detail]]:
    """A cell and a detail per host: value and verdict of one rule."""
    cells = [
        Cell(step, step, "c", "done", shown("done", verdict), verdict, "", "s", "p", 1, None, None, 1)
        for step, (_value, verdict) in values.items()
    ]
    details = {
        step: Detail(findings=(finding(value=value, verdict=verdict, threshold=1000 if verdict == "crit" else 100, unit="ms"),))
        for step, (value, verdict) in values.items()
    }
    return cells, details


def test_it_spreads_far_values_over_a_logarithmic_axis_with_zones() -> None:
    found = spread(*cells_with({1: (2, "ok"), 2: (4, "ok"), 3: (290, "warn"), 4: (1412, "crit")}), "r")
    assert found is not None
    assert [dot.shown for dot in found.dots] == [Shown.OK, Shown.OK, Shown.WARN, Shown.CRIT]
    assert [dot.x for dot in found.dots] == sorted(dot.x for dot in found.dots)
    assert (found.dots[0].x, found.dots[-1].x) == (2.0, 97.0)
    assert [(zone.shown, zone.x < 97) for zone in found.zones] == [(Shown.WARN, True), (Shown.CRIT, True)]
    assert found.zones[0].x + found.zones[0].width == pytest.approx(found.zones[1].x, abs=0.02)
    assert [text for _x, text in found.ticks] == ["10 ms", "100 ms", "1,000 ms"]
    assert found.say == "1 Critical: 1,412 ms; 1 Warning: 290 ms; 2 OK: 2 ms – 4 ms"


@pytest.mark.parametrize(
    "values",
    [
        {1: (1, "ok"), 2: (2, "ok"), 3: (3, "ok")},
        dict.fromkeys(range(9), (5, "ok")),
        {n: (f"v{n}", "ok") for n in range(9)},
        {n: (float("nan"), "ok") for n in range(9)},
    ],
    ids=["few", "alike", "text", "nan"],
)
def test_it_spreads_nothing_that_has_no_spread(values: dict[int, tuple[Any, str]]) -> None:
    assert spread(*cells_with(values), "r") is None


def test_it_spreads_near_values_and_zero_over_a_plain_axis() -> None:
    found = spread(*cells_with({1: (0, "ok"), 2: (50, "ok"), 3: (100, "warn"), 4: (200, "warn")}), "r")
    assert found is not None
    assert [dot.x for dot in found.dots] == [2.0, 25.75, 49.5, 97.0]
    assert [text for _x, text in found.ticks] == ["0 ms", "200 ms"]
