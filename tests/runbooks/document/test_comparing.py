"""One fact over many hosts."""

import pytest

from checks.results import Verdict
from runbooks.document.comparing import compare_hosts
from runbooks.document.model import Compare


def hosts(*values, fact="mtu"):
    return {f"n{number}": ({fact: value} if value is not None else {}) for number, value in enumerate(values, 1)}


def test_equal_hosts_are_ok():
    result = compare_hosts(Compare("all_equal", "mtu"), hosts(1500, 1500))
    assert (result.verdict, result.say, result.odd) == (Verdict.OK, "mtu is 1500 on all 2 hosts", ())


def test_the_minority_is_odd():
    result = compare_hosts(Compare("all_equal", "mtu", Verdict.CRIT), hosts(1500, 1480, 1500))
    assert (result.verdict, result.odd) == (Verdict.CRIT, ("n2",))
    assert result.say == "mtu differs: 1480 on n2, 1500 on 2 other hosts"


def test_the_author_may_say_it():
    assert compare_hosts(Compare("all_equal", "mtu", say="the MTU differs"), hosts(1, 2)).say == "the MTU differs"


def test_it_compares_lists_and_keeps_types_apart():
    assert compare_hosts(Compare("all_equal", "mtu"), hosts([1, 2], [1, 2])).verdict is Verdict.OK
    assert compare_hosts(Compare("all_equal", "mtu"), hosts([1, 2], [2, 1])).verdict is Verdict.WARN
    assert compare_hosts(Compare("all_equal", "mtu"), hosts("1", 1)).verdict is Verdict.WARN


def test_a_host_that_did_not_tell_keeps_it_from_being_ok():
    result = compare_hosts(Compare("all_equal", "mtu"), hosts(1500, 1500, None))
    assert (result.verdict, result.missing) == (Verdict.UNKNOWN, ("n3",))
    assert "n3 did not tell it" in result.say


def test_a_difference_counts_even_when_a_host_is_missing():
    result = compare_hosts(Compare("all_equal", "mtu"), hosts(1500, 1480, 1500, None))
    assert (result.verdict, result.odd, result.missing) == (Verdict.WARN, ("n2",), ("n4",))


def test_too_few_answers_cannot_be_compared():
    assert compare_hosts(Compare("all_equal", "mtu"), hosts(1500, None)).verdict is Verdict.UNKNOWN
    assert compare_hosts(Compare("outlier", "mtu"), hosts(1, 2, None)).verdict is Verdict.UNKNOWN


def test_one_host_has_nothing_to_be_compared_with():
    assert compare_hosts(Compare("all_equal", "mtu"), hosts(1500)).verdict is Verdict.SKIPPED
    assert compare_hosts(Compare("outlier", "mtu"), hosts(1, 9)).verdict is Verdict.SKIPPED


@pytest.mark.parametrize(
    ("values", "odd"),
    [
        ((500, 520, 480, 510, 13000), ("n5",)),
        ((500, 500, 500, 13000), ("n4",)),
        ((500, 500, 500, 501), ()),
        ((1, 2, 3, 4, 5), ()),
        ((0, 0, 0, 9), ("n4",)),
        (("v1", "v1", "unified"), ("n3",)),
    ],
)
def test_an_outlier_stands_apart_from_the_median(values, odd):
    result = compare_hosts(Compare("outlier", "mtu"), hosts(*values))
    assert result.odd == odd
    assert result.verdict is (Verdict.WARN if odd else Verdict.OK)


def test_the_author_may_move_the_limit():
    values = hosts(500, 520, 480, 510, 700)
    assert compare_hosts(Compare("outlier", "mtu"), values).odd == ("n5",)
    assert compare_hosts(Compare("outlier", "mtu", score=50), values).odd == ()
    assert compare_hosts(Compare("outlier", "mtu", apart=0.5), values).odd == ()


def test_a_long_list_of_odd_hosts_is_cut():
    say = compare_hosts(Compare("all_equal", "mtu"), hosts(1, 2, 3, 4, 5, 1, 1)).say
    assert say == "mtu differs: 2 on n2, 3 on n3, 4 on n4 and 1 more, 1 on 3 other hosts"


def test_it_looks_into_mappings():
    assert compare_hosts(Compare("all_equal", "a.b"), {"x": {"a": {"b": 1}}, "y": {"a": {"b": 1}}}).verdict is Verdict.OK
