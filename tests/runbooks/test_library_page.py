"""The library: a list that is filtered by words of any language, and by tag."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from runbooks.models import Revision, Runbook

TEXT = "---\ntitle: {title}\ntags: [{tags}]\n---\n\n## Meaning\n\n{words}\n"


@pytest.fixture
def reader(client: Client, person: Any) -> Client:
    client.force_login(person("view_runbook"))
    return client


@pytest.fixture
def books(db: None) -> None:
    for slug, title, tags, words in (
        ("late", "Redis answers late", "cgroup", "Packets wait on the node."),
        ("proxy-arp", "跨节点的容器互相访问不通", "网络", "抓包可以看到请求已经到达目标节点。"),
        ("etcd", "etcd changes leader", "cgroup, etcd", "The disk is slow & busy <b>."),
    ):
        book = Runbook.objects.create(slug=slug, title=title, tags=[tag.strip() for tag in tags.split(",")])
        text = TEXT.format(title=title, tags=tags, words=words)
        book.published = Revision.objects.create(runbook=book, number=1, text=text)
        book.save()
    Runbook.objects.create(slug="draft", title="Nothing published yet")


def slugs(client: Client, **query: str) -> list[str]:
    html = client.get("/", query, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in html
    return [part.split("/")[0] for part in html.split('href="/runbooks/')[1:]]


def test_it_lists_what_is_published(reader: Client, books: None) -> None:
    assert slugs(reader) == ["late", "etcd", "proxy-arp"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("redis", ["late"]),
        ("REDIS late", ["late"]),
        ("redis etcd", []),
        ("容器", ["proxy-arp"]),
        ("抓包 节点", ["proxy-arp"]),
        ("网络", ["proxy-arp"]),
        ("slow & busy <b>", ["etcd"]),
        ("100% _ ' \"", []),
        ("proxy-arp", ["proxy-arp"]),
    ],
)
def test_it_finds_every_word_in_title_tags_or_text(reader: Client, books: None, query: str, found: list[str]) -> None:
    assert slugs(reader, q=query) == found


def test_it_filters_by_tag(reader: Client, books: None) -> None:
    assert slugs(reader, tag="cgroup") == ["late", "etcd"]
    assert slugs(reader, tag="cgroup", q="leader") == ["etcd"]


def test_it_holds_the_fragment_that_a_filter_swaps(reader: Client, books: None) -> None:
    page = reader.get("/").content.decode()
    fragment = reader.get("/", headers={"HX-Request": "true"}).content.decode()
    assert fragment.strip() in page
    assert fragment.startswith('<section id="library_list"')


def test_it_says_what_to_do_when_nothing_matches(reader: Client, books: None) -> None:
    html = reader.get("/", {"q": "<script>"}).content.decode()
    assert "No writeup knows this yet" in html
    assert "<script>&" not in html
    assert "&lt;script&gt;" in html


def test_it_says_how_an_empty_library_is_filled(reader: Client) -> None:
    assert "manage.py load_library" in reader.get("/").content.decode()


def test_it_marks_chinese_titles(reader: Client, books: None) -> None:
    assert '<h3 lang="zh"><a href="/runbooks/proxy-arp/">' in reader.get("/").content.decode()


def test_it_shows_runs_only_to_those_who_may_see_them(client: Client, person: Any, made_run: Any) -> None:
    run = made_run()
    client.force_login(person("view_runbook"))
    assert str(run.pk) not in client.get("/").content.decode()
    client.force_login(person("view_runbook", "view_run"))
    assert str(run.pk) in client.get("/").content.decode()


def test_it_is_closed_to_people_without_the_right(client: Client, person: Any) -> None:
    client.force_login(person())
    assert client.get("/").status_code == 403
