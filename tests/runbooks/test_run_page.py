"""The run's page as people get it: verdict first, cards, evidence, what was not seen, who may act."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from runbooks.choices import RunState
from runbooks.models import Host, Run

HOSTILE = "</script><img src=x onerror=alert(1)> {{ 7*7 }} \x1b[31mred \u202eevil"


@pytest.fixture
def viewer(client: Client, person: Any) -> Client:
    client.force_login(person("view_run", "view_runbook", "view_host"))
    return client


@pytest.fixture
def on_call_client(client: Client, person: Any) -> Client:
    client.force_login(person("view_run", "start_run", "view_runbook"))
    return client


def page_of(client: Client, run: Any, query: str = "") -> str:
    response = client.get(f"/runs/{run.pk}/{query}")
    assert response.status_code == 200
    return response.content.decode()


def test_it_sends_a_stranger_to_log_in(client: Client, made_run: Any) -> None:
    run = made_run()
    response = client.get(f"/runs/{run.pk}/")
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login/?next=/runs/")


def test_it_is_closed_to_people_without_the_right(client: Client, made_run: Any, person: Any) -> None:
    client.force_login(person("view_runbook"))
    response = client.get(f"/runs/{made_run().pk}/")
    assert response.status_code == 403
    assert b"may not do this" in response.content


def test_it_says_that_there_is_no_such_run(viewer: Client) -> None:
    assert viewer.get(f"/runs/{uuid.uuid4()}/").status_code == 404


def test_it_puts_the_verdict_in_the_title_and_in_the_header(viewer: Client, made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(checks=1)
    answer(run, "c1", result("crit", "far too many things", value=120, remedy="take some away"))
    html = page_of(viewer, run)
    assert "<title>Critical: Made up" in html
    assert '<span class="pill pill--solid" data-verdict="crit">' in html
    assert html.index("far too many things") < html.index('id="card-c1"'), "the answer comes before the checks"
    assert "critical from 100 things" in html
    assert "<strong>What to do:</strong>" in html
    assert "take some away" in html


def test_it_shows_the_deciding_line_with_its_number_and_token(viewer: Client, made_run: Any, answer: Any) -> None:
    run = made_run(checks=1)
    answer(run, "c1", "warn")
    html = page_of(viewer, run)
    assert '<li data-verdict="warn" data-n="2"><span>value <mark>5</mark> here</span></li>' in html
    assert "cat /numbers" in html


def test_it_shows_hosts_text_as_text(viewer: Client, made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(checks=1)
    answer(run, "c1", result("warn", HOSTILE, value=HOSTILE, text=f"a\n{HOSTILE}\n"))
    html = page_of(viewer, run)
    assert "<img src=x" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "␛[31mred ⟨U+202E⟩evil" in html
    assert "{{ 7*7 }}" in html


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING])
def test_it_offers_stop_and_rerun_only_to_those_who_may(client: Client, person: Any, made_run: Any, state: str) -> None:
    run = made_run()
    Run.objects.filter(pk=run.pk).update(state=state)
    client.force_login(person("view_run"))
    assert "formaction" not in page_of(client, run)
    client.force_login(person("view_run", "start_run"))
    html = page_of(client, run)
    assert f'formaction="/runs/{run.pk}/cancel"' in html
    assert f'formaction="/runs/{run.pk}/rerun"' in html


def test_it_does_not_offer_to_stop_what_has_ended(on_call_client: Client, made_run: Any, answer: Any) -> None:
    run = made_run(checks=1)
    answer(run, "c1", "ok")
    html = page_of(on_call_client, run)
    assert "/cancel" not in html
    assert "sse-connect" not in html


def test_it_listens_while_the_run_is_open(viewer: Client, made_run: Any) -> None:
    html = page_of(viewer, made_run())
    assert 'sse-connect="/events/' in html
    assert 'sse-close="done"' in html


def test_it_reads_without_a_script(viewer: Client, made_run: Any) -> None:
    html = page_of(viewer, made_run())
    assert "<noscript>" in html
    assert "Load again" in html


def test_it_names_unreached_hosts_and_offers_them_again(on_call_client: Client, made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(hosts=2, checks=1)
    answer(run, "c1", "ok", hosts=["host-1"])
    answer(run, "c1", result("unknown", "host-2 did not answer", reason="connect_timeout"), hosts=["host-2"], state="error")
    html = page_of(on_call_client, run)
    assert "1 of 2 hosts did not answer" in html
    assert f'formaction="/runs/{run.pk}/rerun-unreached"' in html
    lost = Host.objects.get(name="host-2")
    html = page_of(on_call_client, run, f"?host={lost.pk}")
    assert "does a firewall let this machine in?" in html
    assert "python -m checks script cgroup.mode" in html


def test_it_leads_to_the_keys_of_a_blocked_host(viewer: Client, made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(checks=1)
    answer(run, "c1", result("unknown", "another key", reason="hostkey_changed"), state="refused")
    html = page_of(viewer, run)
    assert f'href="/hosts/{Host.objects.get(name="host-1").pk}/"' in html
    assert 'data-verdict="unreachable"' in html


@pytest.mark.parametrize("reason", ["tool_missing", "need_privilege", "truncated", "probe_error", "worker_lost"])
def test_it_says_how_an_unknown_is_settled(viewer: Client, made_run: Any, answer: Any, result: Any, reason: str) -> None:
    run = made_run(checks=1)
    answer(run, "c1", result("unknown", "could not be told", reason=reason, text="x\n"))
    html = page_of(viewer, run)
    assert "<strong>Settle it:</strong>" in html


def test_it_says_that_no_worker_is_there(viewer: Client, made_run: Any) -> None:
    run = made_run()
    Run.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    html = page_of(viewer, run)
    assert 'data-kind="no_worker"' in html
    assert "2 checks wait." in html


def test_it_has_one_tab_stop_in_the_grid(viewer: Client, made_run: Any) -> None:
    html = page_of(viewer, made_run(hosts=3))
    assert html.count('class="cell"') == 6
    assert html.count('tabindex="-1"') >= 6
    assert 'role="status"' in html


def test_it_marks_chinese_text(viewer: Client, made_run: Any) -> None:
    body = "### 看一看\n\n控制组的挂载方式。\n\n```check\nid: c1\nprobe: cgroup.mode\n```\n"
    html = page_of(viewer, made_run(body=body))
    assert 'class="step__text" lang="zh"' in html


def test_it_speaks_of_a_run_that_was_stopped(viewer: Client, made_run: Any) -> None:
    from runbooks.dispatch import cancel

    run = made_run()
    cancel(run, None)
    html = page_of(viewer, run)
    assert "stopped before its end" in html
    assert ">Stopped</span>" in html


def test_it_stops_a_run(on_call_client: Client, made_run: Any) -> None:
    run = made_run()
    response = on_call_client.post(f"/runs/{run.pk}/cancel", follow=True)
    assert response.redirect_chain == [(f"/runs/{run.pk}/", 302)]
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


def test_it_repeats_a_run_a_step_and_the_unreached_hosts(on_call_client: Client, made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(hosts=2, checks=2)
    answer(run, "c1", "ok")
    answer(run, "c2", "ok", hosts=["host-1"])
    answer(run, "c2", result("unknown", "gone", reason="conn_lost"), hosts=["host-2"], state="error")
    step = run.steps.get(check_id="c1", host__name="host-1")
    for address, steps in (("rerun", 4), (f"steps/{step.pk}/rerun", 1), ("rerun-unreached", 2)):
        response = on_call_client.post(f"/runs/{run.pk}/{address}")
        again = Run.objects.exclude(pk=run.pk).order_by("-created_at").first()
        assert again is not None
        assert (response.headers["Location"], again.repeats_id, again.steps.count()) == (f"/runs/{again.pk}/", run.pk, steps)


def test_it_says_why_nothing_could_be_repeated(on_call_client: Client, made_run: Any, answer: Any) -> None:
    run = made_run(checks=1)
    answer(run, "c1", "ok")
    response = on_call_client.post(f"/runs/{run.pk}/rerun-unreached", follow=True)
    assert "every host of this run was reached" in response.content.decode()


@pytest.mark.parametrize("address", ["cancel", "rerun", "rerun-unreached"])
def test_it_lets_only_those_act_who_may(viewer: Client, made_run: Any, address: str) -> None:
    run = made_run()
    assert viewer.post(f"/runs/{run.pk}/{address}").status_code == 403
    assert viewer.get(f"/runs/{run.pk}/{address}").status_code == 405
    assert Run.objects.count() == 1


def test_it_lists_runs_a_page_at_a_time(viewer: Client, made_run: Any) -> None:
    from runbooks.dispatch import rerun

    first = made_run()
    for _ in range(29):
        rerun(first, None)
    html = viewer.get("/runs/").content.decode()
    assert html.count("<time ") == 25
    cursor = html.split('hx-get="/runs/')[1].split('"')[0].replace("&amp;", "&")
    rest = viewer.get("/runs/" + cursor, headers={"HX-Request": "true"}).content.decode()
    assert rest.count("<time ") == 5
    assert "<html" not in rest
    ids = {part.split('/"')[0] for part in (html + rest).split('<a href="/runs/')[1:]}
    assert {str(pk) for pk in Run.objects.values_list("pk", flat=True)} <= ids


def test_it_takes_a_senseless_cursor_as_the_first_page(viewer: Client, made_run: Any) -> None:
    made_run()
    for cursor in ("x", "9~9", "inf~" + str(uuid.uuid4()), "1e400~" + str(uuid.uuid4())):
        assert viewer.get("/runs/", {"before": cursor}).status_code == 200


COMPARED = """### Alike?

