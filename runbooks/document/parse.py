"""Text to Document. Never raises on bad input: what is wrong stands in ``Document.problems``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from checks.probes.base import Probe
from runbooks.document.effort import fit_to_render
from runbooks.document.fences import scan
from runbooks.document.fields import Problems, TooManyProblemsError
from runbooks.document.lint import Draft, lint_rendered, lint_text
from runbooks.document.lint_checks import lint_checks
from runbooks.document.located import Place
from runbooks.document.model import Document, Part
from runbooks.document.read_check import read_check
from runbooks.document.read_meta import read_meta, split_front_matter
from runbooks.document.render import render

MAX_BYTES = 2_000_000
CHECKS_MAX = 200


def parse(text: str, *, probes: Mapping[str, Probe] | None = None) -> Document:
    """Read a runbook. With ``probes`` (the catalogue), probes, parameters, limits and facts are checked against it.

    >>> document = parse("---\\ntitle: Slow pods\\nkind: reference\\n---\\n# Is it the kernel?\\n")
    >>> document.ok, document.meta.title, document.parts[0].anchor
    (True, 'Slow pods', 'h-is-it-the-kernel')
    """
    problems = Problems()
    if len(text) >= MAX_BYTES or len(text.encode("utf-8", "replace")) >= MAX_BYTES:
        problems.error(Place(1, 1), "too-long", "this file is 2 MB or larger: split it, or keep long output out of the runbook")
        return Document(text, problems=problems.in_order())
    try:
        return _parse(text, probes, problems)
    except TooManyProblemsError:
        return Document(text, problems=problems.in_order())


def _parse(text: str, probes: Mapping[str, Probe] | None, problems: Problems) -> Document:
    lines = _lines(text, problems)
    meta, meta_node = read_meta(lines, problems)
    first = max(split_front_matter(lines), 0)
    draft = Draft(lines, first, meta, meta_node, scan(lines, first), problems)
    _read_checks(draft)
    lint_text(draft)
    lint_checks(draft, probes)
    parts = _render(draft) if fit_to_render(lines, first, draft.scan, problems) else ()
    steps = tuple(check for check, _, _ in draft.checks)
    return Document(text, meta, steps, parts, draft.remedies, problems.in_order())


def _lines(text: str, problems: Problems) -> list[str]:
    """The lines without CR; what is not a character becomes a question mark and an error."""
    sound = text.encode("utf-8", "replace").decode()
    if sound != text:
        bad = next(index for index, character in enumerate(text) if "\ud800" <= character <= "\udfff")
        problems.error(
            Place(text.count("\n", 0, bad) + 1, 1), "not-text", "save this file as UTF-8: this line holds half a character"
        )
    return [line.removesuffix("\r") for line in sound.split("\n")]


def _read_checks(draft: Draft) -> None:
    headings = draft.headings()
    taken: dict[str, int] = {}
    fences = draft.check_fences
    if len(fences) > CHECKS_MAX:
        draft.problems.error(
            Place(fences[CHECKS_MAX].line, 1), "too-much", f"split this file: it has more than {CHECKS_MAX} checks"
        )
    for fence in fences[:CHECKS_MAX]:
        title = next((title for line, title in reversed(headings) if line < fence.line), "")
        check, node = read_check(fence, title, draft.problems)
        if check is None or node is None:
            continue
        if check.id in taken:
            say = f"the id {check.id} is taken by the check on line {taken[check.id]}: choose another"
            draft.problems.error(node.entries["id"][1].place, "duplicate-id", say)
            continue
        taken[check.id] = check.line
        draft.checks.append((check, node, fence))


def _render(draft: Draft) -> tuple[Part, ...]:
    fences = draft.check_fences
    by_line = {check.line: check.id for check, _, _ in draft.checks}
    ids = {number: by_line[fence.line] for number, fence in enumerate(fences) if fence.line in by_line}
    try:
        rendered = render("\n".join(draft.lines[draft.first :]), ids)
    except RecursionError:
        draft.problems.error(
            Place(draft.first + 1, 1), "too-deep", "this text is nested too deeply to be shown: use fewer levels"
        )
        return ()
    lint_rendered(draft, rendered)
    return _with_lines(rendered.parts, draft)


def _with_lines(parts: tuple[Part, ...], draft: Draft) -> tuple[Part, ...]:
    """Each part with the line of its heading, or of its check when it has none."""
    headings = draft.headings()
    lines = {check.id: check.line for check, _, _ in draft.checks}
    placed: list[Part] = []
    for part in parts:
        line = lines.get(part.check_id or "", 0)
        if part.heading:
            while headings and headings[0][1] != part.heading:
                headings.pop(0)
            line = headings.pop(0)[0] if headings else line
        placed.append(replace(part, line=line))
    return tuple(placed)
