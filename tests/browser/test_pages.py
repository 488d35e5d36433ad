"""Every page in a real browser: nothing a host says is run, nothing overflows a phone, the grid is walked by keys."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.django_db(transaction=True)]

WIDTHS = (320, 360, 390, 480, 600, 768, 960, 1024, 1280, 1440, 1920, 2560)
PAYLOADS = [
    "<script>hit()</script>",
    "</script><script>hit()</script>",
    "<img src=x onerror=hit()>",
    "<img src=x onerror=hit()//",
    "<svg onload=hit()>",
    "<svg><script>hit()</script></svg>",
    "<body onload=hit()>",
    "<details open ontoggle=hit()>",
    "<input autofocus onfocus=hit()>",
    "<iframe srcdoc='<script>parent.hit()</script>'>",
    "<a href='javascript:hit()'>x</a>",
    "<form action='javascript:hit()'><button>x</button></form>",
    "<math><mtext><img src=x onerror=hit()></mtext></math>",
    "<style>@import 'javascript:hit()'</style>",
    "<object data='javascript:hit()'>",
    "<embed src='javascript:hit()'>",
    "<video><source onerror=hit()></video>",
    "<marquee onstart=hit()>",
    "<template><script>hit()</script></template>",
    "<div hx-get=/healthz hx-trigger=load hx-on::after-request=hit()>x</div>",
    "<div hx-on:load='hit()' hx-trigger='load'>x</div>",
    "<div hx-vals='js:{a: hit()}' hx-get=/healthz hx-trigger=load>x</div>",
    "<div id=live sse-connect=/events/x hx-ext=sse>x</div>",
    "<div id=run_status hx-swap-oob=true onclick=hit()>x</div>",
    "<p hx-swap-oob='innerHTML:body'><img src=x onerror=hit()></p>",
    '"><img src=x onerror=hit()>',
    "' onmouseover='hit()",
    '" autofocus onfocus="hit()',
    "`-hit()-`",
    "${hit()}",
    "{{constructor.constructor('hit()')()}}",
    "{% debug %}",
    "<!--<img src=x onerror=hit()>-->",
    "<![CDATA[<script>hit()</script>]]>",
    "<x style='background:url(javascript:hit())'>",
    "\x1b]8;;javascript:hit()\x1b\\click\x1b]8;;\x1b\\",
    "\u202e<script>hit()</script>",
    "&lt;script&gt;hit()&lt;/script&gt;",
    "&#60;script&#62;hit()&#60;/script&#62;",
    "\\u003cscript\\u003ehit()\\u003c/script\\u003e",
    "\n\nevent: done\ndata: <script>hit()</script>",
    "]]><script>hit()</script>",
]


@pytest.fixture(params=["with the policy", "without the policy"])
def page(request: Any, chromium: Any, web: Any, logged_in: Any) -> Any:
    context = chromium.new_context(base_url=web.url, bypass_csp=request.param == "without the policy")
    page = context.new_page()
    page.add_init_script("window.hits = []; window.hit = () => window.hits.push(1); window.alert = window.hit;")
    logged_in(page, web)
    yield page
    context.close()


@pytest.fixture
def quiet_page(open_page: Any) -> Any:
    return open_page()


@pytest.fixture
def hostile_run(made_run: Any, answer: Any, result: Any) -> Any:
    """A finished run with a check per payload, and the payload wherever a host or an author can put text."""
    from runbooks.models import Host, ResultSection, Run, Runbook

    run = made_run(hosts=2, checks=len(PAYLOADS))
    for number, text in enumerate(PAYLOADS, 1):
        said = result("warn", text, value=text, text=f"one\n{text}\n" + f"{text}\n" * 9, remedy=text, unit=text)
        said.facts[text] = text
        answer(run, f"c{number}", said)
    ResultSection.objects.update(command=" ".join(PAYLOADS)[:300], stderr="\n".join(PAYLOADS))
    worst = "".join(PAYLOADS[:20])
    Run.objects.filter(pk=run.pk).update(origin=PAYLOADS[2][:40], params={PAYLOADS[2]: worst})
    Runbook.objects.update(title=worst[:300], title_zh=worst[:300], tags=PAYLOADS[:9])
    Host.objects.filter(name="host-1").update(system=worst[:200])
    return run


def test_it_runs_nothing_that_a_host_or_an_author_wrote(page: Any, hostile_run: Any) -> None:
    from runbooks.models import Host, Runbook

    run = hostile_run
    step = run.steps.first().pk
    host = Host.objects.get(name="host-1").pk
    slug = Runbook.objects.get().slug
    for address in (
        f"/runs/{run.pk}/",
        f"/runs/{run.pk}/steps/{step}/output",
        "/",
        "/runs/",
        f"/runbooks/{slug}/",
        f"/hosts/{host}/",
    ):
        page.goto(address)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        page.wait_for_timeout(300)
        assert page.evaluate("window.hits.length") == 0, address
    page.goto(f"/runs/{run.pk}/")
    page.locator("[id^=evidence-] > summary").first.click()
    page.locator("[id^=evidence-][open] .log__fold, [id^=evidence-][open] .log__error").first.wait_for()
    page.locator(".hostpick a").nth(1).click()
    page.locator("[data-picked]").first.wait_for()
    page.evaluate(
        "document.querySelectorAll('*').forEach((one) => one.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})))"
    )
    assert page.evaluate("window.hits.length") == 0


@pytest.fixture
def run(made_run: Any, answer: Any, result: Any) -> Any:
    """Three hosts, three checks, every kind of result."""
    long = "x" * 400
    run = made_run(hosts=3, checks=3, group="some-group-of-hosts")
    answer(run, "c1", result("crit", f"far too many {long}", value=120, remedy=f"take {long} away"), hosts=["host-1"])
    answer(run, "c1", result("ok", value=7, text=f"first\nvalue 7 here {long}\n"), hosts=["host-2"])
    answer(run, "c1", result("unknown", "no answer", reason="connect_timeout"), hosts=["host-3"], state="error")
    answer(run, "c2", result("unknown", "could not be told", reason="tool_missing", text="x\n"))
    answer(run, "c3", result("ok"))
    return run


def test_it_never_scrolls_sideways(quiet_page: Any, run: Any) -> None:
    from runbooks.models import Host, Runbook

    host, slug = Host.objects.get(name="host-1").pk, Runbook.objects.get().slug
    step = run.steps.first().pk
    addresses = [
        f"/runs/{run.pk}/",
        f"/runs/{run.pk}/steps/{step}/output",
        "/",
        "/runs/",
        "/hosts/",
        "/hosts/add",
        f"/hosts/{host}/",
        "/none",
    ]
    for address in [*addresses, f"/runbooks/{slug}/"]:
        quiet_page.goto(address)
        quiet_page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        for width in WIDTHS:
            quiet_page.set_viewport_size({"width": width, "height": 800})
            over = quiet_page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert over <= 0, f"{address} at {width}"
    assert [text for text in quiet_page.complaints if "404" not in text] == []


def test_it_walks_the_grid_by_keys(quiet_page: Any, run: Any) -> None:
    page = quiet_page
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"/runs/{run.pk}/")
    assert page.locator('.cell[tabindex="0"]').count() == 1
    page.locator('.cell[tabindex="0"]').focus()
    said = page.locator("[data-detail-say]")
    assert said.inner_text().startswith("host-1: far too many")
    page.keyboard.press("ArrowRight")
    assert said.inner_text() == "host-2: the value is 7"
    page.keyboard.press("ArrowDown")
    assert said.inner_text() == "host-2: could not be told"
    page.keyboard.press("End")
    page.keyboard.press("PageUp")
    assert said.inner_text() == "host-3: no answer"
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.title") == "host-3: no answer"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.locator('#card-c1[data-picked] .finding__host:has-text("host-2")').wait_for()
    assert page.complaints == []


def test_it_updates_the_grid_and_leaves_the_reader_in_peace(quiet_page: Any, made_run: Any, answer: Any, result: Any) -> None:
    run, page = made_run(hosts=3, checks=2), quiet_page
    answer(run, "c1", result("crit", value=120), hosts=["host-1"])
    answer(run, "c1", result("ok", value=7), hosts=["host-2"])
    page.goto(f"/runs/{run.pk}/")
    page.locator('#card-c1 .hostpick a:has-text("host-2")').click()
    page.locator("#card-c1[data-picked]").wait_for()
    page.locator('#row-c2 .cell[title^="host-2"]').focus()

    answer(run, "c2", result("warn", "the second is odd", value=50), hosts=["host-2"])
    answer(run, "c1", result("ok", value=8), hosts=["host-3"])
    page.locator('#row-c2 .cell[data-verdict="warn"]').wait_for(timeout=20_000)
    page.locator('#card-c1[data-verdict="crit"][data-picked]').wait_for(timeout=20_000)
    assert page.locator("#card-c1 .finding").inner_text() == "host-2: the value is 7", "the chosen host stays"
    assert page.evaluate("document.activeElement.title") == "host-2: the second is odd", "the focus stays"
    assert page.locator("#grid_legend").inner_text().split("\n") == ["Critical 1", "Warning 1", "OK 2", "Queued 2"]
    page.locator('#announce:has-text("Check 1: Critical")').wait_for(state="attached")

    answer(run, "c2", "ok", hosts=["host-1", "host-3"])
    page.wait_for_function("() => !('open' in document.getElementById('live').dataset)", timeout=20_000)
    texts = "() => ['run_status', 'run_overview', 'run_grid', 'card-c2'].map((id) => document.getElementById(id).innerText)"
    lived = page.evaluate(texts)
    page.reload()
    assert lived == page.evaluate(texts)


def test_it_copies_what_is_shown(quiet_page: Any, run: Any) -> None:
    quiet_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    quiet_page.goto(f"/runs/{run.pk}/?host=1#step-c1")
    quiet_page.get_by_role("button", name="Copy link").click()
    quiet_page.get_by_role("button", name="Link copied").wait_for()
    assert quiet_page.evaluate("navigator.clipboard.readText()").endswith(f"/runs/{run.pk}/")


def test_it_stands_still_for_those_who_want_that(chromium: Any, web: Any, logged_in: Any, made_run: Any) -> None:
    context = chromium.new_context(base_url=web.url, reduced_motion="reduce")
    page = context.new_page()
    logged_in(page, web)
    page.goto(f"/runs/{made_run(hosts=2).pk}/")
    assert page.evaluate("document.getAnimations().length") == 0
    context.close()


CONTRAST = """
() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n.length > 3 ? n[3] : 1]; };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
  const ground = (one) => {
    const layers = [];
    for (let node = one; node; node = node.parentElement) {
      const style = getComputedStyle(node);
      if (style.backgroundImage !== "none") return null;
      layers.push(parse(style.backgroundColor));
    }
    let base = parse(getComputedStyle(document.body).backgroundColor);
    for (const layer of layers.reverse()) if (layer[3]) base = over(layer, base);
    return base;
  };
  const bad = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !one.checkVisibility()) continue;
    if (one.closest(".vh, [disabled], .cell:not(.cell--share), noscript, .skip")) continue;
    const below = ground(one);
    if (!below) continue;
    const text = over(parse(getComputedStyle(one).color), below);
    const [a, b] = [light(text), light(below)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) bad.push(`${ratio.toFixed(2)} ${one.className} ${walker.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return bad;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_keeps_its_contrast(chromium: Any, web: Any, logged_in: Any, run: Any, scheme: str) -> None:
    from runbooks.models import Runbook

    context = chromium.new_context(base_url=web.url, color_scheme=scheme, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    logged_in(page, web)
    for address in (f"/runs/{run.pk}/", "/", "/runs/", "/hosts/", "/hosts/add", f"/runbooks/{Runbook.objects.get().slug}/"):
        page.goto(address)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.evaluate(CONTRAST) == [], address
    context.close()
