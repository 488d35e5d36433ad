"""The main job, in a real browser against a whole Sidenote: read a writeup, start it here, watch the cards, see the evidence."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("up")]
SLUG = "cgroup-pids-limit-fork-failure"
SLOW = "kubelet-cadvisor-memcg-latency"
PATIENCE_MS = 60_000


@pytest.fixture
def page(chromium: Any, whole_site: Any, logged_in: Any) -> Any:
    """A logged-in page that keeps what the browser complains about."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, base_url=whole_site.url)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    logged_in(page, whole_site)
    yield page
    context.close()


def shape(page: Any) -> list[str]:
    """What a run page says, without what differs between two loads of it."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("#run_status .pill, .steps a, #run_overview, .step__result")].map((one) => {
          const copy = one.cloneNode(true);
          copy.querySelectorAll(".evidence, [data-picked]").forEach((part) => part.remove());
          return one.dataset.verdict + " " + copy.textContent.replace(/\\s+/g, " ").trim();
        })"""
    )
    return found


def test_it_does_the_main_job(page: Any) -> None:
    page.get_by_role("searchbox").fill("pids")
    page.wait_for_url("**/?q=pids*")
    page.locator(f'#library_list a[href="/runbooks/{SLUG}/"]').click()
    page.wait_for_url(f"**/runbooks/{SLUG}/")
    assert page.locator(".hostbox input:checked").count() == 1, "this machine is the only host and already ticked"
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/runs/*/")

    page.evaluate("window.stayed = true")
    page.wait_for_function(
        "() => document.querySelector('.step__result:not([data-verdict=queued]):not([data-verdict=running])')",
        timeout=PATIENCE_MS,
    )
    page.wait_for_function("() => !('open' in document.getElementById('live').dataset)", timeout=PATIENCE_MS)
    assert page.evaluate("window.stayed"), "the page updated itself and was not loaded again"
    counts = page.locator(".runhead__facts").first.inner_text()
    done = re.match(r"(\d+) of (\d+) checks", counts)
    assert done
    assert done[1] == done[2]

    lived = shape(page)
    page.reload()
    assert lived == shape(page), "a page that lived through the run says what a fresh one says"

    page.locator("[id^=evidence-] > summary").first.click()
    evidence = page.locator("[id^=evidence-][open] .log").first
    evidence.wait_for()
    page.locator("[id^=evidence-][open] .log li[data-n]").first.wait_for()
    assert evidence.locator(".cmdline").inner_text()
    assert page.complaints == []


def start(page: Any, slug: str) -> None:
    page.goto(f"/runbooks/{slug}/")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/runs/*/")


def wait_for_the_end(page: Any) -> None:
    page.wait_for_function("() => !('open' in document.getElementById('live').dataset)", timeout=PATIENCE_MS)


def test_it_repeats_the_run_and_stops_it(page: Any) -> None:
    start(page, SLOW)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("stopped before its end").wait_for(timeout=PATIENCE_MS)
    first = page.url
    page.get_by_role("button", name="Re-run", exact=True).click()
    page.wait_for_function("(old) => location.href !== old", arg=first)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("stopped before its end").wait_for(timeout=PATIENCE_MS)
    assert page.complaints == []


def test_it_keeps_up_when_the_stream_is_cut(page: Any) -> None:
    page.route("**/events/**", lambda route: route.abort())
    start(page, SLOW)
    wait_for_the_end(page)
    lived = shape(page)
    assert page.locator("#stale").is_hidden()
    page.reload()
    assert lived == shape(page)


def test_it_says_when_it_is_out_of_touch_and_recovers(page: Any) -> None:
    start(page, SLOW)
    page.wait_for_function("() => document.querySelector('[data-elapsed]')")
    page.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.locator("#stale").wait_for(state="visible", timeout=PATIENCE_MS)
    assert re.search(r"\d", page.locator("[data-stale-at]").inner_text())
    page.context.set_offline(False)
    wait_for_the_end(page)
    page.locator("#stale").wait_for(state="hidden", timeout=PATIENCE_MS)
    lived = shape(page)
    page.reload()
    assert lived == shape(page)


def test_it_lets_the_stream_of_a_hidden_tab_go_and_is_true_again_when_it_is_seen(page: Any) -> None:
    page.clock.install()
    start(page, SLOW)
    hide = "(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(hide, 1)
    page.clock.run_for(35_000)
    assert page.locator("#live[sse-connect]").count() == 0
    page.evaluate(hide, 0)
    page.clock.run_for(1500)
    page.wait_for_function(
        "() => document.querySelector('#live[sse-connect]') || !('open' in document.getElementById('live').dataset)", timeout=3000
    )


def test_it_loses_no_open_evidence_and_no_chosen_place_to_an_update(page: Any) -> None:
    start(page, SLOW)
    summary = page.locator("[id^=evidence-] > summary").first
    summary.wait_for(timeout=PATIENCE_MS)
    summary.click()
    page.locator("[id^=evidence-][open] .log li[data-n]").first.wait_for()
    evidence = page.locator("[id^=evidence-][open]").first.get_attribute("id")
    wait_for_the_end(page)
    assert page.locator(f"#{evidence}[open] .log li[data-n]").count() > 0


def test_it_reads_without_a_script(chromium: Any, whole_site: Any) -> None:
    context = chromium.new_context(java_script_enabled=False, base_url=whole_site.url)
    page = context.new_page()
    page.goto("/login/")
    page.fill("[name=username]", whole_site.user)
    page.fill("[name=password]", whole_site.password)
    page.click("main button")
    page.goto(f"/runbooks/{SLUG}/")
    page.click("#start_form button.btn--primary")
    assert "/runs/" in page.url
    assert "Without JavaScript this page does not update by itself." in page.content()
    page.goto(page.url)
    assert page.locator(".step__result").count() > 0
    context.close()


def test_it_asks_for_the_truth_when_the_machine_wakes(page: Any) -> None:
    page.clock.install()
    start(page, SLOW)
    page.clock.run_for(1500)
    with page.expect_request(lambda request: "again=yes" in request.url, timeout=3000):
        page.clock.fast_forward(16_000)
