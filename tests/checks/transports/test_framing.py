"""Streams of bytes back into sections, however they are cut, and damaged streams into errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.results import Section
from checks.transports.base import Command
from checks.transports.framing import FLOOD, STDERR, STDERR_MAX_BYTES, STDOUT, Capture, Decoder

B = "0123456789abcdef0123456789abcdef"
COMMANDS = (Command("one", ":", title="the first"), Command("two", ":", timeout_s=2), Command("three", ":"))
OUT = (
    f"Welcome!\n\n{B} hello\nfirst\n\n{B} 0 0 10.00 10.02\n\n{B} 1 124 10.02 12.03\nthird, no line feed\0\n{B} 2 3 12.03 12.03\n"
).encode()
ERR = f"motd\n{B} hello\n\n{B} 0\nwarning\n\n{B} 1\n\n{B} 2\n".replace("motd\n", "motd\n\n").encode()
SECTIONS = [
    Section("one", b"first\n", b"", 0, 20, command="the first"),
    Section("two", b"", b"warning\n", 124, 2010, timed_out=True),
    Section("three", b"third, no line feed\0", b"", 3, 0),
]


def decode(*chunks: tuple[int, bytes]) -> tuple[Decoder, list[Section]]:
    decoder = Decoder(B, COMMANDS)
    return decoder, [section for stream, data in chunks for section in decoder.feed(stream, data)]


def test_it_reads_both_streams_into_sections():
    decoder, sections = decode((STDOUT, OUT), (STDERR, ERR))
    assert sections == SECTIONS
    assert decoder.done


@given(st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.integers(1, 90)), max_size=40))
def test_it_reads_the_same_however_the_streams_are_cut_and_mixed(cuts):
    left = {STDOUT: OUT, STDERR: ERR}
    chunks = []
    for stream, size in cuts:
        chunks.append((stream, left[stream][:size]))
        left[stream] = left[stream][size:]
    decoder, sections = decode(*chunks, (STDOUT, left[STDOUT]), (STDERR, left[STDERR]))
    assert sections == SECTIONS
    assert decoder.done


def test_it_gives_only_whole_sections_for_every_prefix():
    for size in range(len(OUT) + 1):
        decoder, sections = decode((STDERR, ERR), (STDOUT, OUT[:size]))
        assert sections == SECTIONS[: len(sections)]
        assert decoder.done == (size == len(OUT))
        if decoder.greeted and not decoder.done:
            partial = decoder.abandon()
            assert partial.rc is None
            # the first bytes of a mark may be output too, as long as the mark is not whole
            assert (SECTIONS[len(sections)].stdout + f"\n{B}".encode()).startswith(partial.stdout)


def test_it_abandons_a_command_with_all_that_came_before_its_end():
    decoder, _ = decode((STDOUT, OUT[: OUT.index(b" feed\0")]), (STDERR, ERR))
    assert decoder.abandon(timed_out=True) == Section("three", b"third, no line", b"", None, timed_out=True)


def test_it_waits_for_the_end_on_both_streams():
    decoder, sections = decode((STDOUT, OUT))
    assert sections == []
    assert not decoder.greeted
    assert decoder.feed(STDERR, ERR) == SECTIONS


@given(st.binary(max_size=200))
def test_it_keeps_any_bytes_as_they_are(data):
    out = f"\n{B} hello\n".encode() + data + f"\n{B} 0 0 1.00 1.00\n".encode()
    decoder = Decoder(B, COMMANDS[:1])
    err = f"\n{B} hello\n".encode() + data + f"\n{B} 0\n".encode()
    (section,) = [*decoder.feed(STDOUT, out), *decoder.feed(STDERR, err)]
    assert (section.stdout, section.stderr) == (data, data)


@given(st.integers(4, 64), st.lists(st.binary(max_size=40), max_size=12))
def test_it_keeps_head_and_tail_and_counts_the_rest(limit, parts):
    capture = Capture(limit)
    for part in parts:
        capture.add(part)
    data = b"".join(parts)
    kept = capture.kept()
    assert len(kept) + capture.dropped == len(data)
    assert len(kept) == min(limit, len(data))
    head = limit - limit // 4
    assert kept[:head] == data[:head]
    assert kept[head:] == (data[head:][-(limit // 4) :])


def test_it_caps_each_stream_and_says_what_it_dropped():
    decoder = Decoder(B, [Command("big", ":", max_bytes=100)])
    decoder.feed(STDOUT, f"\n{B} hello\n".encode() + b"o" * 500)
    decoder.feed(STDERR, f"\n{B} hello\n".encode() + b"e" * 500 + f"\n{B} 0\n".encode())
    (section,) = decoder.feed(STDOUT, f"\n{B} 0 0 1.00 1.00\n".encode())
    assert (len(section.stdout), section.dropped_bytes, len(section.stderr)) == (100, 400, 100)
    assert Command("any", ":").max_bytes > STDERR_MAX_BYTES


@pytest.mark.parametrize("stream", [STDOUT, STDERR])
def test_it_notices_a_flood_on_either_stream(stream):
    decoder, _ = decode((STDOUT, f"\n{B} hello\n".encode()), (STDERR, f"\n{B} hello\n".encode()))
    for _ in range(FLOOD):
        decoder.feed(stream, b"y" * COMMANDS[0].max_bytes)
        flooded_early = decoder.flooded
    decoder.feed(stream, b"y" * 100)
    assert decoder.flooded
    assert not (stream == STDOUT and flooded_early)


@pytest.mark.parametrize(
    "marks",
    [
        f"\n{B} 1 0 1.00 1.00\n",
        f"\n{B} 0 0 1.00\n",
        f"\n{B} 0 zero 1.00 1.00\n",
        f"\n{B} hello again\n",
        f"\n{B} " + "9" * 500,
        f"\n{B} 0 99999999999999999999999 1.0 1.0\n",
    ],
)
def test_it_refuses_marks_that_are_damaged_or_out_of_order(marks):
    decoder, sections = decode((STDERR, ERR), (STDOUT, f"\n{B} hello\n{marks}".encode()))
    assert decoder.damage
    assert sections == []


def test_it_still_gives_what_came_before_the_damage():
    decoder, sections = decode((STDERR, ERR), (STDOUT, OUT.replace(f"{B} 2 ".encode(), f"{B} 7 ".encode())))
    assert decoder.damage
    assert sections == SECTIONS[:2]


@pytest.mark.parametrize("clock", ["-", "nan", "inf", "1e999", "9" * 40])
def test_it_measures_by_arrival_where_the_host_has_no_clock(clock):
    decoder = Decoder(B, COMMANDS[:1])
    decoder.feed(STDOUT, f"\n{B} hello\n".encode(), 50.0)
    decoder.feed(STDERR, f"\n{B} hello\n\n{B} 0\n".encode(), 50.0)
    (section,) = decoder.feed(STDOUT, f"\n{B} 0 0 {clock} {clock}\n".encode(), 50.75)
    assert section.duration_ms == 750


def test_it_does_not_mind_what_comes_after_the_last_end():
    decoder, sections = decode((STDERR, ERR + b"late" * 1000), (STDOUT, OUT + b"later" * 1000))
    assert sections == SECTIONS
    assert (decoder.done, decoder.flooded) == (True, False)


@pytest.mark.parametrize(
    ("status", "clock", "late"),
    [
        (137, "10.00 10.02", False),  # killed by something else
        (143, "10.00 12.00", True),
        (0, "10.00 12.40", True),  # it ended well when it was told to end, before its work was done
        (0, "10.00 11.90", False),
        (0, "- -", False),  # without a clock a slow line looks like a slow command
        (143, "- -", True),
    ],
)
def test_it_tells_what_ran_out_of_time_from_what_was_killed(status, clock, late):
    decoder = Decoder(B, COMMANDS[1:2])
    decoder.feed(STDERR, f"\n{B} hello\n\n{B} 0\n".encode(), 50.0)
    decoder.feed(STDOUT, f"\n{B} hello\n".encode(), 50.0)
    (section,) = decoder.feed(STDOUT, f"\n{B} 0 {status} {clock}\n".encode(), 53.0)
    assert (section.rc, section.timed_out) == (status, late)


def test_it_keeps_the_end_of_a_banner_for_the_sentence_about_it():
    decoder, _ = decode((STDOUT, b"This account is currently not available.\n"))
    assert decoder.banner == "This account is currently not available."


@given(st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=60)), max_size=20))
def test_it_never_raises_whatever_a_host_sends(chunks):
    decoder = Decoder("b", COMMANDS)
    for stream, data in chunks:
        decoder.feed(stream, data.replace(b"\x00", b"\nb "))
    decoder.banner  # noqa: B018
    if not decoder.done and decoder.index < len(COMMANDS):
        assert decoder.abandon().rc is None
