"""A writeup before it runs: what each check does and needs, and the form that starts it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from runbooks.choices import HostKeyState
from runbooks.models import Host, HostGroup, Revision, Run, Runbook

TEXT = """---
title: Where packets wait
kind: incident
tags: [latency]
params:
  peer: {type: ip, required: true, help: address of the other side}
  port: {type: port, default: 6379}
  proto: {type: enum, choices: [tcp, udp]}
  deep: {type: bool, default: false}
source: {file: 000.txt, title: 一次超时, errata: ["the counter is `InCsumErrors`"]}
---

## Meaning

They wait **here**. <script>alert(1)</script>

## Diagnosis

### Which layout?

```check
id: mode
probe: cgroup.mode
confirms: true
```

```check
id: dying
probe: cgroup.memcg_dying
when: "mode.mode == 'v1'"
limits: {dying_crit: 7000}
```

```check
id: gone
probe: no.such_probe
```

## Mitigation

```remedy
reboot
```
"""


@pytest.fixture
def book(db: None) -> Runbook:
    book = Runbook.objects.create(slug="wait", title="Where packets wait", tags=["latency"])
    book.published = Revision.objects.create(runbook=book, number=3, text=TEXT)
    book.save()
    return book


@pytest.fixture
def hosts(db: None) -> list[Host]:
    group = HostGroup.objects.create(name="caches")
    made = [Host.objects.create(name=f"cache-{n}", transport="local", host_key_state=HostKeyState.NONE) for n in (1, 2)]
    group.hosts.add(*made)
    made.append(Host.objects.create(name="lonely", address="10.0.0.9", username="x"))
    Host.objects.create(name="off", address="10.0.0.8", username="x", enabled=False)
    return made


@pytest.fixture
def on_call(client: Client, person: Any, monkeypatch: pytest.MonkeyPatch) -> Client:
    from runbooks import tasks

    monkeypatch.setattr(tasks, "ring", lambda messages: True)
    client.force_login(person("view_runbook", "start_run", "view_run"))
    return client


def test_it_says_what_each_check_runs_and_needs(on_call: Client, book: Runbook) -> None:
    html = on_call.get("/runbooks/wait/").content.decode()
    assert "cgroup.mode" in html
    assert "any user" in html
    assert "only if an earlier check says so" in html
    assert ">decides<" in html
    assert "7,000" in html
    assert "not in the catalogue of this installation" in html
    assert "/proc/" in html, "the very command is there to read"


def test_it_shows_the_narrative_cleaned_and_the_remedy_to_copy(on_call: Client, book: Runbook) -> None:
    html = on_call.get("/runbooks/wait/").content.decode()
    assert "They wait <strong>here</strong>." in html
    assert "alert(1)" not in html
    assert "data-copy" in html
    assert '<cite lang="zh">一次超时</cite>' in html
    assert "the counter is <code>InCsumErrors</code>" in html


def test_it_offers_hosts_by_group(on_call: Client, book: Runbook, hosts: list[Host]) -> None:
    html = on_call.get("/runbooks/wait/").content.decode()
    assert 'name="groups"' in html
    assert html.index("caches") < html.index("cache-1") < html.index("lonely")
    assert "key not confirmed" in html
    assert ">off<" not in html
    assert "off <span" not in html


def test_it_starts_a_run(on_call: Client, book: Runbook, hosts: list[Host]) -> None:
    sent = {"hosts": [hosts[0].pk], "param_peer": "10.0.0.1", "param_port": "6379", "param_proto": "tcp", "key": "k1"}
    response = on_call.post("/runbooks/wait/", sent)
    run = Run.objects.get()
    assert response.headers["Location"] == f"/runs/{run.pk}/"
    assert run.params == {"peer": "10.0.0.1", "port": 6379, "proto": "tcp", "deep": False}
    assert (run.revision, run.origin) == (book.published, "web")
    assert run.started_by is not None


def test_it_starts_on_a_whole_group(on_call: Client, book: Runbook, hosts: list[Host]) -> None:
    on_call.post("/runbooks/wait/", {"groups": [HostGroup.objects.get().pk], "param_peer": "10.0.0.1"})
    assert set(Run.objects.get().hosts.values_list("name", flat=True)) == {"cache-1", "cache-2"}


def test_it_makes_one_run_of_two_clicks(on_call: Client, book: Runbook, hosts: list[Host]) -> None:
    sent = {"hosts": [hosts[0].pk], "param_peer": "10.0.0.1", "key": "k1"}
    first, second = on_call.post("/runbooks/wait/", sent), on_call.post("/runbooks/wait/", sent)
    assert Run.objects.count() == 1
    assert first.headers["Location"] == second.headers["Location"]
    other = on_call.post("/runbooks/wait/", sent | {"param_peer": "10.0.0.2"})
    assert other.status_code == 422
    assert b"was used for another request" in other.content


def test_it_offers_a_new_key_with_every_page(on_call: Client, book: Runbook) -> None:
    keys = {on_call.get("/runbooks/wait/").content.decode().split('name="key" value="')[1][:36] for _ in range(2)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "Choose at least one host."),
        ({"hosts": "host"}, "This is needed: write an IPv4 or IPv6 address"),
        ({"hosts": "host", "param_peer": "10.0.0.1; reboot"}, "peer must be an IPv4 or IPv6 address"),
        ({"hosts": "host", "param_peer": "10.0.0.1", "param_port": "0"}, "port must be a port number from 1 to 65535"),
        ({"hosts": "host", "param_peer": "10.0.0.1", "param_proto": "icmp"}, "Select a valid choice."),
    ],
)
def test_it_says_at_the_field_what_is_wrong(
    on_call: Client, book: Runbook, hosts: list[Host], sent: dict[str, Any], said: str
) -> None:
    sent = {name: hosts[0].pk if value == "host" else value for name, value in sent.items()}
    response = on_call.post("/runbooks/wait/", sent)
    assert response.status_code == 422
    html = response.content.decode()
    assert said in html.replace("&#x27;", "'")
    assert 'class="field__error"' in html
    assert Run.objects.count() == 0


def test_it_keeps_what_was_filled_in(on_call: Client, book: Runbook, hosts: list[Host]) -> None:
    html = on_call.post("/runbooks/wait/", {"hosts": [hosts[1].pk], "param_peer": '"><b>', "key": "k7"}).content.decode()
    assert f'value="{hosts[1].pk}" checked' in html
    assert 'value="&quot;&gt;&lt;b&gt;"' in html
    assert 'name="key" value="k7"' in html


def test_it_refuses_a_host_that_is_switched_off(on_call: Client, book: Runbook, hosts: list[Host]) -> None:
    off = Host.objects.get(name="off")
    assert on_call.post("/runbooks/wait/", {"hosts": [off.pk], "param_peer": "10.0.0.1"}).status_code == 422


def test_it_lets_only_those_start_who_may(client: Client, person: Any, book: Runbook, hosts: list[Host]) -> None:
    client.force_login(person("view_runbook"))
    html = client.get("/runbooks/wait/").content.decode()
    assert "Your role may read, not start runs." in html
    assert client.post("/runbooks/wait/", {"hosts": [hosts[0].pk], "param_peer": "10.0.0.1"}).status_code == 403
    assert Run.objects.count() == 0


def test_it_needs_the_csrf_token(book: Runbook, person: Any, hosts: list[Host]) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(person("view_runbook", "start_run"))
    response = strict.post("/runbooks/wait/", {"hosts": [hosts[0].pk], "param_peer": "10.0.0.1"})
    assert response.status_code == 403
    assert b"This form was too old" in response.content


def test_it_knows_no_unpublished_runbook(on_call: Client, db: None) -> None:
    Runbook.objects.create(slug="draft", title="Draft")
    assert on_call.get("/runbooks/draft/").status_code == 404
    assert on_call.get("/runbooks/none/").status_code == 404
