"""Closed comparisons, and everything that is not one."""

import pytest

from checks.results import Verdict
from runbooks.document.evaluation import evaluate, lookup
from runbooks.document.expressions import ExpressionError, parse_comparison, read_condition
from runbooks.document.located import Place, load


def holds(text, **facts):
    return evaluate(read_condition(load(f"if: {text}").entries["if"][1]), facts)


@pytest.mark.parametrize(
    ("source", "fact", "expected"),
    [
        ("x == 5", 5, True),
        ("x == 5", "5", False),
        ("x == '5'", "5", True),
        ("x != 5", 6, True),
        ("x <= 5", 5, True),
        ("x < 5", 5, False),
        ("x > 0.25", 0.3, True),
        ("x >= -1", -1, True),
        ("x == true", True, True),
        ("x == true", 1, False),
        ("x == 1", True, False),
        ("x in [v1, 'hybrid']", "hybrid", True),
        ("x in [1, 2]", 3, False),
        ("x matches '^4\\.1[89]'", "4.19.90", True),
        ("x matches 'el7'", ["a", "3.10.el7"], True),
        ("x < [5, 8]", [4, 19, 90], True),
        ("x < [5, 8]", [5, 10], False),
        ("x == [5, 8]", (5, 8), True),
        ("x < 5", "4", None),
        ("x < 5", float("nan"), None),
        ("x < 5", None, None),
        ("x != 5", None, None),
        ("x matches 'a'", None, None),
    ],
)
def test_it_compares(source, fact, expected):
    assert evaluate(parse_comparison(source), {"x": fact}) is expected


def test_a_missing_fact_is_neither_true_nor_false():
    assert evaluate(parse_comparison("nothing != 1"), {}) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{all: ["yes == 1", "no == 1"]}', False),
        ('{all: ["yes == 1", "gone == 1"]}', None),
        ('{all: ["no == 1", "gone == 1"]}', False),
        ('{any: ["yes == 1", "gone == 1"]}', True),
        ('{any: ["no == 1", "gone == 1"]}', None),
        ('{any: ["no == 1", "no == 2"]}', False),
        ('{all: ["yes == 1", {any: ["gone == 1", "yes == 1"]}]}', True),
    ],
)
def test_it_combines_in_three_values(text, expected):
    assert holds(text, yes=1, no=0) is expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a == unknown", True),
        ("a in [unknown, skipped]", True),
        ("a != unknown", False),
        ("a == crit", None),
        ("a != crit", None),
        ("a in [ok, warn]", None),
        ("a matches ok", None),
    ],
)
def test_a_step_that_could_not_tell_settles_nothing(source, expected):
    assert evaluate(parse_comparison(source), {"a": Verdict.UNKNOWN}) is expected


def test_it_looks_into_steps_and_mappings():
    facts = {"mem.events": {"oom": 3}, "cpu": {"ratio": 0.5}, "a.b": 1}
    assert lookup(facts, "mem.events.oom") == 3
    assert lookup(facts, "cpu.ratio") == 0.5
    assert lookup(facts, "a.b") == 1
    assert lookup(facts, "cpu.ratio.x") is None
    assert lookup(facts, "__class__") is None


@pytest.mark.parametrize(
    ("source", "column", "says"),
    [
        ("x = 5", 3, "=="),
        ("x => 5", 3, "=="),
        ("x >= 5 and y < 3", 8, "all:"),
        ("x > 5 && y", 7, "all:"),
        ("not x", 5, "one of"),
        ("x contains y", 3, "one of"),
        ("x", 1, "compare x"),
        ("x >=", 3, "value after"),
        ("5 > x", 1, "begin with a fact"),
        ("x > 'abc'", 5, "numbers"),
        ("x in 5", 6, "list"),
        ("x in []", 6, "at least one"),
        ("x in [1 2]", 9, "commas"),
        ("x in [1, 2", 6, "close the list"),
        ("x == 'open", 6, "close the quote"),
        ("x matches 5", 11, "regular expression"),
        ("x matches '('", 11, "cannot be read"),
        ("x matches '" + "a" * 501 + "'", 11, "shorten"),
    ],
)
def test_it_says_where_a_comparison_goes_wrong(source, column, says):
    with pytest.raises(ExpressionError) as error:
        parse_comparison(source, Place(3, 1))
    assert says in error.value.say
    assert (error.value.place.line, error.value.place.column) == (3, column)


