"""Where fences begin and end."""

import pytest

from runbooks.document.fences import scan


def fences(text):
    return [(fence.line, fence.lang, fence.text) for fence in scan(text.split("\n")).fences]


def broken(text):
    return [(start.line, start.column, start.why) for start in scan(text.split("\n")).broken]


@pytest.mark.parametrize(
    "text",
    [
        "```check\nid: a\n```",
        "~~~check\nid: a\n~~~",
        "```` check\nid: a\n````",
        '```check title="x" collapse\nid: a\n```',
        "- item\n\n    ```check\n    id: a\n    ```",
        "- item\n\n  ```check\n  id: a\n  ```",
        "> ```check\n> id: a\n> ```",
        "> - x\n>\n>     ```check\n>     id: a\n>     ```",
        "\t```check\n\tid: a\n\t```",
    ],
)
def test_it_finds_a_check_fence(text):
    ((_, lang, body),) = fences(text)
    assert (lang, body) == ("check", "id: a")
    assert not broken(text)


def test_it_ignores_an_example_in_four_backticks():
    assert fences("````markdown\n```check\nid: a\n```\n````") == [(1, "markdown", "```check\nid: a\n```")]


def test_it_keeps_blank_lines_and_deeper_indent():
    assert fences("```check\na:\n\n  b: 1\n```") == [(1, "check", "a:\n\n  b: 1")]


def test_it_knows_the_columns_of_an_indented_fence():
    (fence,) = scan(["> ```check", "> id: a", "> ```"]).fences
    assert (fence.column, fence.indents) == (3, (2,))


@pytest.mark.parametrize(
    ("text", "why", "line", "column"),
    [
        ("x\n```check\nid: a\n", "unclosed-fence", 2, 1),
        ("```check\nid: a\n````", "unclosed-fence", 1, 1),
        ("  ```check\nid: a\n  ```", "unclosed-fence", 1, 3),
        ("```bash\nls\n", "unclosed-fence", 1, 1),
        ("```check id=a\nid: a\n```", "fence-attributes", 1, 1),
        ("```{.check #a}\nid: a\n```", "fence-attributes", 1, 1),
        ("```check, now\nid: a\n```", "fence-attributes", 1, 1),
        ("- ```check\n  id: a\n  ```", "fence-on-list-line", 1, 3),
        ("1. ```remedy\n   ls\n   ```", "fence-on-list-line", 1, 4),
        ("``check\nid: a\n``", "short-fence", 1, 1),
    ],
)
def test_it_reports_a_start_that_is_no_fence(text, why, line, column):
    assert broken(text)[0] == (line, column, why)


@pytest.mark.parametrize("text", ["``check`` is code", "see `check`", "```checklist\na\n```", "check", "```\n```"])
def test_it_says_nothing_of_text_that_means_no_check(text):
    assert broken(text) == []


def test_it_reads_many_unclosed_fences_in_one_pass():
    assert len(scan(["```a"] * 50_000).broken) == 1
