"""A run from a shell."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from runbooks.models import Run


def run(slug: str, *words: str) -> tuple[int, str]:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("run_runbook", slug, *words, stdout=out)
    assert isinstance(ended.value.code, int)
    return ended.value.code, out.getvalue()


@pytest.mark.parametrize(("answer", "code"), [(b"5\n", 0), (b"50\n", 1), (b"500\n", 2), (b"", 3)])
def test_it_ends_with_the_verdict(revision: Any, toy_host: Any, script: Any, answer: bytes, code: int) -> None:
    host, slug = toy_host(), revision().runbook.slug
    script.answers[host.name] = answer
    ended, said = run(slug, "--host", host.name, "-p", "word=hi")
    assert ended == code
    assert f"{host.name}" in said
    assert "2 of 2 collected" in said or code == 3
    assert Run.objects.get().params == {"word": "hi"}


def test_it_needs_no_account_and_no_broker(
    revision: Any, toy_host: Any, script: Any, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        run(revision().runbook.slug, "--host", toy_host().name)
    assert script.sent == []
    assert Run.objects.get().started_by is None


@pytest.mark.parametrize(
    ("words", "say"),
    [
        (["nothing", "--host", "h"], "there is no published runbook nothing"),
        (["{slug}", "--host", "nobody"], "there is no host nobody; some that there are: h"),
        (["{slug}", "--host", "h", "-p", "word"], "write -p NAME=VALUE"),
        (["{slug}", "--host", "h", "-p", "wrod=1"], "there is no parameter 'wrod'"),
    ],
)
def test_it_says_what_to_write_instead(revision: Any, toy_host: Any, script: Any, words: list[str], say: str) -> None:
    toy_host("h")
    slug = revision().runbook.slug
    with pytest.raises(CommandError, match=say) as caught:
        call_command("run_runbook", *(word.format(slug=slug) for word in words))
    assert caught.value.returncode == 64
