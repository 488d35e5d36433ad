"""YAML with lines and columns."""

import pytest

from runbooks.document.located import Place, YamlError, load


def test_it_knows_where_nested_keys_stand():
    node = load("a: 1\nb:\n  - {c: d}\n", first_line=7)
    place, value = node.entries["b"][1].items[0].entries["c"]
    assert place == Place(9, 6)
    assert value.place == Place(9, 9)


def test_it_adds_the_indent_of_a_fence_in_a_list():
    assert load("a: 1\nb: 2", 3, (4, 4)).entries["b"][0] == Place(4, 5)


def test_it_points_inside_quotes():
    assert load('a: "xyz"').entries["a"][1].text_at == Place(1, 5)


def test_it_reads_an_empty_block_as_no_keys():
    assert load("").plain == {}
    assert load("# only a comment\n").plain == {}


@pytest.mark.parametrize("word", ["no", "off", "yes", "NO", "1:30", "0x1f", "012abc", "2026-01-01", ".inf", "1_000", "9" * 4400])
def test_it_leaves_words_alone_that_other_readers_convert(word):
    assert load(f"a: {word}").plain == {"a": word}


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("a: 1\n\tb: 2", 2, 1, "spaces"),
        ("a: b: c", 1, 5, "quotes"),
        ('a: "open', 1, 4, "close the quote"),
        ("a: [1, 2", 1, 4, "]"),
        ("a: {b: 1", 1, 4, "}"),
        ("a: @x", 1, 4, "quotes"),
        ("a: 1\na: 2", 2, 1, "twice"),
        ("a: &x 1", 1, 4, "anchors"),
        ("a: *x", 1, 4, "anchors"),
        ("a: !!python/object:os.system ls", 1, 4, "tags"),
        ("a: 1\n---\nb: 2", 3, 1, "one block"),
        ("? [a]\n: b", 1, 3, "plain word"),
        ("a: \x07", 1, 4, "control character"),
        ('a: "\\d"', 1, 4, "single quotes"),
        ("[" * 50, 1, 13, "levels deep"),
        ("- " * 50, 1, 25, "levels deep"),
    ],
)
def test_it_says_where_and_what_to_write_instead(text, line, column, says):
    with pytest.raises(YamlError) as error:
        load(text)
    assert says in error.value.say
    assert error.value.place.line == line
    assert abs(error.value.place.column - column) <= 1


def test_it_survives_deep_nesting_and_alias_bombs():
    for text in ("[" * 100_000, "{a: " * 50_000, "a: &a [x]\nb: [*a, *a]"):
        with pytest.raises(YamlError):
            load(text)