def test_it_points_into_the_file(check):
    document = check("expect:", '  - {if: "memcg_total >== 5", then: warn, say: x}')
    (problem,) = document.problems
    assert (problem.line, problem.column, problem.code) == (16, 25, "bad-expression")


def test_it_suggests_the_operator_that_was_meant():
    with pytest.raises(ExpressionError) as error:
        parse_comparison("x contains y")
    assert error.value.suggest == "matches"


def test_it_gives_up_on_a_pattern_that_takes_too_long():
    slow = parse_comparison("x matches '(a|aa)+$'")
    assert evaluate(slow, {"x": "a" * 5000 + "b"}) in (None, False)
    assert evaluate(parse_comparison("x matches '^(([a-z])+.)+[A-Z]([a-z])+$'"), {"x": "a" * 3000}) is None


ESCAPES = [
    "__import__('os').system('id')",
    "x.__class__.__mro__ == 1",
    "x.__class__ == 1",
    "().__class__ == 1",
    "x == __import__('os')",
    "x == open('/etc/passwd')",
    "x == (1)",
    "x == {1: 2}",
    "x == {{7*7}}",
    "x == ${7*7}",
    "x == `id`",
    "x == $(id)",
    "x == 1; import os",
    "x == 1 or 1 == 1",
    "x == 1 and y == 1",
    "x == 1 if y else 2",
    "lambda: 1",
    "x == lambda: 1",
    "exec('1')",
    "eval('1') == 1",
    "x := 5",
    "x == y()",
    "x() == 1",
    "x[0] == 1",
    "x['a'] == 1",
    "x.a() == 1",
    "x == f'{y}'",
    "x == b'1' b",
    "x == 'a' 'b'",
    "x == 'a' + 'b'",
    "x + 1 == 2",
    "x * 9 == 2",
    "x ** 9 == 2",
    "-x == 2",
    "~x == 2",
    "not x == 2",
    "x is None",
    "x == 1 # comment",
    "x == 1 // 2",
    "x == 1 /* a */",
    "x <> 1",
    "x === 1",
    "x =~ /a/",
    "x matches /a/",
    "x matches '(?P<a'",
    "x matches '[z-a]'",
    "x in y.z",
    "x in (1, 2)",
    "x in [1, [2]]",
    "x in [x for x in y]",
    "x in [*y]",
    "x < y",
    "x > crit",
    "x >= [1, 'a']",
    "X == 1",
    "_x == 1",
    "9x == 1",
    "x-y == 1",
    "x.y.z.w.v == 1",
    "x. == 1",
    ".x == 1",
    "@x == 1",
    "%(x)s == 1",
    "{x} == 1",
    "x == 1\nimport os",
    "",
    "   ",
    "\x00",
    "x == \x00",
    "x == 'a\\' or 'b'",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_it_refuses_everything_that_is_not_a_closed_comparison(source):
    with pytest.raises(ExpressionError):
        parse_comparison(source)


def test_the_corpus_is_large_enough():
    assert len(ESCAPES) >= 60


@pytest.mark.parametrize(
    "value", ["{all: []}", "{all: a == 1}", "{none: ['a == 1']}", "{all: ['a == 1'], any: ['a == 1']}", "5", "[]", "{}"]
)
def test_it_says_what_a_condition_looks_like(value):
    with pytest.raises(ExpressionError, match="comparison in quotes"):
        read_condition(load(f"if: {value}").entries["if"][1])