```check
id: c1
probe: cgroup.mode
confirms: true
compare: {all_equal: value, then: crit%s}
```
"""


@pytest.mark.parametrize(
    ("says", "line"),
    [
        ("", "<span>value differs: 1480 on host-3, 1500 on 2 other hosts</span>"),
        (
            ", say: the hosts were not set up alike",
            '<span class="finding__host">host-3:</span> <span>the hosts were not set up alike</span>',
        ),
    ],
)
def test_it_names_the_host_that_differs(viewer: Client, made_run: Any, answer: Any, result: Any, says: str, line: str) -> None:
    run = made_run(hosts=3, body=COMPARED % says)
    answer(run, "c1", result("ok", value=1500), hosts=["host-1", "host-2"])
    assert line not in page_of(viewer, run), "a host has still to answer"
    answer(run, "c1", result("ok", value=1480), hosts=["host-3"])
    html = page_of(viewer, run)
    assert line in html
    assert "is OK" not in html[: html.index('id="card-c1"')], "the heading tells it as well"
    run.refresh_from_db()
    assert run.verdict == "crit"


def test_it_says_nothing_of_hosts_that_are_alike(viewer: Client, made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(hosts=3, body=COMPARED % ", say: the hosts were not set up alike")
    answer(run, "c1", result("ok", value=1500))
    assert "the hosts were not set up alike" not in page_of(viewer, run)
