"""Text to Document. Never raises on bad input: what is wrong stands in ``Document.problems``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from checks.probes.base import Probe
from runbooks.document.fences import Broken, Fence, Scan, scan
from runbooks.document.fields import Problems
from runbooks.document.located import Node, Place
from runbooks.document.model import Check, Document, Remedy
from runbooks.document.read_check import read_check
from runbooks.document.read_meta import read_meta, split_front_matter

MAX_BYTES = 2_000_000
_HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]*(.*?)[ \t]*#*[ \t]*")

_BROKEN_SAYS = {
    "unclosed-fence": "this fence never ends: close it with {ticks} at the same indent; everything below it is lost",
    "fence-attributes": "write only {ticks}{lang} on this line and put all options in the lines below it",
    "fence-on-list-line": "start the fence on a line of its own, indented under the list entry",
    "short-fence": "begin a fence with three backticks",
}


def parse(text: str, *, probes: Mapping[str, Probe] | None = None) -> Document:
    """Read a runbook. With ``probes`` (the catalogue), probes, parameters, limits and facts are checked against it."""
    problems = Problems()
    if len(text) >= MAX_BYTES or len(text.encode("utf-8", "replace")) >= MAX_BYTES:
        problems.error(Place(1, 1), "too-long", "this file is 2 MB or larger: split it, or keep long output out of the runbook")
        return Document(text, problems=problems.in_order())
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    meta, _ = read_meta(lines, problems)
    body = max(split_front_matter(lines), 0)
    found = scan(lines, body)
    for broken in found.broken:
        _report(broken, problems)
    steps, _ = _checks(found, lines, body, problems)
    remedies = tuple(Remedy(fence.text, fence.line) for fence in found.fences if fence.lang == "remedy")
    return Document(text, meta, steps, (), remedies, problems.in_order())


def _report(broken: Broken, problems: Problems) -> None:
    ticks = (re.match(r"`+|~+", broken.header) or [""])[0]
    lang = "remedy" if "remedy" in broken.header else "check"
    say = _BROKEN_SAYS[broken.why].format(ticks=ticks, lang=lang)
    fixable = broken.why in ("fence-attributes", "short-fence")
    suggest = f"{ticks[0] * max(len(ticks), 3)}{lang}" if fixable else ""
    problems.error(Place(broken.line, broken.column), broken.why, say, suggest, len(broken.header) if fixable else 0)


def _checks(found: Scan, lines: list[str], first: int, problems: Problems) -> tuple[tuple[Check, ...], dict[str, Node]]:
    headings = _headings(lines, first, found.fences)
    steps: dict[str, Check] = {}
    nodes: dict[str, Node] = {}
    for fence in found.fences:
        if fence.lang != "check":
            continue
        title = next((title for line, title in reversed(headings) if line < fence.line), "")
        check, node = read_check(fence, title, problems)
        if check is None or node is None:
            continue
        if check.id in steps:
            say = f"the id {check.id} is taken by the check on line {steps[check.id].line}: choose another"
            problems.error(node.entries["id"][1].place, "duplicate-id", say)
            continue
        steps[check.id], nodes[check.id] = check, node
    return tuple(steps.values()), nodes


def _headings(lines: list[str], first: int, fences: tuple[Fence, ...]) -> list[tuple[int, str]]:
    inside = {number for fence in fences for number in range(fence.line, fence.end + 1)}
    found = []
    for number, line in enumerate(lines[first:], first + 1):
        match = _HEADING.fullmatch(line) if number not in inside else None
        if match and match[2]:
            found.append((number, re.sub(r"[*_`]+", "", match[2])))
    return found
