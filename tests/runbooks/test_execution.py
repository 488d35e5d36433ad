"""A step's way from its claim to its one result."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from checks.errors import HostKeyChangedError, TransportError
from checks.results import ProbeResult, Reason, Verdict
from runbooks.choices import HostKeyState, RunState, StepState
from runbooks.clock import db_now
from runbooks.dispatch import cancel
from runbooks.execution import execute
from runbooks.execution.claim import claim, give_back, renew
from runbooks.execution.close import Outcome, close
from runbooks.execution.held import hold
from runbooks.execution.record import record
from runbooks.execution.store import read_output
from runbooks.models import Attempt, Host, Output, Result, ResultSection, Run, Step
from runbooks.presenters.run import present_run

CHAIN = """---
title: Chain
kind: incident
---

```check
id: first
probe: toy.number
```

```check
id: second
probe: toy.number
when: "first.value >= 5"
with: {say: "{first.value}"}
confirms: true
```

```check
id: third
probe: toy.number
when: "first == crit"
```
"""

TOY = """---
title: Toy
kind: incident
params:
  word: {type: text, default: hello}
---

```check
id: first
probe: toy.number
```

```check
id: second
probe: toy.number
with: {say: "{word}"}
```
"""

PORT = """---
title: Port
kind: incident
---

```check
id: first
probe: toy.number
```

```check
id: second
probe: toy.number
with: {port: "{first.value}"}
```
"""

OPTIONAL = """---
title: Optional
kind: incident
params:
  bound: {type: int}
---

