"""Pieces of the run's page: each stands in the page under its own name, and each comes alone when only it has changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from runbooks.fragments import changes
from runbooks.models import Host, Run
from runbooks.presenters import run as presenters_run
from runbooks.watching import Watch, token_of, watch_of

HTMX = {"HX-Request": "true"}


@pytest.fixture
def viewer(client: Client, person: Any) -> Client:
    client.force_login(person("view_run"))
    return client


def seq_of(run: Any) -> int:
    return Run.objects.get(pk=run.pk).last_seq


def test_it_stands_in_the_page_under_the_same_id(viewer: Client, made_run: Any, answer: Any) -> None:
    run = made_run(hosts=2, checks=2)
    page = viewer.get(f"/runs/{run.pk}/").content.decode()
    answer(run, "c1", "ok")
    pieces = changes(Watch(run.pk), 0).pieces
    assert set(pieces) == {"run_status", "run_notices", "run_overview", "card-c1", "row-c1", "grid_legend"}
    for name, html in pieces.items():
        assert f'id="{name}"' in page
        assert re.match(rf'\s*(<template>)?<\w+[^>]* id="{name}" hx-swap-oob="true"', html), html[:200]


def test_it_leaves_unchanged_cards_out(made_run: Any, answer: Any) -> None:
    run = made_run(hosts=2, checks=3)
    answer(run, "c1", "ok")
    since = seq_of(run)
    answer(run, "c3", "crit", hosts=["host-2"])
    found = changes(Watch(run.pk), since)
    assert [name for name in found.pieces if name.startswith("card")] == ["card-c3"]
    assert (found.seq, found.finished) == (seq_of(run), False)


@pytest.mark.parametrize("moment", ["read_run", "changed_checks", "read_details", "read_sections"])
def test_it_loses_nothing_that_happens_while_it_reads(
    made_run: Any, answer: Any, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    run = made_run(checks=3)
    answer(run, "c1", "ok")
    real, waiting = getattr(presenters_run, moment), ["c2"]

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        found = real(*args, **kwargs)
        if waiting:
            answer(run, waiting.pop(), "crit")
        return found

    monkeypatch.setattr(presenters_run, moment, meanwhile)
    first = changes(Watch(run.pk), 0)
    second = changes(Watch(run.pk), first.seq)
    shown = {**first.pieces, **second.pieces}
    assert second.seq == seq_of(run)
    assert 'data-verdict="crit"' in shown["card-c2"]


def test_it_answers_204_while_nothing_has_changed(viewer: Client, made_run: Any) -> None:
    run = made_run()
    response = viewer.get(f"/runs/{run.pk}/changes", {"seq": seq_of(run)})
    assert (response.status_code, response.content) == (204, b"")


def test_it_answers_with_what_changed_and_a_new_ear(viewer: Client, made_run: Any, answer: Any) -> None:
    run = made_run()
    since = seq_of(run)
    answer(run, "c1", "ok")
    html = viewer.get(f"/runs/{run.pk}/changes", {"seq": since}).content.decode()
    assert 'id="card-c1"' in html
    assert 'id="card-c2"' not in html
    assert f'id="seq" name="seq" value="{seq_of(run)}"' in html
    assert '<div id="live" hx-swap-oob="true" hx-ext="sse" sse-connect="/events/' in html


def test_it_gives_a_new_ear_to_a_page_that_lost_its_own(viewer: Client, made_run: Any) -> None:
    run = made_run()
    response = viewer.get(f"/runs/{run.pk}/changes", {"seq": seq_of(run), "again": "yes"})
    assert response.status_code == 200
    assert b"sse-connect" in response.content


def test_it_stops_polling_when_the_run_has_ended(viewer: Client, made_run: Any, answer: Any) -> None:
    run = made_run(checks=1)
    answer(run, "c1", "ok")
    response = viewer.get(f"/runs/{run.pk}/changes", {"seq": seq_of(run)})
    assert response.status_code == 286
    assert b"sse-connect" not in response.content


@pytest.mark.parametrize("seq", ["", "x", "-1", "９", "99999999999999999999"])
def test_it_takes_a_senseless_number_as_nothing_seen(viewer: Client, made_run: Any, answer: Any, seq: str) -> None:
    run = made_run()
    answer(run, "c1", "ok")
    assert b'id="card-c1"' in viewer.get(f"/runs/{run.pk}/changes", {"seq": seq}).content


def test_it_shows_another_host_in_a_card(viewer: Client, made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(hosts=2, checks=1)
    answer(run, "c1", result("crit", value=120), hosts=["host-1"])
    answer(run, "c1", result("ok", value=7), hosts=["host-2"])
    chosen = Host.objects.get(name="host-2")
    html = viewer.get(f"/runs/{run.pk}/checks/c1/", {"host": chosen.pk}, headers=HTMX).content.decode()
    assert html.lstrip().startswith('<div class="step__result" id="card-c1"')
    assert f'data-picked="{chosen.pk}"' in html
    assert "value <mark>7</mark> here" in html
    assert viewer.get(f"/runs/{run.pk}/checks/none/").status_code == 404


def test_it_shows_the_whole_output_as_page_and_as_fragment(viewer: Client, made_run: Any, answer: Any) -> None:
    run = made_run(checks=1)
    answer(run, "c1", "warn")
    address = f"/runs/{run.pk}/steps/{run.steps.get().pk}/output"
    page, fragment = viewer.get(address).content.decode(), viewer.get(address, headers=HTMX).content.decode()
    assert "<html" in page
    assert "<html" not in fragment
    assert fragment.strip() in page
    assert '<li data-verdict="warn" data-n="2"><span>value <mark>5</mark> here</span></li>' in fragment
    assert "Show 18 lines" in fragment


def test_it_gives_raw_output_to_save_and_never_to_show(viewer: Client, made_run: Any, answer: Any, result: Any) -> None:
    run = made_run(checks=1)
    answer(run, "c1", result("ok", text="<script>\x00\xff</script>\n"))
    address = f"/runs/{run.pk}/steps/{run.steps.get().pk}/output/"
    response = viewer.get(address + "numbers")
    assert response.content == "<script>\x00\xff</script>\n".encode()
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment;")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert viewer.get(address + "other").status_code == 404


def test_it_gives_no_output_of_another_run(viewer: Client, made_run: Any, answer: Any) -> None:
    run, other = made_run(checks=1), made_run(checks=1)
    answer(run, "c1", "ok")
    step = run.steps.get().pk
    assert viewer.get(f"/runs/{other.pk}/steps/{step}/output").status_code == 404
    assert viewer.get(f"/runs/{other.pk}/steps/{step}/output/numbers").status_code == 404


def test_it_shows_buttons_only_to_those_who_may_act(made_run: Any, answer: Any) -> None:
    run = made_run(checks=1)
    answer(run, "c1", "ok")
    assert "formaction" not in changes(Watch(run.pk), 0).html
    assert "formaction" in changes(Watch(run.pk, may_start=True), 0).html


def test_it_trusts_only_its_own_tokens(made_run: Any, settings: Any) -> None:
    watch = Watch(made_run().pk, "zh-hans", may_start=True)
    token = token_of(watch)
    assert watch_of(token) == watch
    for forged in ("", "x", token[:-1], token.replace("A", "B", 1) + "A", f"{token}x"):
        assert watch_of(forged) is None
    settings.RUN_DEADLINE_S = -1000
    assert watch_of(token) is None
