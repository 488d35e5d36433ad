"""No text keeps the parser busy, and no text makes it raise."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbooks.document.fields import PROBLEMS_MAX
from runbooks.document.parse import parse

HEAD = "---\ntitle: x\nkind: reference\n---\n"


@pytest.mark.parametrize(
    ("body", "line", "says"),
    [
        ("[" * 19_000, 5, "so many ["),
        (("[a](b " * 200 + "\n") * 20, 6, "so many ["),
        (("<a " * 200 + "\n") * 20, 5, "close the tags"),
        ("x" * 20_001, 5, "break this line"),
        ("# a\n" * 1_001, 1005, "headings"),
        ("a\n=\n" * 1_001, 2006, "headings"),
        ("```\n```\n" * 1_001, 2005, "fences"),
        (("word " * 100 + "\n\n") * 1_100, 5, "prose"),
        (">" * 30 + "x", 5, "levels deep"),
    ],
)
def test_it_refuses_what_would_take_minutes(body, line, says):
    document = parse(HEAD + body)
    (problem,) = [p for p in document.problems if p.code == "too-much"]
    assert problem.line == line
    assert says in problem.say
    assert document.parts == ()


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "```check\nid: a\nprobe: b\n```\n" * 3000,
        HEAD + "```check\n" + "".join(f"k{n}: 1\n" for n in range(1500)) + "```\n",
        "---\n" + "".join(f"key{n}: 1\n" for n in range(4000)) + "---\n",
        HEAD + "".join(f"``check\n{n}\n" for n in range(4000)),
    ],
)
def test_it_stops_at_too_many_problems(text):
    document = parse(text)
    assert 0 < len(document.problems) <= PROBLEMS_MAX
    assert not document.ok


def test_it_refuses_long_front_matter_and_long_checks():
    assert parse("---\ntitle: x\ntags: [" + "a, " * 30_000 + "]\n---\n").problems[0].code == "too-long"
    assert "too-long" in [
        p.code for p in parse(HEAD + "```check\nid: a\nprobe: b\nwith: [" + "a, " * 6_000 + "]\n```\n").problems
    ]


def test_it_shows_a_long_and_ordinary_text():
    body = "".join(f"\n## Chapter {n}\n\nSome words with `code`, a [link](https://example.org) and a < b.\n" for n in range(300))
    document = parse(HEAD + body)
    assert document.ok
    assert len(document.parts) == 300


def test_a_large_log_in_a_fence_is_no_trouble():
    assert parse(HEAD + "```\n" + "[x] <y " * 20_000 + "\n```\n").problems[0].code == "too-much"
    assert parse(HEAD + "```\n" + "[x] <y\n" * 100_000 + "```\n").ok


@pytest.mark.parametrize(
    "text",
    [
        "\ud800",
        "---\ntitle: \udfff\n---\n",
        HEAD + "\x00\x02\x03 \x1b[31m",
        "---\n\x00\n---\n",
        "\ufeff",
        "```check\n\ud800\n```",
    ],
)
def test_it_survives_what_is_not_text(text):
    document = parse(text)
    assert document.text == text
    assert not document.ok or "\ud800" not in text


def test_it_names_the_line_with_half_a_character():
    (problem,) = parse(HEAD + "a\nb\ud800\n").problems
    assert (problem.line, problem.code) == (6, "not-text")


PIECES = [
    *(
        "`",
        "```check\n",
        "```\n",
        "~~~",
        ">",
        "#",
        "-",
        " ",
        "    ",
        "\n",
        "\t",
        "id: a\n",
        "probe: b\n",
        "[",
        "](",
        ")",
        "{",
        "}",
    ),
    *('"', "'", ":", "&", "*", "|", "<b>", "</b>", "<!--", "-->", "---\n", "中文", "expect:\n", "  - {if: x > 1}\n"),
]
FRAMES = ["{0}", HEAD + "{0}", "---\n{0}\n---\n", HEAD + "```check\n{0}\n```\n"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=40),
    st.sampled_from(FRAMES),
)
def test_it_never_raises(pieces, frame):
    text = frame.replace("{0}", "".join(pieces))
    document = parse(text)
    assert document.text == text
    assert all(problem.line >= 1 and problem.column >= 1 and problem.say for problem in document.problems)
    assert all(problem.line <= text.count("\n") + 1 for problem in document.problems)


def test_every_prefix_of_a_good_file_is_read():
    text = HEAD + "# a\n\n```check\nid: a\nprobe: cgroup.mode\nexpect:\n  - {if: \"x > 1\", then: warn, say: '{x}'}\n```\n\n- b\n"
    for end in range(len(text)):
        assert parse(text[:end]).text == text[:end]


def test_it_survives_random_bytes():
    source = random.Random(7)
    for _ in range(200):
        text = bytes(source.randrange(256) for _ in range(200)).decode("latin-1")
        assert parse(text).text == text
