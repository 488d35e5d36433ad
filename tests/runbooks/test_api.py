"""The API: bearer tokens, problems, runs as JSON and as text for chat. The examples of docs/api.md are replayed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client

from checks.errors import TransportError
from checks.results import Reason
from kb.models import ApiToken
from runbooks.execution import execute
from runbooks.models import Host, Revision, Run

pytestmark = pytest.mark.django_db(transaction=True)
DOCS = Path(__file__).parents[2] / "docs" / "api.md"
RIGHTS = ("view_runbook", "view_run", "view_host", "start_run")


class Bot:
    """A client with a token."""

    def __init__(self, scope: str = "run", rights: tuple[str, ...] = RIGHTS) -> None:
        self.user = User.objects.create_user(f"bot-{scope}-{len(rights)}")
        self.user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        _, self.token = ApiToken.issue(name="test", user=self.user, scope=scope)
        self.client = Client()

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {self.token}"} | headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        data = body if isinstance(body, str) else json.dumps(body)
        headers = {"Authorization": f"Bearer {self.token}"} | headers
        return self.client.post(f"/api/v1/{path}", data, content_type="application/json", headers=headers)


@pytest.fixture
def bot() -> Bot:
    return Bot()


@pytest.fixture
def toy(script: Any, revision: Callable[..., Revision], toy_host: Callable[..., Host]) -> Revision:
    toy_host("toy-host")
    made = revision()
    made.runbook.slug = "toy"
    made.runbook.save()
    return made


def _finish(run_id: str) -> None:
    run = Run.objects.get(pk=run_id)
    execute(run.pk, list(run.hosts.values_list("pk", flat=True)))


def _start(bot: Bot, **more: Any) -> str:
    answer = bot.post("runs", {"runbook": "toy", "hosts": ["toy-host"]} | more)
    assert answer.status_code == 202, answer.content
    return str(answer.json()["id"])


def test_it_replays_the_examples_of_its_docs(bot: Bot, toy: Revision) -> None:
    run_id = ""
    pairs = re.findall(r"```http\n(.*?)```\n.*?```(json|text)\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(pairs) == 4
    for request, kind, expected in pairs:
        answer = _send(bot, request.replace("{id}", run_id))
        if kind == "text":
            told = answer.content.decode()
            assert all(line in told for line in expected.splitlines())
            continue
        body = answer.json() | {"status": answer.status_code}
        wanted = json.loads(expected)
        assert {name: body[name] for name in wanted} == wanted
        if answer.status_code == 202:
            run_id = body["id"]
            _finish(run_id)


def _send(bot: Bot, request: str) -> HttpResponse:
    head, _, body = request.partition("\n\n")
    first, *rest = head.strip().splitlines()
    method, path = first.split()
    headers = dict(line.split(": ", 1) for line in rest)
    path = path.removeprefix("/api/v1/")
    return bot.get(path, **headers) if method == "GET" else bot.post(path, body, **headers)  # type: ignore[no-any-return]


def test_it_answers_202_with_the_address_of_the_run(bot: Bot, toy: Revision) -> None:
    answer = bot.post("runs", {"runbook": "toy", "hosts": ["toy-host"]})
    assert answer.status_code == 202
    assert answer["Location"].endswith(f"/api/v1/runs/{answer.json()['id']}")
    run = Run.objects.get()
    assert (run.origin, run.started_by) == ("api", bot.user)


def test_it_gives_the_same_run_for_the_same_key(bot: Bot, toy: Revision) -> None:
    key = {"Idempotency-Key": "alert-1"}
    first = bot.post("runs", {"runbook": "toy", "hosts": ["toy-host"]}, **key)
    again = bot.post("runs", {"runbook": "toy", "hosts": ["toy-host"]}, **key)
    assert first.json()["id"] == again.json()["id"]
    other = bot.post("runs", {"runbook": "toy", "hosts": ["toy-host"], "params": {"word": "x"}}, **key)
    assert (other.status_code, other["Content-Type"]) == (409, "application/problem+json")
    assert Run.objects.count() == 1


def test_it_tells_the_answer_and_every_result(bot: Bot, toy: Revision, script: Any) -> None:
    script.answers["toy-host"] = b"150\n"
    run_id = _start(bot)
    _finish(run_id)
    run = bot.get(f"runs/{run_id}?include=facts,findings").json()
    assert (run["state"], run["verdict"]) == ("finished", "crit")
    assert [step["check"] for step in run["steps"]] == ["first", "second"]
    assert run["steps"][0]["facts"]["value"] == 150
    assert run["steps"][0]["findings"][0]["evidence"][0]["line"] == 1
    assert "facts" not in {k: v for k, v in bot.get(f"runs/{run_id}").json()["steps"][0].items() if v is not None}
    text = bot.get(f"runs/{run_id}", Accept="text/plain").content.decode()
    assert text.startswith("CRITICAL · Toy\n")
    assert "- Critical: first: the number is 150" in text
    assert text.rstrip().endswith(f"/runs/{run_id}/")


def test_it_says_in_chat_what_was_not_seen(bot: Bot, toy: Revision, script: Any) -> None:
    script.fail["toy-host"] = TransportError("toy-host refuses connections", Reason.CONNECT_REFUSED)
    run_id = _start(bot)
    _finish(run_id)
    text = bot.get(f"runs/{run_id}", Accept="text/plain").content.decode()
    assert "toy-host" in text
    assert "0 of 1 host," in text


def test_it_stops_a_run(bot: Bot, toy: Revision) -> None:
    run_id = _start(bot)
    answer = bot.post(f"runs/{run_id}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")


def test_it_pages_through_lists(bot: Bot, toy: Revision) -> None:
    started = [_start(bot) for _ in range(3)]
    first = bot.get("runs?limit=2").json()
    rest = bot.get(f"runs?limit=2&cursor={first['next']}").json()
    assert [run["id"] for run in first["items"] + rest["items"]] == started[::-1]
    assert rest["next"] is None
    assert bot.get("runs?cursor=%C3%A4").status_code == 422
    assert [one["slug"] for one in bot.get("runbooks?q=toy").json()["items"]] == ["toy"]
    assert bot.get("hosts").json()["items"][0]["name"] == "toy-host"


def test_it_describes_a_runbook(bot: Bot, toy: Revision) -> None:
    answer = bot.get("runbooks/toy")
    assert answer["ETag"] == f'"{toy.sha256}"'
    body = answer.json()
    assert body["params"][0]["name"] == "word"
    assert [step["confirms"] for step in body["steps"]] == [True, False]
    assert bot.get("runbooks/nothing").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{", "body"),
        ('{"hosts": []}', "runbook"),
        ('{"runbook": "toy", "hosts": "toy-host"}', "hosts"),
        ('{"runbook": "toy", "hosts": ["toy-host"], "extra": 1}', "extra"),
        ('{"runbook": "toy", "hosts": ["toy-host"], "params": {"nothing": 1}}', "params.nothing"),
        ('{"runbook": "toy", "hosts": []}', ""),
    ],
)
def test_it_says_what_is_wrong_with_a_body(bot: Bot, toy: Revision, body: str, field: str) -> None:
    answer = bot.post("runs", body)
    assert answer.status_code in (400, 422)
    problem = answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    assert any(field in error["field"] for error in problem["errors"]) or not problem["errors"]
    assert not Run.objects.exists()


def test_it_wants_a_valid_token_and_nothing_else(bot: Bot, toy: Revision) -> None:
    client = Client()
    client.force_login(bot.user)  # a browser's session is no token
    for headers in ({}, {"Authorization": "Bearer sn_wrong"}, {"Authorization": f"Basic {bot.token}"}):
        answer = client.get("/api/v1/runs", headers=headers)
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
        assert answer["WWW-Authenticate"].startswith("Bearer")
    assert client.get(f"/api/v1/runs?token={bot.token}").status_code == 401


def test_it_lets_a_token_do_no_more_than_its_scope_and_its_user(toy: Revision) -> None:
    reader = Bot(scope="read")
    assert reader.get("runbooks").status_code == 200
    assert reader.post("runs", {"runbook": "toy", "hosts": ["toy-host"]}).status_code == 403
    powerless = Bot(scope="run", rights=("view_runbook",))
    assert powerless.post("runs", {"runbook": "toy", "hosts": ["toy-host"]}).status_code == 403
    assert powerless.get("runs").status_code == 403
    assert not Run.objects.exists()


@pytest.mark.parametrize("body", ['{"broken', "{}", "[]", '{"runbook": "nothing", "hosts": ["toy-host"]}'])
def test_it_asks_for_the_right_before_it_reads_the_request(toy: Revision, body: str) -> None:
    for powerless in (Bot(scope="read"), Bot(rights=("view_runbook",))):
        answer = powerless.post("runs", body)
        assert answer.status_code == 403
        assert answer["Content-Type"] == "application/problem+json"
    assert Bot(rights=()).get("runs?limit=many").status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("GET", "runs/no-number", 404),
        ("PUT", "runs", 405),
        ("GET", "runbooks?q=%00", 404),
        ("GET", "runbooks/a%00b", 404),
    ],
)
def test_it_answers_every_error_as_a_problem(bot: Bot, toy: Revision, method: str, path: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {bot.token}"}
    answer = bot.client.generic(method, f"/api/v1/{path}", headers=headers)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert ("Allow" in answer) == (status == 405)


def test_it_answers_a_body_that_is_too_large_as_a_problem(bot: Bot, toy: Revision) -> None:
    answer = bot.post("runs", "x" * (8 << 20))
    assert answer.status_code == 400
    assert answer.json()["detail"] == "the request cannot be read"


def test_it_takes_a_name_that_no_database_can_hold_for_a_wrong_one(bot: Bot, toy: Revision) -> None:
    assert bot.post("runs", {"runbook": "a\0b", "hosts": ["toy-host"]}).status_code in (404, 422)
    assert bot.post("runs", {"runbook": "toy", "hosts": ["a\0b"]}).status_code == 422


def test_it_describes_its_problems_its_headers_and_its_text(bot: Bot) -> None:
    paths = bot.get("openapi.json").json()["paths"]
    started = paths["/api/v1/runs"]["post"]["responses"]
    assert "Location" in started["202"]["headers"]
    for status in ("401", "403", "404", "409", "422", "503", "507"):
        assert started[status]["content"].keys() == {"application/problem+json"}
    assert "text/plain" in paths["/api/v1/runs/{run_id}"]["get"]["responses"]["200"]["content"]


def test_it_serves_its_own_description(bot: Bot) -> None:
    assert Client().get("/api/v1/openapi.json").status_code == 401
    document = bot.get("openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {operation["operationId"] for path in document["paths"].values() for operation in path.values()} == {
        "list_runbooks", "read_runbook", "list_hosts", "start_run", "list_runs", "read_run", "cancel_run",
    }  # fmt: skip
    assert document["components"]["securitySchemes"]["Bearer"]["scheme"] == "bearer"
