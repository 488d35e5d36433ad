"""Where in the files that were given a line of evidence stands. A section may be made of several outputs of several files.

>>> section = Section("limits", b"== /proc/sys/x\\n7\\n\\n== end\\n")
>>> place = Places(section, [Block("7\\n", 12, 12, source="paste.txt")])
>>> place.of(2), place.of(1)
(('paste.txt', 12), None)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace

from checks.pasted import Block, encode
from checks.redact import redact_bytes
from checks.results import Evidence, ProbeResult, Section


class Places:
    """The lines of one section in the outputs that it was made of.

    A section holds the lines of its outputs in their order, with others between them: the second line of a text in the section is
    the second one in the outputs.
    """

    def __init__(self, section: Section, blocks: Sequence[Block]) -> None:
        self._lines = section.lines
        self._ours = _numbered(self._lines)
        self._sources: dict[str, list[tuple[str, int]]] = {}
        for block in blocks:
            text = redact_bytes(encode(block.text)).decode("utf-8", "replace")
            for position, line in enumerate(text.split("\n")):
                self._sources.setdefault(line.strip(), []).append((block.source, block.line(position)))

    def of(self, number: int) -> tuple[str, int] | None:
        """The file and its line in which that line of the section stands; None for a line that was not given as it is."""
        text = self._lines[number - 1].strip() if 0 < number <= len(self._lines) else ""
        known = self._sources.get(text, [])
        rank = bisect_right(self._ours.get(text, []), number) - 1
        return known[rank] if text and 0 <= rank < len(known) else None


def _numbered(lines: Sequence[str]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for number, line in enumerate(lines, 1):
        numbers.setdefault(line.strip(), []).append(number)
    return numbers


def at_source(result: ProbeResult, origins: Mapping[str, Sequence[Block]]) -> ProbeResult:
    """The result with each line of evidence where it stands in the file that was given."""
    wanted = {line.section for finding in result.findings for line in finding.evidence}
    wanted |= {line.section for line in result.fact_lines.values()}
    places = {
        section.name: Places(section, origins[section.name])
        for section in result.sections
        if section.name in wanted & origins.keys()
    }

    def moved(line: Evidence) -> Evidence:
        found = places[line.section].of(line.line) if line.section in places else None
        return replace(line, file=found[0], line=found[1]) if found else line

    findings = tuple(replace(finding, evidence=tuple(map(moved, finding.evidence))) for finding in result.findings)
    return replace(result, findings=findings, fact_lines={name: moved(line) for name, line in result.fact_lines.items()})
