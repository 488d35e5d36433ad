"""Nothing inline: the policy is sent with every page, and no template needs more than it allows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "kb" / "static" / "kb").glob("*.js"))
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def policy(response: Any) -> dict[str, str]:
    entries = (entry.strip().partition(" ") for entry in response.headers["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in entries}


@pytest.mark.parametrize("address", ["/login/", "/", "/runs/", "/hosts/", "/hosts/add", "/none", "/healthz"])
def test_it_sends_the_policy_with_every_answer(client: Client, db: None, admin_user: Any, address: str) -> None:
    assert policy(client.get(address)) == POLICY
    client.force_login(admin_user, backend="django.contrib.auth.backends.ModelBackend")
    response = client.get(address)
    assert policy(response) == POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_it_keeps_scripts_and_styles_out_of_templates(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"<style", text)
    assert not re.search(r"\son[a-z]+\s*=", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"javascript:|hx-on|\bjs:", text)
    assert not re.search(r"(src|href)=[\"'](https?:)?//", text), "everything comes from this site"
    assert "|safe" not in text


def test_it_calls_text_safe_in_two_named_filters_only() -> None:
    users = [path for room in ("kb", "runbooks") for path in (ROOT / room).rglob("*.py") if "mark_safe" in path.read_text()]
    assert [path.name for path in users] == ["runbook_tags.py"]
    assert users[0].read_text().count("return mark_safe(") == 2


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_it_needs_no_eval_and_writes_no_html(script: Path) -> None:
    text = script.read_text()
    assert not re.search(r"\beval\(|new Function|innerHTML|insertAdjacentHTML|document\.write|setAttribute\(\"on", text)


def test_it_switches_htmx_to_the_strict_side(client: Client, db: None) -> None:
    html = client.get("/login/").content.decode()
    for setting in ('"allowEval":false', '"includeIndicatorStyles":false', '"selfRequestsOnly":true'):
        assert setting in html
