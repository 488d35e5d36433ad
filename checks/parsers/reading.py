"""Reading a section with a parser, and the one guard all line formats share: a last line without its end was cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from checks.errors import ParseError
from checks.parsers.files import split_files
from checks.results import Reason, Section

T = TypeVar("T")


def whole_lines(text: str) -> list[str]:
    """The lines of a text that ends with a line end, as everything in /proc does. Raises ParseError when it was cut.

    >>> whole_lines("a\\nb\\n")
    ['a', 'b']
    >>> whole_lines("a\\nb")
    Traceback (most recent call last):
    checks.errors.ParseError: the text stops in the middle of line 2; it was cut, or pasted without its last line end
    """
    lines = text.split("\n")
    if lines[-1]:
        say = f"the text stops in the middle of line {len(lines)}; it was cut, or pasted without its last line end"
        raise ParseError(say, Reason.TRUNCATED, line=len(lines))
    return lines[:-1]


def whole_number(word: str) -> int:
    """A number of ASCII digits. Raises ParseError for anything else; ``int`` alone takes blanks, signs and digits of all scripts.

    >>> whole_number("469")
    469
    """
    if not word.isascii() or not word.isdigit():
        raise ParseError(f"{word[:40]!r} is not a whole number")
    return int(word)


def whole_numbers(text: str) -> list[int]:
    """The numbers of a text that holds nothing else.

    >>> whole_numbers("966 4668\\n")
    [966, 4668]
    """
    return [whole_number(word) for word in text.split()]


def read(section: Section, parse: Callable[[str], T]) -> T:
    """What ``parse`` makes of the section. A ParseError learns which section it is of."""
    return _parse(section, parse, section.text, 0)


def is_files(section: Section) -> bool:
    """True for the output of the collectors' ``files`` word, False for a raw paste of one file."""
    return section.text.startswith(("== ", "!! "))


def read_file(section: Section, path: str, parse: Callable[[str], T]) -> tuple[T, int]:
    """One file of a ``files`` section, parsed, and what to add to its line numbers to get the section's.

    ``path`` may be the end of a path. A raw paste of that one file is read as well. Raises ParseError when the section was cut or
    the file is not in it.
    """
    if not is_files(section):
        return _parse(section, parse, section.text, 0), 0
    files = split_files(section.text)
    if not files.complete:
        raise ParseError(f"{section.name} was cut: its closing line is missing", Reason.TRUNCATED, section.name)
    found = files.ending(path)
    if found is None:
        known = next((known for known in files.absent if known.endswith(path)), path)
        return _parse(section, lambda _: parse(files.need(known)), "", 0), 0
    shift = files.line_of(found) - 1
    return _parse(section, parse, files.text(found), shift), shift


def _parse(section: Section, parse: Callable[[str], T], text: str, shift: int) -> T:
    try:
        return parse(text)
    except ParseError as error:
        line = error.line + shift if error.line else 0
        raise ParseError(f"{section.name}: {error.say}", error.reason, section.name, line) from error
