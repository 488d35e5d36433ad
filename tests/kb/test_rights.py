"""Who may do what: every address, every role, every method, held against one table; a new address needs its line here."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from kb.first_start import ROLES
from kb.models import ApiToken
from runbooks.models import Host

pytestmark = pytest.mark.django_db
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
EVERYONE, NOBODY = frozenset(ROLES), frozenset[str]()
RUNS, WRITES, MANAGES = frozenset({"on-call", "admin"}), frozenset({"author", "admin"}), frozenset({"admin"})

PAGES: dict[str, dict[str, frozenset[str]]] = {
    "": {"GET": EVERYONE},
    "runbooks/<slug:slug>/": {"GET": EVERYONE, "POST": RUNS},
    "runs/": {"GET": EVERYONE},
    "runs/<uuid:run_id>/": {"GET": EVERYONE},
    "runs/<uuid:run_id>/changes": {"GET": EVERYONE},
    "runs/<uuid:run_id>/checks/<str:check_id>/": {"GET": EVERYONE},
    "runs/<uuid:run_id>/cancel": {"POST": RUNS},
    "runs/<uuid:run_id>/rerun": {"POST": RUNS},
    "runs/<uuid:run_id>/rerun-unreached": {"POST": RUNS},
    "runs/<uuid:run_id>/steps/<int:step_id>/output": {"GET": EVERYONE},
    "runs/<uuid:run_id>/steps/<int:step_id>/output/<str:section>": {"GET": EVERYONE},
    "runs/<uuid:run_id>/steps/<int:step_id>/rerun": {"POST": RUNS},
    "runs/<uuid:run_id>/steps/<int:step_id>/trace": {"GET": EVERYONE},
    "trace/": {"GET": EVERYONE, "POST": EVERYONE},  # over pasted rules; asking a host needs the right to start, tested there
    "trace/<uuid:trace_id>/": {"GET": EVERYONE},
    "trace/<uuid:trace_id>/rules/<str:section>": {"GET": EVERYONE},
    "hosts/": {"GET": EVERYONE},
    "hosts/add": {"GET": MANAGES, "POST": MANAGES},
    "hosts/<int:host_id>/": {"GET": EVERYONE},
    "hosts/<int:host_id>/scan": {"POST": MANAGES},
    "hosts/<int:host_id>/pin": {"POST": MANAGES},
    "password/": {"GET": EVERYONE, "POST": EVERYONE, "PUT": EVERYONE},
    "api/v1/hosts": {"GET": EVERYONE},
    "api/v1/openapi.json": {"GET": EVERYONE},
    "api/v1/runbooks": {"GET": EVERYONE},
    "api/v1/runbooks/<slug>": {"GET": EVERYONE},
    "api/v1/runs": {"GET": EVERYONE, "POST": RUNS},
    "api/v1/runs/<uuidstr:run_id>": {"GET": EVERYONE},
    "api/v1/runs/<uuidstr:run_id>/cancel": {"POST": RUNS},
}
"""Which roles may use which method. What is not named is refused to all."""

PUBLIC = {"login/", "login/once/<str:token>/", "logout/", "healthz", "readyz", "api/v1/", "admin/login/", "favicon.ico"}
ADMIN: dict[str, frozenset[str]] = {
    "admin/": WRITES,
    "admin/runbooks/runbook/": WRITES,
    "admin/runbooks/runbook/add/": WRITES,
    "admin/runbooks/revision/": WRITES,
    "admin/runbooks/revision/add/": NOBODY,
    "admin/runbooks/host/": WRITES,
    "admin/runbooks/host/add/": MANAGES,
    "admin/runbooks/hostgroup/": WRITES,
    "admin/runbooks/hostgroup/add/": MANAGES,
    "admin/auth/user/": MANAGES,
    "admin/auth/user/add/": MANAGES,
    "admin/auth/group/": MANAGES,
    "admin/auth/group/add/": NOBODY,
    "admin/kb/apitoken/": MANAGES,
    "admin/kb/apitoken/add/": MANAGES,
    "admin/kb/auditentry/": MANAGES,
    "admin/kb/auditentry/add/": NOBODY,
    "admin/axes/accessattempt/": NOBODY,
}


def addresses(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for entry in patterns:
        text = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from addresses(entry.url_patterns, text)
        elif isinstance(entry, URLPattern):
            yield text


@pytest.fixture
def in_role(db: None) -> Callable[[str], User]:
    """A person with exactly that role: no flag, no right besides."""

    def make(role: str) -> User:
        user = User.objects.create_user(role)
        user.groups.set(Group.objects.filter(name=role))
        return user

    return make


@pytest.fixture
def path(made_run: Any, answer: Any) -> Callable[[str], str]:
    """A real address for a pattern: a run with an ended step, its runbook, its host."""
    run = made_run(checks=1)
    answer(run, "c1", "ok")
    step = run.steps.get()
    host = Host.objects.get()
    values = {"slug": run.revision.runbook.slug, "run_id": run.pk, "step_id": step.pk, "host_id": host.pk, "check_id": "c1"}

    def make(pattern: str) -> str:
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(values.get(match[1], uuid.uuid4())), pattern)

    return make


def test_it_has_a_line_for_every_address() -> None:
    known = set(addresses(get_resolver().url_patterns))
    assert {pattern for pattern in known if not pattern.startswith("admin/")} - PUBLIC == PAGES.keys()
    assert known >= ADMIN.keys()


@pytest.mark.parametrize("role", ROLES)
def test_it_holds_every_page_to_the_role(client: Client, in_role: Any, path: Any, role: str) -> None:
    user = in_role(role)
    _, token = ApiToken.issue(name="t", user=user, scope="run")
    headers = {"Authorization": f"Bearer {token}"}
    for pattern, allowed in PAGES.items():
        for method in METHODS:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
            kind = "application/json" if pattern.startswith("api/") else "multipart/form-data; boundary=x"
            body = '{"runbook": "made-up-1", "hosts": ["host-1"]}' if pattern.startswith("api/") else ""
            status = client.generic(method, path(pattern), body, content_type=kind, headers=headers).status_code
            if role in allowed.get(method, NOBODY):
                assert status < 500, (method, pattern, status)
                assert status not in (401, 403, 405), (method, pattern, status)
            else:
                assert status in (403, 405), (method, pattern, status)


@pytest.mark.parametrize("role", ROLES)
def test_it_holds_the_admin_to_the_role(client: Client, in_role: Any, path: Any, role: str) -> None:
    client.force_login(in_role(role), backend="django.contrib.auth.backends.ModelBackend")
    for pattern, allowed in ADMIN.items():
        status = client.get("/" + pattern, follow=True).status_code
        assert status == (200 if role in allowed else 403), pattern


def test_it_lets_an_author_read_hosts_but_not_change_them(client: Client, in_role: Any, path: Any) -> None:
    client.force_login(in_role("author"), backend="django.contrib.auth.backends.ModelBackend")
    host = Host.objects.get()
    address = f"/admin/runbooks/host/{host.pk}/change/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"name": "other"}).status_code == 403


def test_it_takes_a_person_in_with_a_role_and_a_link_that_works_once(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("add_person", "wei", "--role", "on-call", "--role", "author", "--url", "https://sidenote.example.org/")
    said = capsys.readouterr().out
    link = re.search(r"https://sidenote\.example\.org(/login/once/\S+)", said)
    assert link is not None
    assert client.post(link[1]).status_code == 302
    wei = User.objects.get(username="wei")
    assert set(wei.groups.values_list("name", flat=True)) == {"on-call", "author"}
    assert wei.check_password(said.split("password ")[-1].strip())
    assert client.post(link[1]).status_code == 410
    assert client.get("/admin/runbooks/runbook/add/").status_code == 200
    call_command("add_person", "wei", "--role", "viewer")
    assert User.objects.get(username="wei").has_perm("runbooks.view_run")
    assert not User.objects.get(username="wei").has_perm("runbooks.start_run")


def test_it_lets_a_person_change_the_password(client: Client) -> None:
    wei = User.objects.create_user("wei", password="correct horse battery")
    client.force_login(wei, backend="django.contrib.auth.backends.ModelBackend")
    new = {"new_password1": "staple lamp window", "new_password2": "staple lamp window"}
    assert 'class="field__error"' in client.post("/password/", {"old_password": "wrong", **new}).content.decode()
    assert client.post("/password/", {"old_password": "correct horse battery", **new}).status_code == 302
    wei.refresh_from_db()
    assert wei.check_password("staple lamp window")
