"""What a check leaves behind: sections of raw output, facts, findings, one verdict.

Missing, cut, late or damaged evidence is never ``ok``; it is ``unknown`` with a reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any


class Verdict(StrEnum):
    """The answer of a rule, a check or a run.

    >>> worst([Verdict.OK, Verdict.UNKNOWN, Verdict.WARN])
    <Verdict.WARN: 'warn'>
    >>> worst([Verdict.OK, Verdict.UNKNOWN])
    <Verdict.UNKNOWN: 'unknown'>
    """

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    CRIT = "crit"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


_WORST_FIRST = (Verdict.CRIT, Verdict.WARN, Verdict.UNKNOWN, Verdict.OK, Verdict.INFO, Verdict.SKIPPED)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that decides: crit, warn, unknown, ok, info, skipped, in that order; ``unknown`` of nothing."""
    seen = list(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in seen), Verdict.UNKNOWN)


class Reason(StrEnum):
    """Why a verdict is ``unknown`` (or a step was ``skipped``)."""

    TOOL_MISSING = "tool_missing"
    NEED_PRIVILEGE = "need_privilege"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"
    UNPARSED = "unparsed"
    EMPTY = "empty"
    MISSING = "missing"
    KILLED = "killed"
    FAILED = "failed"
    IDLE = "idle"
    COUNTER_RESET = "counter_reset"
    NOT_APPLICABLE = "not_applicable"
    PARAM_INVALID = "param_invalid"
    CONN_LOST = "conn_lost"
    HOST_UNREACHABLE = "host_unreachable"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    DNS_FAILED = "dns_failed"
    LOGIN_TIMEOUT = "login_timeout"
    SSH_PROTOCOL = "ssh_protocol"
    HOSTKEY_CHANGED = "hostkey_changed"
    HOSTKEY_UNKNOWN = "hostkey_unknown"
    AUTH_FAILED = "auth_failed"
    AGENT_OFFLINE = "agent_offline"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    WORKER_LOST = "worker_lost"
    NO_WORKER = "no_worker"
    EXPIRED = "expired"
    CONDITION_FALSE = "condition_false"
    PROBE_ERROR = "probe_error"


@dataclass(frozen=True)
class Section:
    """One command's framed output.

    ``rc`` is None when the command never reported its end. ``dropped_bytes`` counts what the size cap cut out of
    the middle of ``stdout``. ``stdout`` and ``stderr`` are never merged.
    """

    name: str
    stdout: bytes = b""
    stderr: bytes = b""
    rc: int | None = 0
    duration_ms: int | None = None
    timed_out: bool = False
    dropped_bytes: int = 0
    command: str = ""

    @cached_property
    def text(self) -> str:
        """``stdout`` as text; invalid UTF-8 becomes U+FFFD, CRLF becomes LF, so line numbers hold."""
        text = self.stdout.decode("utf-8", "replace")
        return text.replace("\r\n", "\n") if "\r" in text else text

    @cached_property
    def lines(self) -> list[str]:
        """The lines of ``text`` without their ends. Only LF ends a line, as in an editor's line numbers."""
        return self.text.split("\n")

    @cached_property
    def sha256(self) -> str:
        """The content address of ``stdout``."""
        return hashlib.sha256(self.stdout).hexdigest()

    def line(self, number: int) -> str:
        """The line with that 1-based number, or an empty string."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


@dataclass(frozen=True)
class Evidence:
    """One deciding line of raw output: its section, its 1-based number, its text, and the token that decided.

    ``file`` names the file that was given offline, and ``line`` counts in that file then.
    """

    section: str
    line: int
    text: str
    mark: str = ""
    file: str = ""


@dataclass(frozen=True)
class Finding:
    """One rule's answer, with the numbers that gave it.

    ``margin`` is how far ``value`` stands from ``threshold`` as a signed ratio of the threshold (0.35: 35 % beyond it).
    """

    rule: str
    verdict: Verdict
    say: str
    value: Any = None
    threshold: float | None = None
    unit: str = ""
    margin: float | None = None
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""
    source: str = ""
    reason: Reason | None = None


def deciding(findings: Sequence[Finding]) -> Finding:
    """The finding that speaks for all: of several bad ones the farthest beyond its threshold, else the first of the worst."""
    verdict = worst(finding.verdict for finding in findings)
    candidates = [finding for finding in findings if finding.verdict == verdict]
    if verdict in (Verdict.WARN, Verdict.CRIT):
        return max(candidates, key=lambda finding: abs(finding.margin or 0))
    return candidates[0]


@dataclass(frozen=True)
class ProbeResult:
    """What a probe says of one host: the contract of ``--json`` and of the stored result."""

    probe: str
    version: int
    verdict: Verdict
    reason: Reason | None
    finding: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    fact_lines: Mapping[str, Evidence] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    sections: tuple[Section, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data, keys in the contract's order; raw output is described, not repeated."""
        return {
            "probe": self.probe,
            "version": self.version,
            "verdict": str(self.verdict),
            "reason": str(self.reason) if self.reason else None,
            "finding": self.finding,
            "facts": dict(self.facts),
            "findings": [_finding_json(finding) for finding in self.findings],
            "sections": [_section_json(section) for section in self.sections],
            "fact_lines": {
                name: {"section": line.section, "line": line.line, "text": line.text} | _file_json(line)
                for name, line in self.fact_lines.items()
            },
        }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "verdict": str(finding.verdict),
        "say": finding.say,
        "value": finding.value,
        "threshold": finding.threshold,
        "unit": finding.unit,
        "margin": finding.margin,
        "evidence": [
            {"section": line.section, "line": line.line, "text": line.text, "mark": line.mark} | _file_json(line)
            for line in finding.evidence
        ],
        "remedy": finding.remedy,
        "source": finding.source,
        "reason": str(finding.reason) if finding.reason else None,
    }


def _file_json(line: Evidence) -> dict[str, str]:
    return {"file": line.file} if line.file else {}


def _section_json(section: Section) -> dict[str, Any]:
    return {
        "name": section.name,
        "command": section.command,
        "rc": section.rc,
        "bytes": len(section.stdout),
        "dropped_bytes": section.dropped_bytes,
        "timed_out": section.timed_out,
        "duration_ms": section.duration_ms,
    }
