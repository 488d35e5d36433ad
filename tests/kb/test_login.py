"""The door: who is not logged in sees the login and the health of the site, and nothing else."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

PUBLIC = {
    "login/": "the door",
    "login/once/<str:token>/": "the token is the right, and works once",
    "logout/": "leads to the door",
    "admin/login/": "leads to the door",
    "healthz": "for a balancer",
    "readyz": "for a balancer",
    "api/v1/": "there is nothing",
    "favicon.ico": "leads to the icon",
}
"""What an anonymous person may open, and why. A new public address belongs in this list."""

SAMPLES = {"uuid": str(uuid.uuid4()), "uuidstr": str(uuid.uuid4()), "int": "1", "slug": "x", "str": "x", "path": "x"}


def addresses(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    """Every address of the site as its pattern."""
    for entry in patterns:
        text = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from addresses(entry.url_patterns, text)
        elif isinstance(entry, URLPattern):
            yield text


ALL = sorted(set(addresses(get_resolver().url_patterns)))


def sample(pattern: str) -> str:
    """An address that the pattern matches."""
    text = re.sub(r"<(?:(\w+):)?\w+>", lambda match: SAMPLES[match[1] or "str"], pattern)
    return "/" + re.sub(r"\^|\$|\(\?P<url>\.\*\)|\\Z", "", text)


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
@pytest.mark.parametrize("pattern", ALL)
def test_it_keeps_strangers_out(client: Client, pattern: str, method: str) -> None:
    if pattern in PUBLIC:
        return
    response = getattr(client, method)(sample(pattern))
    if pattern.startswith("api/"):
        assert response.status_code in (401, 405), pattern
    else:
        assert response.status_code == 302, pattern
        assert response.headers["Location"].startswith(("/login/", "/admin/login/")), pattern


def test_it_has_one_login(client: Client) -> None:
    assert client.get("/admin/login/?next=/admin/").headers["Location"] == "/login/?next=/admin/"


def test_it_lists_no_public_address_that_is_gone() -> None:
    assert set(ALL) >= PUBLIC.keys()


@pytest.fixture
def wei(db: None) -> Any:
    return get_user_model().objects.create_superuser("wei", password="correct horse battery")


def log_in(client: Client, password: str = "correct horse battery", following: str = "") -> Any:
    return client.post("/login/", {"username": "wei", "password": password, "next": following})


def test_it_lets_in_who_knows_the_password(client: Client, wei: Any) -> None:
    assert log_in(client).headers["Location"] == "/"
    assert client.get("/").status_code == 200


def test_it_goes_on_to_the_page_that_was_asked_for(client: Client, wei: Any) -> None:
    asked = client.get("/runs/").headers["Location"]
    html = client.get(asked).content.decode()
    assert "go on to the page you asked for" in html
    assert '<input type="hidden" name="next" value="/runs/">' in html
    assert log_in(client, following="/runs/").headers["Location"] == "/runs/"


def test_it_goes_to_no_other_site(client: Client, wei: Any) -> None:
    for address in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        client.logout()
        assert log_in(client, following=address).headers["Location"] == "/"


def test_it_says_that_name_and_password_do_not_fit_and_not_which(client: Client, wei: Any) -> None:
    wrong = log_in(client, "wrong").content.decode()
    unknown = client.post("/login/", {"username": "nobody", "password": "wrong"}).content.decode()
    assert 'role="alert"' in wrong
    assert "do not belong together" in wrong
    assert re.sub(r'value="[^"]*"', "", wrong) == re.sub(r'value="[^"]*"', "", unknown)
    assert "wrong" not in wrong.split("<main")[1]


def test_it_locks_a_name_after_ten_wrong_passwords(client: Client, wei: Any) -> None:
    for _ in range(9):
        assert log_in(client, "wrong").status_code == 200
    response = log_in(client, "wrong")
    assert response.status_code == 429
    assert b"Too many wrong passwords" in response.content
    assert log_in(client).status_code == 429


def test_it_logs_out_with_a_post_only(client: Client, wei: Any) -> None:
    log_in(client)
    assert client.get("/logout/").status_code == 405
    assert client.get("/").status_code == 200
    assert client.post("/logout/").headers["Location"] == "/login/"
    assert client.get("/").status_code == 302


def test_it_logs_in_once_by_link(client: Client, wei: Any) -> None:
    from kb.login_links import login_token

    address = f"/login/once/{login_token(wei)}/"
    assert client.get(address).status_code == 200
    assert client.get("/").status_code == 302
    assert client.post(address).headers["Location"] == "/"
    assert client.get("/").status_code == 200
    assert Client().post(address).status_code == 410


def test_it_turns_the_whole_page_to_the_login_when_a_fragment_is_refused(client: Client) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/runs/1?a=b&c=d"}
    response = client.get("/runs/", headers=headers)
    assert response.headers["HX-Redirect"] == "/login/?next=%2Fruns%2F1%3Fa%3Db%26c%3Dd"


def test_it_says_that_it_lives_without_a_login(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_it_is_ready_without_a_broker(client: Client, settings: Any) -> None:
    settings.LIVE_URL = "unix:///nowhere/broker.sock"
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"database": "ok", "broker": "no answer"})


def test_it_is_not_ready_without_a_database(client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LIVE_URL = "unix:///nowhere/broker.sock"
    monkeypatch.setattr("kb.views._database_answers", lambda: False)
    assert client.get("/readyz").status_code == 503


def test_it_asks_to_come_again_when_the_database_is_away(wei: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(wei, backend="django.contrib.auth.backends.ModelBackend")

    def gone(*_: Any) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr("runbooks.views.library.present_library", gone)
    response = client.get("/")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert b"The database does not answer" in response.content


def test_it_shows_a_plain_page_for_an_unforeseen_error(wei: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(wei, backend="django.contrib.auth.backends.ModelBackend")
    monkeypatch.setattr("runbooks.views.library.present_library", lambda *_: 1 / 0)
    response = client.get("/")
    assert response.status_code == 500
    assert b"Something broke on our side" in response.content
    assert b"ZeroDivisionError" not in response.content
