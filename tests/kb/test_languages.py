"""English and Chinese: the catalogue is whole, its compiled form is current, and pages speak the reader's language."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import translation
from django.utils.translation.template import templatize

from runbooks.fragments import changes
from runbooks.watching import Watch

FOLDER = Path(__file__).parents[2] / "kb" / "locale" / "zh_Hans" / "LC_MESSAGES"
ENTRY = re.compile(r'^msgid (".*")\n(?:msgid_plural (".*")\n)?msgstr(?:\[0\])? (".*")$', re.MULTILINE)
ENTRIES = [
    tuple(ast.literal_eval(part or '""') for part in found) for found in ENTRY.findall((FOLDER / "django.po").read_text())
][1:]
PLACE = re.compile(r"%\(\w+\)s|\{\w+\}|<[^>]+>")


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    """A request leaves its language in this thread; the next test shall not speak it."""
    yield
    translation.deactivate()


def test_it_holds_the_compiled_form_of_the_catalogue() -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert len(ENTRIES) > 250
    for singular, plural, text in ENTRIES:
        assert (compiled.ngettext(singular, plural, 2) if plural else compiled.gettext(singular)) == text


@pytest.mark.parametrize(("singular", "plural", "text"), ENTRIES, ids=[entry[0][:40] for entry in ENTRIES])
def test_it_keeps_every_place_in_a_sentence(singular: str, plural: str, text: str) -> None:
    assert text
    assert sorted(PLACE.findall(text)) == sorted(PLACE.findall(plural or singular))


def _sources() -> Iterator[tuple[str, str]]:
    """Every place that has sentences for readers, as Python: templates are turned into it as Django does for gettext."""
    root = FOLDER.parents[3]
    for path in sorted((root / "templates").rglob("*.html")):
        yield path.name, templatize(path.read_text())
    for folder in ("kb", "runbooks"):
        for path in sorted((root / folder).rglob("*.py")):
            yield path.name, path.read_text()


CALL = re.compile(r"""(?:\b_|\bu?n?gettext(?:_lazy)?)\(\s*((?:u?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*)+)[,)]""")


def test_it_has_every_sentence_in_chinese() -> None:
    known = {singular for singular, _plural, _text in ENTRIES}
    said = {(name, ast.literal_eval(call.strip())) for name, text in _sources() for call in CALL.findall(text)}
    assert len(said) > 300
    assert sorted(one for one in said if one[1] not in known) == []


def test_it_speaks_the_language_of_the_browser(client: Client, db: None) -> None:
    english = client.get("/login/", headers={"Accept-Language": "de, en;q=0.5"}).content.decode()
    chinese = client.get("/login/", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).content.decode()
    assert '<html lang="en">' in english
    assert "Log in" in english
    assert '<html lang="zh-hans">' in chinese
    assert "登录" in chinese


def test_it_shows_a_run_in_chinese(client: Client, admin_user: Any, made_run: Any, answer: Any, result: Any) -> None:
    client.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")
    run = made_run(hosts=2)
    answer(run, "c1", result("crit", value=120))
    html = client.get(f"/runs/{run.pk}/", headers={"Accept-Language": "zh-CN"}).content.decode()
    assert '<i class="icon v-icon" aria-hidden="true"></i>严重</span>' in html
    assert "达到 100 things 为严重" in html
    live = changes(Watch(run.pk, "zh-hans"), 0).html
    assert "严重" in live
    assert "Critical" not in live
    assert "Critical" in changes(Watch(run.pk), 0).html


def test_it_heads_a_writeup_by_its_title_in_the_language_of_the_reader(client: Client, admin_user: Any, made_run: Any) -> None:
    client.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")
    book = made_run().revision.runbook
    book.title_zh = "编造的一篇"
    book.save()
    for address in ("/", f"/runbooks/{book.slug}/"):
        english = client.get(address).content.decode()
        chinese = client.get(address, headers={"Accept-Language": "zh-CN"}).content.decode()
        assert re.search(r'<h[13] lang="en">(<a[^>]*>)?Made up.*<p class="muted" lang="zh">编造的一篇', english, re.DOTALL)
        assert re.search(r'<h[13] lang="zh">(<a[^>]*>)?编造的一篇.*<p class="muted" lang="en">Made up', chinese, re.DOTALL)
