"""All that a step's commands printed, with the lines that decided marked in their place."""

from __future__ import annotations

from django.utils.translation import gettext as _

from runbooks.execution.store import read_output
from runbooks.models import ResultSection, Step
from runbooks.presenters.evidence import SectionView, deciding_lines, whole
from runbooks.presenters.words import quantity, seconds, visible

_ERROR_MAX = 4000


def present_output(step: Step) -> tuple[SectionView, ...]:
    """The sections of a step in the order of their collection. Empty while the step has no result."""
    result = getattr(step, "result", None)
    if result is None:
        return ()
    deciding = deciding_lines(result.findings)
    made = []
    for section in result.sections.select_related("stdout").order_by("id"):
        text = read_output(section.stdout).decode("utf-8", "replace").replace("\r\n", "\n")
        pieces, total = whole(text, deciding.get(section.name, {}))
        made.append(
            SectionView(
                name=section.name,
                command=visible(section.command),
                pieces=pieces,
                total=total,
                note=_note(section),
                error=visible_lines(section.stderr[:_ERROR_MAX]),
            )
        )
    return tuple(made)


def visible_lines(text: str) -> str:
    """Several lines, each made visible."""
    return "\n".join(visible(line) for line in text.rstrip("\n").split("\n"))


def _note(section: ResultSection) -> str:
    """How the command ended, where that matters."""
    notes = []
    if section.timed_out:
        notes.append(_("stopped at its time limit"))
    if section.dropped_bytes:
        notes.append(_("%(size)s left out of its middle") % {"size": quantity(section.dropped_bytes, "bytes")})
    if section.rc is None:
        notes.append(_("its end never arrived"))
    elif section.rc:
        notes.append(_("status %(rc)s") % {"rc": section.rc})
    if section.duration_ms is not None:
        notes.append(seconds(section.duration_ms))
    return ", ".join(notes)