```check
id: first
probe: toy.number
with: {bound: "{bound}"}
```
"""


def run_all(run: Run) -> Run:
    execute(run.pk, list(run.hosts.values_list("pk", flat=True)))
    run.refresh_from_db()
    return run


def take(run: Run, worker: str = "worker@test:1") -> list[Any]:
    with hold(run.pk) as held:
        assert held
        return claim(held, list(run.hosts.values_list("pk", flat=True)), worker)


def said(step_id: int, fence: int, verdict: Verdict = Verdict.OK) -> Outcome:
    return Outcome(step_id, fence, StepState.DONE, ProbeResult("toy.number", 1, verdict, None, f"it is {verdict}"))


def results(run: Run) -> dict[str, Result]:
    return {result.step.check_id: result for result in Result.objects.filter(step__run=run).select_related("step")}


def test_it_brings_every_step_to_a_result(start: Callable[..., Run]) -> None:
    run = run_all(start())
    assert (run.state, run.verdict) == (RunState.FINISHED, "ok")
    assert {step.state for step in run.steps.all()} == {StepState.DONE}
    result = results(run)["first"]
    assert (result.verdict, result.facts["value"], result.finding) == ("ok", 5, "the number is 5")
    assert result.fact_lines["value"]["line"] == 1
    assert result.findings[0]["evidence"][0]["text"] == "5"


def test_it_keeps_the_raw_output_once(start: Callable[..., Run]) -> None:
    run = run_all(start())
    sections = ResultSection.objects.filter(result__step__run=run)
    assert sections.count() == 2
    assert {read_output(section.stdout) for section in sections} == {b"5\n"}
    assert Output.objects.count() == 1


def test_it_asks_a_host_once_for_equal_commands(start: Callable[..., Run], script: Any) -> None:
    run_all(start(TOY.replace('with: {say: "{word}"}', "")))
    assert len(script.asked) == 1
    run_all(start(TOY))
    assert len(script.asked) == 1 + 2  # another word is another command


def test_it_waits_for_what_a_condition_reads(start: Callable[..., Run]) -> None:
    run = run_all(start(CHAIN))
    assert [step.wave for step in run.steps.order_by("position")] == [0, 1, 1]
    found = results(run)
    assert found["second"].facts["said"] == "5"
    assert (found["third"].verdict, found["third"].reason) == ("skipped", Reason.CONDITION_FALSE)
    assert run.steps.get(check_id="third").state == StepState.SKIPPED
    assert (run.state, run.verdict) == (RunState.FINISHED, "ok")


def test_it_lets_one_host_answer_for_all(start: Callable[..., Run], script: Any, toy_host: Any) -> None:
    first, *others = [toy_host() for _ in range(3)]
    script.answers[first.name] = b"42\n"

    async def slow() -> None:
        await asyncio.sleep(0.3)

    script.wait[first.name] = slow
    text = CHAIN.replace("probe: toy.number\n", "probe: toy.number\nfan_out: false\n", 1)
    run = run_all(start(text, hosts=[first, *others]))
    said = Result.objects.filter(step__run=run, step__check_id="second").values_list("facts", flat=True)
    assert [facts["said"] for facts in said] == ["42", "42", "42"]
    assert run.steps.filter(check_id="first").count() == 1


def test_it_does_not_guess_when_a_fact_is_missing(start: Callable[..., Run], script: Any, toy_host: Any) -> None:
    host = toy_host()
    script.answers[host.name] = b"not a number\n"
    run = run_all(start(CHAIN, hosts=[host]))
    found = results(run)
    assert (found["second"].verdict, found["second"].reason) == ("unknown", Reason.MISSING)
    assert "first.value >= 5" in found["second"].finding
    assert run.verdict == "unknown"


def test_it_validates_a_fact_again_before_it_becomes_a_parameter(start: Callable[..., Run], script: Any, toy_host: Any) -> None:
    host = toy_host()
    script.answers[host.name] = b"99999\n"
    run = run_all(start(PORT, hosts=[host]))
    step = run.steps.get(check_id="second")
    assert (step.state, step.result.reason) == (StepState.REFUSED, Reason.PARAM_INVALID)
    assert "port number from 1 to 65535" in step.result.finding


def test_it_leaves_the_default_of_the_probe_to_a_parameter_that_nobody_set(start: Callable[..., Run]) -> None:
    assert results(run_all(start(OPTIONAL)))["first"].facts["bound"] == 7
    assert results(run_all(start(OPTIONAL, params={"bound": "9"})))["first"].facts["bound"] == 9


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        (Reason.CONN_LOST, StepState.ERROR),
        (Reason.CONNECT_TIMEOUT, StepState.ERROR),
        (Reason.AUTH_FAILED, StepState.ERROR),
        (Reason.HOSTKEY_UNKNOWN, StepState.REFUSED),
    ],
)
def test_it_reports_a_host_that_cannot_be_reached(
    start: Callable[..., Run], script: Any, toy_host: Any, reason: Reason, state: StepState
) -> None:
    good, bad = toy_host(), toy_host()
    script.fail[bad.name] = TransportError("nobody answered", reason)
    run = run_all(start(hosts=[good, bad]))
    assert {step.state for step in run.steps.filter(host=bad)} == {state}
    assert {step.state for step in run.steps.filter(host=good)} == {StepState.DONE}
    result = Result.objects.filter(step__run=run, step__host=bad).first()
    assert result is not None
    assert (result.verdict, result.reason, result.finding) == ("unknown", reason, "nobody answered")
    assert (run.state, run.verdict) == (RunState.FINISHED, "unknown")


def test_it_blocks_a_host_whose_key_changed(start: Callable[..., Run], script: Any, toy_host: Any) -> None:
    host = toy_host(host_key="ssh-ed25519 AAAA old", host_key_state=HostKeyState.PINNED)
    script.fail[host.name] = HostKeyChangedError("another key", "ssh-ed25519 BBBB new")
    run_all(start(hosts=[host]))
    host.refresh_from_db()
    assert (host.host_key_state, host.offered_key, host.host_key) == (
        HostKeyState.CHANGED,
        "ssh-ed25519 BBBB new",
        "ssh-ed25519 AAAA old",
    )


def test_it_does_not_touch_hosts_that_are_off_or_not_pinned(start: Callable[..., Run], script: Any, toy_host: Any) -> None:
    off = toy_host(enabled=False)
    pending = Host.objects.create(name="pending", transport="ssh", address="192.0.2.1", username="u")
    run = run_all(start(hosts=[off, pending]))
    reasons = {result.step.host_id: result.reason for result in Result.objects.filter(step__run=run).select_related("step")}
    assert reasons == {off.pk: Reason.REFUSED, pending.pk: Reason.HOSTKEY_UNKNOWN}
    assert {step.state for step in run.steps.all()} == {StepState.REFUSED}
    assert script.asked == []


def test_it_refuses_when_the_right_ended_while_the_run_waited(start: Callable[..., Run], script: Any, on_call: Any) -> None:
    run = start()
    on_call.user_permissions.clear()
    run = run_all(run)
    assert {step.state for step in run.steps.all()} == {StepState.REFUSED}
    assert f"{on_call.username} may no longer start runs" in results(run)["first"].finding
    assert script.asked == []


def test_it_refuses_when_the_account_is_gone(start: Callable[..., Run], script: Any, on_call: Any) -> None:
    run = start()
    on_call.delete()
    run = run_all(run)
    assert {step.state for step in run.steps.all()} == {StepState.REFUSED}
    assert script.asked == []


def test_it_claims_a_step_once(start: Callable[..., Run]) -> None:
    run = start()
    first, second = take(run), take(run)
    assert len(first) == 2
    assert second == []
    assert {(taken.fence, taken.attempt) for taken in first} == {(1, 1)}
    assert execute(run.pk, list(run.hosts.values_list("pk", flat=True))) == 0


def test_it_leaves_a_host_alone_that_two_other_runs_are_at(start: Callable[..., Run], toy_host: Any) -> None:
    crowded = [toy_host("crowded")]
    first, second, third = (start(hosts=crowded) for _ in range(3))
    mine = take(first)
    assert mine
    assert take(second)
    assert take(third) == []
    assert [notice.kind for notice in present_run(third.pk).notices] == ["no_slot"]
    assert [notice.kind for notice in present_run(second.pk).notices] == []
    free = start(hosts=[toy_host("elsewhere")])
    assert take(free)
    record(first.pk, [said(taken.step_id, taken.fence) for taken in mine])
    assert len(take(third)) == 2


def test_it_claims_no_step_whose_earlier_wave_is_open(start: Callable[..., Run]) -> None:
    run = start(CHAIN)
    (first,) = take(run)
    assert first.check_id == "first"
    assert take(run) == []
    record(run.pk, [said(first.step_id, first.fence)])
    assert {taken.check_id for taken in take(run)} == {"second", "third"}


def test_it_refuses_a_result_of_a_worker_that_lost_its_fence(start: Callable[..., Run]) -> None:
    run = start()
    old = take(run)
    with hold(run.pk) as held:
        assert held
        give_back(held, list(run.steps.all()))
    new = take(run)
    assert {taken.fence for taken in new} == {2}
    assert record(run.pk, [said(taken.step_id, taken.fence) for taken in new]) == {taken.step_id for taken in new}
    assert record(run.pk, [said(taken.step_id, taken.fence, Verdict.CRIT) for taken in old]) == set()
    run.refresh_from_db()
    assert run.verdict == "ok"
    late = Attempt.objects.get(step=old[0].step_id, fence=1)
    assert late.late is not None
    assert (late.outcome, late.late["verdict"], late.late["finding"]) == ("lease lost", "crit", "it is crit")
    assert [attempt.fence for attempt in Attempt.objects.filter(step=old[0].step_id)] == [1]  # the second is the step itself
    assert Step.objects.get(pk=old[0].step_id).fence == 2


def test_it_accepts_the_same_result_once(start: Callable[..., Run]) -> None:
    run = start()
    taken = take(run)
    outcomes = [said(each.step_id, each.fence) for each in taken]
    assert len(record(run.pk, outcomes)) == 2
    assert record(run.pk, outcomes) == set()  # as after a commit whose answer got lost
    assert Result.objects.filter(step__run=run).count() == 2
    assert not Attempt.objects.filter(late__isnull=False).exists()


def test_it_renews_only_what_is_still_its_own(start: Callable[..., Run]) -> None:
    run = start()
    mine = take(run)
    Step.objects.filter(pk=mine[0].step_id).update(fence=7)
    with hold(run.pk) as held:
        assert held
        assert renew(held, mine) == {mine[1].step_id}


def test_it_gives_a_lease_of_the_databases_time(start: Callable[..., Run], settings: Any) -> None:
    settings.LEASE_S = 40
    run = start()
    take(run)
    lease = Step.objects.filter(run=run).values_list("lease_until", flat=True)[0]
    assert lease is not None
    assert timedelta(seconds=30) < lease - db_now() <= timedelta(seconds=40)


def test_it_takes_the_worst_over_confirming_checks(start: Callable[..., Run]) -> None:
    run = start()
    by_check = {taken.check_id: taken for taken in take(run)}
    record(run.pk, [said(by_check["second"].step_id, 1, Verdict.CRIT)])
    run.refresh_from_db()
    assert (run.state, run.verdict) == (RunState.RUNNING, "")
    record(run.pk, [said(by_check["first"].step_id, 1, Verdict.WARN)])
    run.refresh_from_db()
    assert (run.state, run.verdict) == (RunState.FINISHED, "warn")


def test_it_lets_nobody_change_what_has_ended(start: Callable[..., Run]) -> None:
    run = run_all(start())
    with pytest.raises(IntegrityError, match="a step that has ended never changes"), transaction.atomic():
        Step.objects.filter(run=run).update(state=StepState.QUEUED)
    with pytest.raises(IntegrityError, match="a run that has ended never changes"), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(verdict="crit")
    with pytest.raises(IntegrityError, match="a result never changes"), transaction.atomic():
        Result.objects.filter(step__run=run).update(verdict="crit")


def test_it_stores_what_a_database_would_refuse(start: Callable[..., Run]) -> None:
    run = start()
    taken = take(run)
    strange = {"nul": "a\x00b", "surrogate": "\udc80", "nan": float("nan"), "deep": [{"x\x00": "\x00"}]}
    result = ProbeResult("toy.number", 1, Verdict.WARN, None, "nul \x00 here", facts=strange)
    with hold(run.pk) as held:
        assert held
        close(held, [Outcome(each.step_id, each.fence, StepState.DONE, result) for each in taken])
    kept = results(run)["first"]
    assert kept.finding == "nul \ufffd here"
    assert kept.facts == {"nul": "a\ufffdb", "surrogate": "?", "nan": "nan", "deep": [{"x\ufffd": "\ufffd"}]}


def test_it_does_not_let_one_result_take_the_others_with_it(start: Callable[..., Run]) -> None:
    run = start()
    good, bad = take(run)
    poison = ProbeResult("toy.number", 1, Verdict.OK, None, "fine")
    object.__setattr__(poison, "version", None)  # a NULL where the table takes none
    outcomes = [said(good.step_id, good.fence), Outcome(bad.step_id, bad.fence, StepState.DONE, poison)]
    assert record(run.pk, outcomes) == {good.step_id, bad.step_id}
    step = Step.objects.get(pk=bad.step_id)
    assert (step.state, step.result.verdict, step.result.reason) == (StepState.ERROR, "unknown", Reason.FAILED)
    assert Step.objects.get(pk=good.step_id).result.verdict == "ok"


async def for_ever() -> None:
    await asyncio.sleep(600)


def test_it_ends_running_steps_when_the_run_is_stopped(
    start: Callable[..., Run], script: Any, toy_host: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LEASE_RENEW_S = 0.2
    slow, quick = toy_host(), toy_host()
    script.wait[slow.name] = for_ever
    run = start(hosts=[slow, quick])
    monkeypatch.setattr("runbooks.execution.shard.show_life", lambda worker: cancel(run, None))
    run = run_all(run)
    assert run.state == RunState.CANCELLED
    assert {step.state for step in run.steps.filter(host=quick)} == {StepState.DONE}
    assert {step.state for step in run.steps.filter(host=slow)} == {StepState.CANCELLED}
    assert set(Result.objects.filter(step__host=slow).values_list("reason", flat=True)) == {Reason.CANCELLED}


def test_it_stops_when_the_right_ends_while_it_runs(
    start: Callable[..., Run], script: Any, toy_host: Any, settings: Any, on_call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LEASE_RENEW_S = 0.05
    slow = toy_host()
    script.wait[slow.name] = for_ever
    run = start(hosts=[slow])
    monkeypatch.setattr("runbooks.execution.shard.show_life", lambda worker: on_call.user_permissions.clear())
    run = run_all(run)
    assert {step.state for step in run.steps.all()} == {StepState.CANCELLED}
    assert "may no longer start runs" in results(run)["first"].finding


def test_it_ends_with_the_runs_time(start: Callable[..., Run], script: Any, toy_host: Any, settings: Any) -> None:
    settings.RUN_DEADLINE_S = 1
    slow = toy_host()
    script.wait[slow.name] = for_ever
    run = run_all(start(hosts=[slow]))
    assert (run.state, run.verdict) == (RunState.EXPIRED, "unknown")
    assert {step.state for step in run.steps.all()} == {StepState.TIMEOUT}
    assert results(run)["first"].reason == Reason.EXPIRED


def test_it_lets_go_of_steps_that_another_owner_took(
    start: Callable[..., Run], script: Any, toy_host: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LEASE_RENEW_S = 0.05
    slow = toy_host()
    script.wait[slow.name] = for_ever
    run = start(hosts=[slow])
    monkeypatch.setattr("runbooks.execution.shard.show_life", lambda worker: run.steps.update(fence=9))
    run = run_all(run)
    assert {(step.state, step.fence) for step in run.steps.all()} == {(StepState.RUNNING, 9)}
    assert not Result.objects.filter(step__run=run).exists()


def test_it_survives_a_transport_that_breaks(start: Callable[..., Run], script: Any, toy_host: Any) -> None:
    broken = toy_host()

    async def burst() -> None:
        raise RuntimeError("a defect")

    script.wait[broken.name] = burst
    run = run_all(start(hosts=[broken]))
    assert {step.state for step in run.steps.all()} == {StepState.ERROR}
    assert "RuntimeError" in results(run)["first"].finding


def test_it_has_nothing_to_do_for_a_run_that_is_gone(db: None) -> None:
    assert execute(uuid.uuid4(), [1]) == 0
