"""A revision stores plain data; a page reads it back without parsing."""

import json
import re

import pytest

from runbooks.document.stored import as_json, from_json


@pytest.fixture
def document(write):
    document = write(
        "Text.\n\n```check\nid: m\nprobe: cgroup.mode\ncompare: {all_equal: mode, then: crit}\n```\n\n"
        '```check\nid: a\nprobe: cgroup.cpu\nwith: {pid: "{p}"}\nlimits: {dying_crit: 5}\n'
        'when: {any: ["m == ok", {all: ["m.mode in [v1]"]}]}\n'
        "expect:\n  - {if: throttled_ratio > 0.5, then: warn, say: x}\nconfirms: true\n```\n\n```remedy\nreboot\n```\n",
        "params: {p: {type: pid, required: true}}\nsymptoms: {strong: [a+b]}\nsource: {title: t, errata: [e]}\n"
        "conclusions:\n  - {if: a == crit, say: x, do: y}\n",
    )
    assert document.ok, document.problems
    return document


def test_it_comes_back_as_it_was(document):
    stored = json.loads(json.dumps(as_json(document)))
    assert from_json(stored, document.text) == document


def test_it_comes_back_with_its_problems(write):
    document = write("```check\nid: a\n```\n")
    assert from_json(json.loads(json.dumps(as_json(document))), document.text) == document


def test_it_does_not_store_the_text_twice(document):
    assert "text" not in as_json(document)


def test_it_refuses_another_form(document):
    with pytest.raises(ValueError, match="parse the text again"):
        from_json(as_json(document) | {"version": 99})


def test_it_ignores_keys_that_a_newer_writer_added(document):
    stored = as_json(document)
    stored["meta"]["mood"] = "calm"
    assert from_json(stored, document.text) == document


def test_the_html_does_not_change_between_two_parses(write):
    first, second = write("a\n\n```remedy\nls\n```\n"), write("a\n\n```remedy\nls\n```\n")
    assert first.parts == second.parts
    assert not re.search(r"[0-9a-f]{24}", "".join(part.html_before for part in first.parts))
