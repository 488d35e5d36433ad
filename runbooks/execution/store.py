"""Results and their raw output into the database. Output is compressed and stored once per content."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from checks.results import ProbeResult, Section
from runbooks.clock import db_now
from runbooks.execution.held import Held
from runbooks.models import Output, Result, ResultSection
from runbooks.rows import as_json, clean_text, insert_rows, known_values, moment

_RESULT = (
    *("step_id", "fence", "verdict", "reason", "finding", "facts", "fact_lines", "findings"),
    *("probe", "probe_version", "duration_ms", "created_at"),
)
_SECTION = (
    *("result_id", "name", "command", "stdout_id", "stderr", "rc"),
    *("duration_ms", "timed_out", "dropped_bytes"),
)
_OUTPUT = ("sha256", "data", "size", "created_at")
_STDERR_MAX = 64 << 10
_LEVEL = 3  # measured on command output: 6 is a third slower and saves a twentieth


def results(held: Held, ended: Sequence[tuple[int, int, ProbeResult]]) -> None:
    """Insert the result row, the sections and the outputs of each (step id, fence, result)."""
    now = moment(held.now)
    insert_rows(Result, _RESULT, [_result_row(step_id, fence, result, now) for step_id, fence, result in ended])
    _store({section.sha256: section.stdout for _, _, result in ended for section in result.sections}, now)
    insert_rows(
        ResultSection, _SECTION, [_section_row(step_id, section) for step_id, _, result in ended for section in result.sections]
    )


def keep(texts: Sequence[bytes]) -> list[str]:
    """Store these outputs, each once per content; their addresses, in order."""
    digests = [hashlib.sha256(text).hexdigest() for text in texts]
    _store(dict(zip(digests, texts, strict=True)), moment(db_now()))
    return digests


def _store(outputs: Mapping[str, bytes], now: Any) -> None:
    """Insert the outputs that are not there yet."""
    new = set(outputs).difference(known_values(Output, "sha256", list(outputs)))
    # Sorted, so that two workers that store the same outputs never wait for each other in a ring.
    rows = [(digest, _compressed(outputs[digest]), len(outputs[digest]), now) for digest in sorted(new)]
    insert_rows(Output, _OUTPUT, rows, ignore_conflicts=True)


def _compressed(data: bytes) -> bytes:
    """In a window no larger than the data: zlib's usual one costs more to set up than a short output to compress."""
    bits = min(max(len(data).bit_length(), 9), 15)
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, bits, bits - 7)
    return deflate.compress(data) + deflate.flush()


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


def _section_row(step_id: int, section: Section) -> tuple[Any, ...]:
    stderr = clean_text(section.stderr[:_STDERR_MAX].decode("utf-8", "replace"))
    return (
        step_id,
        section.name,
        clean_text(section.command)[:300],
        section.sha256,
        stderr,
        section.rc,
        section.duration_ms,
        section.timed_out,
        section.dropped_bytes,
    )
