"""What a reader of the whole file can see: headings, pictures, fences that run nothing, commands that change a host."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from runbooks.document.effort import LINE_MAX
from runbooks.document.fences import Broken, Fence, Scan
from runbooks.document.fields import Problems
from runbooks.document.host_changes import host_changes
from runbooks.document.located import Node, Place
from runbooks.document.model import Check, Meta, Remedy
from runbooks.document.render import Rendered
from runbooks.document.sanitize import own_picture

_PICTURE = re.compile(r"!\[(?P<alt>[^\]\n]{0,500})\]\(\s*<?(?P<address>[^\s)>]{0,2000})")
_SHELL = ("bash", "sh", "shell", "console", "zsh")

# English name, and what the Chinese writeups call that chapter
_CHAPTERS = {
    "Meaning": ("meaning", "问题背景", "背景", "含义", "现象", "问题现象"),
    "Impact": ("impact", "影响", "影响范围", "问题影响", "问题定位"),
    "Diagnosis": ("diagnosis", "问题定位", "问题分析", "诊断", "排查", "定位"),
    "Mitigation": ("mitigation", "解决方案", "解决办法", "处理", "缓解", "修复"),
}

BROKEN_SAYS = {
    "unclosed-fence": "this fence never ends: close it with {ticks} at the same indent; nothing below it is read until then",
    "fence-attributes": "write only {ticks}{lang} on this line and put every option in the lines below it",
    "fence-on-list-line": "start the fence on a line of its own, indented under the list entry",
    "short-fence": "begin the fence with three of them: {three}{lang}",
}


@dataclass
class Draft:
    """A file on its way to becoming a Document: what was read so far, and where it stands."""

    lines: list[str]
    first: int
    meta: Meta
    meta_node: Node | None
    scan: Scan
    problems: Problems
    checks: list[tuple[Check, Node, Fence]] = field(default_factory=list)

    @property
    def check_fences(self) -> list[Fence]:
        """All check fences, also those whose text could not be read."""
        return [fence for fence in self.scan.fences if fence.lang == "check"]

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """The remedy fences."""
        return tuple(Remedy(fence.text, fence.line) for fence in self.scan.fences if fence.lang == "remedy")

    def headings(self) -> list[tuple[int, str]]:
        """Line and text of each ``#`` heading outside fences."""
        inside = {number for fence in self.scan.fences for number in range(fence.line, fence.end + 1)}
        found = []
        for number, line in enumerate(self.lines[self.first :], self.first + 1):
            text = line.strip().lstrip("#").rstrip("#").strip() if number not in inside and line.startswith("#") else ""
            if text:
                found.append((number, re.sub(r"[*_`]+", "", text)))
        return found


def lint_text(draft: Draft) -> None:
    """Everything that needs no catalogue."""
    for broken in draft.scan.broken:
        _broken(broken, draft.problems)
    _chapters(draft)
    _pictures(draft)
    for fence in draft.scan.fences:
        _commands(fence, draft.problems)


def lint_rendered(draft: Draft, rendered: Rendered) -> None:
    """Every check fence must have produced a check where a reader sees it."""
    for number, fence in enumerate(draft.check_fences):
        seen = number < len(rendered.seen) and _bare(rendered.seen[number]) == _bare(fence.text)
        if not seen or number not in rendered.reached:
            say = (
                "this check stands in a comment or in indented code and never runs: move it out (an example needs four backticks)"
            )
            draft.problems.error(Place(fence.line, fence.column), "unreached-check", say)


def _bare(text: str) -> str:
    return "".join(text.split())


def _broken(broken: Broken, problems: Problems) -> None:
    ticks = (re.match(r"`+|~+", broken.header) or ["```"])[0]
    lang = "remedy" if re.match(r"\W*remedy", broken.header) else "check"
    three = ticks[0] * max(len(ticks), 3)
    fixable = broken.why in ("fence-attributes", "short-fence")
    say = BROKEN_SAYS[broken.why].format(ticks=ticks, lang=lang, three=three)
    length = len(broken.header.rstrip()) if fixable else 0
    problems.error(Place(broken.line, broken.column), broken.why, say, three + lang if fixable else "", length)


def _chapters(draft: Draft) -> None:
    if draft.meta.kind == "reference" or draft.meta_node is None:
        return
    words = [heading.strip().lower().rstrip(":：") for _, heading in draft.headings()]
    for name, twins in _CHAPTERS.items():
        if not any(word == twin or word.startswith(f"{twin} ") for word in words for twin in twins):
            place = Place(draft.first + 1, 1)
            draft.problems.warning(place, "missing-chapter", f"write a chapter ## {name} (or ## {twins[1]})", f"## {name}\n")


def _pictures(draft: Draft) -> None:
    inside = {number for fence in draft.scan.fences for number in range(fence.line, fence.end + 1)}
    for number, line in enumerate(draft.lines[draft.first :], draft.first + 1):
        if number in inside or "![" not in line:
            continue
        for match in _PICTURE.finditer(line[:LINE_MAX]):
            place = Place(number, match.start() + 1)
            if not match["alt"].strip():
                draft.problems.warning(
                    place, "image-alt", "describe the picture between the brackets: it is all some readers get"
                )
            if not own_picture(match["address"], "/media/"):
                say = "upload the picture to this site (/media/…): pictures from elsewhere are not shown"
                draft.problems.warning(place, "image-source", say)


def _commands(fence: Fence, problems: Problems) -> None:
    """In a check a changing command is an error; in a shell listing it should be a remedy, so that readers see what it does."""
    if fence.lang not in (*_SHELL, "check"):
        return
    for change in host_changes(fence.text):
        indent = fence.indents[change.line] if change.line < len(fence.indents) else 0
        place = Place(fence.line + 1 + change.line, indent + change.column + 1)
        if fence.lang == "check":
            say = f"a check must not change the host, and {change.what} does: put the command in a remedy fence"
            problems.error(place, "changes-host", say)
        else:
            say = f"{change.what} changes the host: use a remedy fence here, so that readers see it"
            problems.warning(place, "changes-host", say)
