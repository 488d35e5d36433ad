"""Text that no person wrote can keep a Markdown renderer busy for minutes; it is refused before it is rendered.

Measured with Markdown 3.11: prose costs 2 seconds per megabyte, but time grows with the square or the cube of open brackets in
one paragraph, unclosed tags and headings (20,000 ``[`` in one line: 45 s). Within these limits a file renders in 3 seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from runbooks.document.fences import Scan
from runbooks.document.fields import Problems
from runbooks.document.located import Place

LINE_MAX = 20_000
PROSE_MAX = 500_000
PARAGRAPH_BRACKETS_MAX = 300
BRACKETS_MAX = 10_000
OPEN_TAGS_MAX = 100
HEADINGS_MAX = 1_000
FENCES_MAX = 1_000
QUOTES_MAX = 20
_OPEN_TAG = re.compile(r"<[A-Za-z/][^<>]*+(?=<|\Z)")


def fit_to_render(lines: list[str], first: int, found: Scan, problems: Problems) -> bool:
    """True when rendering is cheap; otherwise one error says what to shorten."""
    for number, say in _too_much(lines, first, found):
        problems.error(Place(number, 1), "too-much", f"{say}; until then this text is not shown")
        return False
    return True


def _too_much(lines: list[str], first: int, found: Scan) -> Iterator[tuple[int, str]]:
    inside = {number for fence in found.fences for number in range(fence.line, fence.end + 1)}
    prose = [(number, line) for number, line in enumerate(lines[first:], first + 1) if number not in inside]
    long = next((number for number, line in enumerate(lines, 1) if len(line) > LINE_MAX), 0)
    if long:
        yield long, f"break this line: it is longer than {LINE_MAX} characters"
    if sum(len(line) for _, line in prose) > PROSE_MAX:
        yield first + 1, f"split this file: its prose is longer than {PROSE_MAX} characters"
    if len(found.fences) > FENCES_MAX:
        yield found.fences[FENCES_MAX].line, f"split this file: it has more than {FENCES_MAX} fences"
    headings = [
        number for number, line in prose if line.lstrip(" ")[:1] in ("#", "=", "-") and line.strip(" =-")[:1] in ("#", "")
    ]
    if len(headings) > HEADINGS_MAX:
        yield headings[HEADINGS_MAX], f"split this file: it has more than {HEADINGS_MAX} headings"
    text = "\n".join(line for _, line in prose)
    if len(_OPEN_TAG.findall(text)) > OPEN_TAGS_MAX:
        yield first + 1, "close the tags that begin with < or write &lt; for the sign itself"
    yield from _brackets(prose)
    deep = next((number for number, line in prose if line[: QUOTES_MAX * 3].lstrip().count(">") > QUOTES_MAX), 0)
    if deep:
        yield deep, f"quote at most {QUOTES_MAX} levels deep"


def _brackets(prose: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    total = here = 0
    for number, line in prose:
        count = line.count("[")
        here = here + count if line.strip() else 0
        total += count
        if here > PARAGRAPH_BRACKETS_MAX or total > BRACKETS_MAX:
            yield number, "put text with so many [ in a fence"
            return
