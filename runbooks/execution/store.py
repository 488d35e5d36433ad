"""Results and their raw output into the database. Output is compressed and stored once per content."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from typing import Any

from checks.results import ProbeResult, Section
from runbooks.clock import db_now
from runbooks.execution.held import Held
from runbooks.models import Output, Result, ResultSection
from runbooks.rows import as_json, clean_text, insert_rows, moment

_RESULT = (
    *("step_id", "fence", "verdict", "reason", "finding", "facts", "fact_lines", "findings"),
    *("probe", "probe_version", "duration_ms", "created_at"),
)
_SECTION = (
    *("result_id", "name", "command", "stdout_id", "stderr", "rc"),
    *("duration_ms", "timed_out", "dropped_bytes"),
)
_STDERR_MAX = 64 << 10
_LEVEL = 3  # measured on command output: 6 is a third slower and saves a twentieth


def results(held: Held, ended: Sequence[tuple[int, int, ProbeResult]]) -> None:
    """Insert the result row, the sections and the outputs of each (step id, fence, result)."""
    now = moment(held.now)
    outputs: dict[str, tuple[Any, ...]] = {}
    sections: list[tuple[Any, ...]] = []
    for step_id, _, result in ended:
        for section in result.sections:
            digest = _keep(section.stdout, outputs, now)
            sections.append((step_id, *_section_row(section, digest)))
    insert_rows(Result, _RESULT, [_result_row(step_id, fence, result, now) for step_id, fence, result in ended])
    # Sorted, so that two workers that store the same outputs never wait for each other in a ring.
    insert_rows(Output, ("sha256", "data", "size", "created_at"), [outputs[d] for d in sorted(outputs)], ignore_conflicts=True)
    insert_rows(ResultSection, _SECTION, sections)


def _keep(data: bytes, outputs: dict[str, tuple[Any, ...]], now: Any) -> str:
    digest = hashlib.sha256(data).hexdigest()
    if digest not in outputs:
        outputs[digest] = (digest, zlib.compress(data, _LEVEL), len(data), now)
    return digest


def keep(texts: Sequence[bytes]) -> list[str]:
    """Store these outputs, each once per content; their addresses, in order."""
    outputs: dict[str, tuple[Any, ...]] = {}
    now = moment(db_now())
    digests = [_keep(text, outputs, now) for text in texts]
    insert_rows(Output, ("sha256", "data", "size", "created_at"), [outputs[d] for d in sorted(outputs)], ignore_conflicts=True)
    return digests


def read_output(output: Output) -> bytes:
    """The raw output, as it was kept."""
    return zlib.decompress(output.data)


def _result_row(step_id: int, fence: int, result: ProbeResult, now: Any) -> tuple[Any, ...]:
    said = result.as_json()
    took = sum(section.duration_ms or 0 for section in result.sections) if result.sections else None
    return (
        step_id,
        fence,
        str(result.verdict),
        str(result.reason or ""),
        clean_text(result.finding),
        as_json(said["facts"]),
        as_json(said["fact_lines"]),
        as_json(said["findings"]),
        result.probe,
        result.version,
        took,
        now,
    )


def _section_row(section: Section, digest: str) -> tuple[Any, ...]:
    stderr = clean_text(section.stderr[:_STDERR_MAX].decode("utf-8", "replace"))
    return (
        section.name,
        clean_text(section.command)[:300],
        digest,
        stderr,
        section.rc,
        section.duration_ms,
        section.timed_out,
        section.dropped_bytes,
    )
