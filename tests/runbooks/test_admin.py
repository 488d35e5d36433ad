"""The admin lints before it saves, and every save is a new revision."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from runbooks.models import Revision, Runbook

pytestmark = pytest.mark.django_db

TEXT = """---
title: Kernel too old
kind: incident
---

## Meaning

Old.

## Impact

Slow.

## Diagnosis

### Which kernel?

```check
id: kernel
probe: kernel.gate
```

## Mitigation

Upgrade.
"""


@pytest.fixture
def author(client: Client) -> User:
    user = User.objects.create_user("author")
    names = ("view_runbook", "add_runbook", "change_runbook", "view_revision")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    return user


def _save(client: Client, text: str, address: str = "add", **more: str) -> int:
    data = {"slug": "kernel-too-old", "text": text, "comment": "first", "publish": "on"} | more
    return client.post(f"/admin/runbooks/runbook/{address}/", data).status_code


def test_it_saves_the_text_as_a_published_revision(client: Client, author: User) -> None:
    assert _save(client, TEXT.replace("\n", "\r\n")) == 302
    runbook = Runbook.objects.get()
    assert runbook.published is not None
    assert (runbook.title, runbook.published.number, runbook.published.author) == ("Kernel too old", 1, author)
    assert runbook.published.text == TEXT


def test_it_makes_every_save_a_new_revision_and_keeps_the_old_one(client: Client, author: User) -> None:
    _save(client, TEXT)
    runbook = Runbook.objects.get()
    assert _save(client, TEXT.replace("too old", "far too old"), f"{runbook.pk}/change") == 302
    runbook.refresh_from_db()
    assert runbook.published is not None
    assert runbook.published.number == 2
    assert runbook.title == "Kernel far too old"
    assert Revision.objects.get(number=1).text == TEXT


def test_it_keeps_a_draft_from_the_readers(client: Client, author: User) -> None:
    _save(client, TEXT)
    runbook = Runbook.objects.get()
    _save(client, TEXT.replace("too old", "draft"), f"{runbook.pk}/change", publish="")
    runbook.refresh_from_db()
    assert runbook.published is not None
    assert (runbook.published.number, runbook.title, runbook.revisions.count()) == (1, "Kernel too old", 2)


def test_it_saves_nothing_that_has_an_error_and_says_where(client: Client, author: User) -> None:
    text = TEXT.replace("kernel.gate", "kernel.gat")
    page = client.post("/admin/runbooks/runbook/add/", {"slug": "x", "text": text, "publish": "on"}).content.decode()
    assert "20:8" in page
    assert "kernel.gate" in page
    assert not Runbook.objects.exists()


def test_it_lints_while_the_author_types(client: Client, author: User) -> None:
    answer = client.post("/admin/runbooks/runbook/lint/", {"text": TEXT.replace("id: kernel", "id: kernel\nsampels: 2")}).json()
    assert not answer["ok"]
    assert answer["problems"][0]["line"] == 20
    assert client.post("/admin/runbooks/runbook/lint/", {"text": TEXT}).json()["ok"]


def test_it_lets_only_authors_in(client: Client) -> None:
    client.force_login(User.objects.create_user("viewer", is_staff=True))
    assert _save(client, TEXT) == 302
    assert not Runbook.objects.exists()
    for address in ("/admin/", "/admin/runbooks/runbook/add/", "/admin/runbooks/runbook/lint/"):
        assert client.get(address, follow=True).status_code == 403


def test_it_refuses_to_change_a_revision(client: Client, author: User) -> None:
    _save(client, TEXT)
    revision = Revision.objects.get()
    revision.text = "other"
    with pytest.raises(ValueError, match="immutable"):
        revision.save()
    assert client.post(f"/admin/runbooks/revision/{revision.pk}/change/", {"text": "x"}).status_code == 403


def test_it_takes_any_text_up_to_the_limit_of_a_runbook_and_lints_a_longer_one(client: Client, author: User) -> None:
    long = TEXT + "\n" + ("说明" * 20 + "\n") * 11_500  # as much prose as is shown, of which a form makes more than 4 MB
    assert 1_300_000 < len(long.encode()) < 2_000_000
    body = urlencode({"slug": "kernel-too-old", "text": long, "comment": "", "publish": "on"})
    kind = "application/x-www-form-urlencoded"
    assert client.post("/admin/runbooks/runbook/add/", body, content_type=kind).status_code == 302
    page = client.post("/admin/runbooks/runbook/lint/", {"text": TEXT + "x" * 2_100_000}).json()
    assert [problem["say"] for problem in page["problems"] if "2 MB" in problem["say"]]
    too_much = client.post("/admin/runbooks/runbook/add/", {"text": "x" * (8 << 20)})
    assert too_much.status_code == 400
    assert "a runbook may have 2 MB" in too_much.content.decode()
    assert Runbook.objects.count() == 1
