import pytest

from checks.analyzers.counters import delta, growth, parse_uptime, seconds_between
from checks.errors import EvidenceError, ParseError
from checks.results import Reason, Section


@pytest.mark.parametrize(
    ("before", "after", "grown"),
    [
        (0, 0, 0),
        (7, 9, 2),
        (0xFFFFFFFF, 0, 1),
        (0xFFFFFF00, 0x100, 0x200),
        (0xC0000000, 0x10000000, 0x50000000),
        (0x70000000, 0x10, None),
        (5_000_000_000, 10, None),
        (100, 3, None),
    ],
)
def test_it_tells_a_wrap_of_32_bits_from_a_reset(before: int, after: int, grown: int | None) -> None:
    assert delta(before, after) == grown


def test_it_names_the_counter_that_was_reset() -> None:
    with pytest.raises(EvidenceError, match="OutSegs fell from 100 to 3") as caught:
        growth("OutSegs", 100, 3, "snmp_b", 8)
    assert (caught.value.reason, caught.value.section, caught.value.line) == (Reason.COUNTER_RESET, "snmp_b", 8)


@pytest.mark.parametrize(
    "text", ["", "12.34", "12.34 56.78", "12 34\n", "nan 1.00\n", "12.34 56.78\n9.00 9.00\n", "-1.00 2.00\n"]
)
def test_it_refuses_what_is_no_uptime(text: str) -> None:
    with pytest.raises(ParseError):
        parse_uptime(text)


def between(before: str, after: str) -> float | None:
    sections = {"uptime_a": Section("uptime_a", before.encode()), "uptime_b": Section("uptime_b", after.encode())}
    return seconds_between(sections, sections.__getitem__)


def test_it_takes_the_seconds_from_the_hosts_own_clock() -> None:
    assert between("100.50 7.00\n", "110.75 9.00\n") == pytest.approx(10.25)
    assert seconds_between({}, {}.__getitem__) is None


def test_it_sees_a_boot_between_the_samples() -> None:
    with pytest.raises(EvidenceError) as caught:
        between("90000.00 7.00\n", "12.00 9.00\n")
    assert caught.value.reason == Reason.COUNTER_RESET
