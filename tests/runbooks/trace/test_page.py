"""The trace page: who may ask, what is refused and where it says so, and that a link shows the same later."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from runbooks import tracing
from runbooks.models import Host, Output, Run, Step, Trace
from runbooks.pruning import prune

pytestmark = pytest.mark.django_db
FORM = {"to": "10.96.23.5:80", "proto": "tcp", "origin": "pod", "source": "172.19.1.10", "rules": "paste"}


@pytest.fixture
def viewer(client, person):
    client.force_login(person("view_run"))
    return client


@pytest.fixture
def on_call(client, person):
    client.force_login(person("view_run", "start_run"))
    return client


@pytest.fixture
def ask():
    """Send the form as a browser does."""

    def send(client, text="", **fields):
        body = urlencode(FORM | {"text": text} | fields)
        return client.post("/trace/", body, content_type="application/x-www-form-urlencoded")

    return send


def shown(client, response):
    assert response.status_code == 302, re.findall(r'field__error"[^>]*>(?:<i[^>]*></i>)?([^<]*)', response.content.decode())
    page = client.get(response["Location"])
    assert page.status_code == 200
    return page.content.decode()


def error_at(response, field):
    assert response.status_code in (413, 422)
    found = re.search(rf'id="id_{field}_error"[^>]*>(?:<i[^>]*></i>)?([^<]*)', response.content.decode())
    return found[1] if found else ""


# --- rights ------------------------------------------------------------------


def test_it_asks_for_a_login(client):
    assert client.get("/trace/").status_code == 302
    assert client.post("/trace/", FORM).status_code == 302


def test_it_refuses_whoever_may_not_see_runs(client, person, ask, rules):
    client.force_login(person("view_runbook"))
    assert client.get("/trace/").status_code == 403
    assert ask(client, rules()).status_code == 403
    assert 'href="/trace/"' not in client.get("/").content.decode()


def test_it_stands_between_runs_and_hosts(client, person):
    client.force_login(person("view_run", "view_host"))
    page = client.get("/trace/").content.decode()
    assert page.index('href="/runs/"') < page.index('href="/trace/" aria-current="page"') < page.index('href="/hosts/"')


def test_it_looks_at_the_token_of_the_form(person, rules):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(person("view_run"))
    assert client.post("/trace/", FORM | {"text": rules()}).status_code == 403
    assert not Trace.objects.exists()


def test_it_lets_a_viewer_trace_pastes_but_no_host(viewer, ask):
    host = Host.objects.create(name="n1", address="10.0.0.1", username="x")
    assert f"host:{host.pk}" not in viewer.get("/trace/").content.decode()
    assert ask(viewer, rules=f"host:{host.pk}").status_code == 422
    assert not Run.objects.exists()


def test_it_says_that_an_address_is_no_service_of_these_rules(viewer, ask, rules):
    page = shown(viewer, ask(viewer, rules(), to="10.9.9.9:1"))
    assert "No rule here makes 10.9.9.9:1 a service" in page
    assert '<span class="pill pill--solid" data-verdict="info">' in page
    assert "is open" not in page


# --- pastes --------------------------------------------------------------------


def test_it_draws_a_paste(viewer, ask, rules):
    page = shown(viewer, ask(viewer, rules()))
    assert 'role="img"' in page
    assert "Each of 3 ways to prod/web:http is open" in page
    assert page.count(">33.3 %<") >= 6
    assert not re.search(r"\sstyle=|<script>|\son\w+=", page)


def test_it_links_each_box_to_a_line_that_is_there(viewer, ask, dead_endpoint):
    page = shown(viewer, ask(viewer, dead_endpoint))
    links = set(re.findall(r'href="#(rule-\d+)"', page))
    places = re.findall(r'id="(rule-\d+)"', page)
    assert links
    assert links <= set(places)
    assert len(places) == len(set(places))


def test_it_shows_the_line_numbers_of_the_pasted_text(viewer, ask, rules):
    text = rules()
    page = shown(viewer, ask(viewer, text))
    for number, line in re.findall(r'data-n="(\d+)"><span>(.*?)</span></li>', page):
        plain = re.sub(r"<[^>]*>", "", line).replace("&quot;", '"').replace("&gt;", ">")
        assert text.split("\n")[int(number) - 1] == plain


def test_it_says_which_share_does_not_arrive(viewer, ask, dead_endpoint):
    page = shown(viewer, ask(viewer, dead_endpoint))
    assert "66.7 % of the connections to prod/web:http do not arrive" in page
    assert page.count('class="t-badge" r="10"') == 2
    assert "no route leads there" in page


def test_it_keeps_the_trace_for_a_link(viewer, ask, rules):
    location = ask(viewer, rules())["Location"]
    first = viewer.get(location).content.decode()
    trace = Trace.objects.get()
    assert str(trace.pk) in location
    assert trace.question == {"src": "172.19.1.10", "dst": "10.96.23.5", "dport": 80, "proto": "tcp", "origin": "pod"}
    strip = re.compile(r'name="(csrfmiddlewaretoken|key)" value="[^"]*"')
    assert strip.sub("", first) == strip.sub("", viewer.get(location).content.decode())


def test_it_keeps_the_rules_once_and_redacted(viewer, ask, rules):
    text = rules(changes={"kubernetes forwarding rules": "password=hunter2hunter2"})
    for _ in range(2):
        shown(viewer, ask(viewer, text))
    assert Output.objects.count() == 1
    trace = Trace.objects.first()
    raw = viewer.get(f"/trace/{trace.pk}/rules/iptables-nft-save")
    assert b"hunter2" not in raw.content
    assert b"KUBE-SERVICES" in raw.content
    assert "attachment" in raw["Content-Disposition"]
    assert "hunter2" not in str(trace.facts)


def test_it_asks_the_same_rules_something_else(viewer, ask, rules):
    shown(viewer, ask(viewer, rules()))
    first = Trace.objects.get()
    page = shown(viewer, ask(viewer, to="10.96.0.1:443", rules=f"same:{first.pk}"))
    assert "default/kubernetes:https" in page
    assert Output.objects.count() == 1


def test_it_forgets_old_traces_with_their_rules(viewer, ask, rules):
    shown(viewer, ask(viewer, rules()))
    old = timezone.now() - timedelta(days=100)
    Output.objects.update(created_at=old)
    prune()
    assert Output.objects.count() == 1
    Trace.objects.update(created_at=old)
    prune()
    assert (Trace.objects.count(), Output.objects.count()) == (0, 0)


def test_it_reads_a_listing_and_calls_it_unknown(viewer, ask, rules):
    case = Path(__file__).parents[2] / "cases/probes/iptables.save/listing"
    text = next(path for path in case.iterdir() if path.name.startswith("iptables")).read_text()
    page = shown(viewer, ask(viewer, text))
    assert "Cannot tell" in page


def test_it_draws_a_table_of_nftables_mode_from_its_one_line(viewer, ask):
    case = Path(__file__).parents[2] / "cases/probes/nft.kubeproxy/healthy/nft_kp"
    line = " ".join(case.read_text().split("\n"))
    page = shown(viewer, ask(viewer, line))
    assert "Each of 2 ways to 10.96.23.5:80 is open" in page
    assert len(set(re.findall(r'id="(rule-\d+)"', page))) > 4
    assert "172.19.1.10:8080" in page


def test_it_draws_a_table_of_nftables_mode_from_its_listing(viewer, ask):
    case = Path(__file__).parents[2] / "cases/probes/nft.kubeproxy/text/nft_kp"
    page = shown(viewer, ask(viewer, "$ nft list table ip kube-proxy\n" + case.read_text()))
    assert "Each of 2 ways to 10.96.23.5:80 is open" in page
    assert len(set(re.findall(r'id="(rule-\d+)"', page))) > 4
    assert "10.244.2.7:8080" in page


def test_it_speaks_chinese(viewer, ask, rules):
    location = ask(viewer, rules())["Location"]
    page = viewer.get(location, headers={"Accept-Language": "zh-CN"}).content.decode()
    assert "到 prod/web:http 的 3 条路径全部畅通" in page


def test_it_refuses_a_table_of_another_program(viewer, ask):
    table = '{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "ip", "name": "other", "handle": 1}}]}'
    assert "kube-proxy" in error_at(ask(viewer, table), "text")


# --- what is wrong, and where --------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "at", "says"),
    [
        ({"to": "web:http"}, "to", "such as 10.96.0.10:53"),
        ({"to": "10.96.23.5"}, "to", "such as 10.96.0.10:53"),
        ({"to": ""}, "to", "such as 10.96.0.10:53"),
        ({"to": "-x:1"}, "to", "such as"),
        ({"source": ""}, "source", "such as 10.244.1.5"),
        ({"source": "10.244.1.5/24"}, "source", "such as 10.244.1.5"),
        ({"source": "fd00::1"}, "source", "IPv4"),
        ({"to": "[fd00::a]:53"}, "source", "IPv6"),
        ({"proto": "icmp"}, "proto", "icmp"),
        ({"rules": "same:x"}, "rules", "same:x"),
        ({"rules": "host:99"}, "rules", "host:99"),
        ({"text": ""}, "text", "iptables-save"),
        ({"text": "  \n"}, "text", "iptables-save"),
        ({"text": "default via 192.0.2.1 dev eth0\n"}, "text", "iptables-save"),
        ({"text": "hello"}, "text", "ends before its first table"),
        ({"text": "\x00\x01\x02"}, "text", ""),
    ],
)
def test_it_says_at_the_field_what_to_write(viewer, ask, rules, fields, at, says):
    response = ask(viewer, **({"text": rules()} | fields))
    assert says in error_at(response, at)
    assert not Trace.objects.exists()


def test_it_keeps_what_was_written_beside_an_error(viewer, ask, rules):
    page = ask(viewer, rules(), source="nobody").content.decode()
    assert 'value="nobody"' in page
    assert "KUBE-SVC-I6F7J7E256H6PY43" in page


def test_it_refuses_a_paste_that_is_too_long(viewer, ask, monkeypatch):
    monkeypatch.setattr(tracing, "PASTE_MAX", 1 << 20)
    assert "this text has 1.1 MiB; paste at most" in error_at(ask(viewer, "x" * 1_150_000), "text")


def test_it_refuses_more_lines_than_any_node_has(viewer, ask):
    assert "500,000 lines" in error_at(ask(viewer, "\n" * 500_000 + "x"), "text")


def test_it_refuses_a_body_that_is_too_long_before_it_reads_it(viewer, ask, monkeypatch):
    monkeypatch.setattr(tracing, "PASTE_MAX", 500)
    response = ask(viewer, "x" * 2000)
    assert response.status_code == 413
    assert "too long" in error_at(response, "text")


def test_it_takes_a_paste_larger_than_other_pages_take(viewer, ask, rules, settings):
    text = rules() + f"# {'padding ' * 12}\n" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 99 + 1)
    assert "Each of 3 ways" in shown(viewer, ask(viewer, text))


# --- hostile and damaged -------------------------------------------------------

HOSTILE = "<script>hit()</script><img src=x onerror=hit()>\"'`{{x}}{% debug %}\u202e\x1b[31m"


def test_it_shows_hostile_rules_as_text(viewer, ask, rules):
    text = rules(changes={"prod/web:http": HOSTILE, "KUBE-SEP-GTXJMMHUM6YBTSLA": "KUBE-SEP-<b>x</b>`"})
    page = shown(viewer, ask(viewer, text))
    assert "<script>hit" not in page
    assert "<img src=x" not in page
    assert "<b>x" not in page
    assert "\u202e" not in page
    assert "\x1b" not in page


def test_it_never_calls_a_cut_paste_good(viewer, ask, rules):
    text = rules()
    step = len(text) // 12
    for end in range(step, len(text) - 100, step):
        response = ask(viewer, text[:end])
        if response.status_code == 422:
            continue
        page = shown(viewer, response)
        assert 'pill--solid" data-verdict="unknown"' in page, text[:end][-80:]


def test_it_survives_doubling_rules(viewer, ask):
    die = "-A PREROUTING -m statistic --mode random --probability 0.50000000000 -j X\n"
    chains = "*nat\n:PREROUTING ACCEPT [0:0]\n:X - [0:0]\n:KUBE-SERVICES - [0:0]\n"
    page = shown(viewer, ask(viewer, chains + die * 60 + "COMMIT\n*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"))
    assert 'data-verdict="unknown"' in page
    assert len(page) < 1 << 20


def test_it_survives_lines_without_end(viewer, ask, rules):
    text = rules(changes={"prod/web:http cluster IP": "x" * 500_000})
    page = shown(viewer, ask(viewer, text))
    assert len(page) < 1 << 20


def test_it_keeps_pages_of_many_endpoints_small(viewer, ask, many):
    page = shown(viewer, ask(viewer, many(5000)))
    assert "Each of 5000 ways" in page
    assert "4,994 more ways" in page
    assert len(page) < 200_000


def test_it_draws_the_worst_of_many_endpoints(viewer, ask, many):
    routes = "default via 192.0.2.1 dev eth0\nunreachable 172.20.3.0/24\n"
    text = f"n1:~# iptables-save\n{many(1000)}n1:~# ip route show table all\n{routes}"
    page = shown(viewer, ask(viewer, text))
    assert "25 % of the connections" in page
    assert page.count('class="t-badge" r="10"') == 4
    assert "24.6 % of all do not arrive" in page


# --- live ----------------------------------------------------------------------


@pytest.fixture
def live_host(monkeypatch):
    """A host, the shipped runbook, and a doorbell that nobody hears."""
    from runbooks import live, tasks
    from runbooks.models import Revision, Runbook

    monkeypatch.setattr(tasks, "ring", lambda messages: True)
    monkeypatch.setattr(live, "publish", lambda run_id, seq: None)
    path = next(Path(tracing.__file__).parent.glob(f"library/*/{tracing.RUNBOOK}.md"))
    book = Runbook.objects.create(slug=tracing.RUNBOOK, title="A service's path")
    book.published = Revision.objects.create(runbook=book, number=1, text=path.read_text())
    book.save()
    return Host.objects.create(name="n1", address="10.0.0.1", username="x")


def test_it_starts_a_run_for_a_host(on_call, ask, live_host, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        response = ask(on_call, rules=f"host:{live_host.pk}", key="once")
    run = Run.objects.get()
    assert run.params["service_ip"] == "10.96.23.5"
    step = Step.objects.get(run=run, check_id="path")
    assert response["Location"] == f"/runs/{run.pk}/steps/{step.pk}/trace"
    page = on_call.get(response["Location"]).content.decode()
    assert 'hx-trigger="every 2s"' in page
    assert "Load again" in page
    again = ask(on_call, rules=f"host:{live_host.pk}", key="once")
    assert again["Location"] == response["Location"]
    assert Run.objects.count() == 1


def test_it_draws_what_the_step_of_a_run_found(on_call, ask, live_host, answer, found, rules):
    location = ask(on_call, rules=f"host:{live_host.pk}")["Location"]
    answer(Run.objects.get(), "path", found(rules()))
    page = on_call.get(location).content.decode()
    assert "Each of 3 ways to prod/web:http is open" in page
    assert 'role="img"' in page
    assert "every 2s" not in page
    assert f"/runs/{Run.objects.get().pk}/" in page
    card = on_call.get(f"/runs/{Run.objects.get().pk}/").content.decode()
    assert location in card
    assert "See it drawn" in card


def test_it_says_that_a_host_was_not_reached(on_call, ask, live_host, answer, result):
    location = ask(on_call, rules=f"host:{live_host.pk}")["Location"]
    answer(Run.objects.get(), "path", result("unknown", "no answer from n1", reason="connect_timeout"), state="error")
    page = on_call.get(location).content.decode()
    assert 'pill--solid" data-verdict="unreachable"' in page
    assert "<svg viewBox" not in page.split("</header>", 1)[1]


def test_it_says_that_the_runbook_is_missing(on_call, ask):
    host = Host.objects.create(name="n1", address="10.0.0.1", username="x")
    assert tracing.RUNBOOK in error_at(ask(on_call, rules=f"host:{host.pk}"), "rules")


def test_it_leads_other_steps_to_their_run(on_call, ask, live_host):
    ask(on_call, rules=f"host:{live_host.pk}")
    run = Run.objects.get()
    other = Step.objects.get(run=run, check_id="rules")
    assert on_call.get(f"/runs/{run.pk}/steps/{other.pk}/trace")["Location"] == f"/runs/{run.pk}/"
