"""Whether a section can be believed: in time, whole, permitted, not empty."""

from __future__ import annotations

from checks.results import Reason, Section

_DENIED = (
    "permission denied",
    "operation not permitted",
    "must be root",
    "you must be root",
    "a password is required",
    "are you root",
)

_SAYS = {
    Reason.TIMEOUT: "{section} did not end in time; what arrived is not the whole answer",
    Reason.TRUNCATED: "{section} was cut: {dropped} bytes are missing from its middle",
    Reason.TOOL_MISSING: "the tool that {section} needs is not installed on this host: {error}",
    Reason.NEED_PRIVILEGE: "this user may not read {section}: {error}",
    Reason.KILLED: "the command of {section} was killed (status {rc})",
    Reason.FAILED: "the command of {section} failed with status {rc}: {error}",
    Reason.EMPTY: "{section} is empty, and nothing can be told from that",
}


def why(section: Section, reason: Reason) -> str:
    """The sentence that says why the section cannot be believed."""
    if reason == Reason.TRUNCATED and not section.dropped_bytes:
        return f"{section.name} was cut: its command never reached its end"
    error = section.stderr.decode("utf-8", "replace").strip().split("\n")[-1][:160] or "no message"
    return _SAYS[reason].format(section=section.name, rc=section.rc, dropped=section.dropped_bytes, error=error)


def unusable(section: Section, rc_ok: tuple[int, ...] = (0,), allow_empty: bool = False) -> Reason | None:
    """Why a section cannot be believed, or None."""
    error = section.stderr.lower()
    if section.timed_out:
        return Reason.TIMEOUT
    if section.dropped_bytes or section.rc is None:
        return Reason.TRUNCATED
    if section.rc not in rc_ok:
        if section.rc == 127 or b"not found" in error:
            return Reason.TOOL_MISSING
        if section.rc == 126 or any(word.encode() in error for word in _DENIED):
            return Reason.NEED_PRIVILEGE
        return Reason.KILLED if section.rc > 128 else Reason.FAILED
    if not allow_empty and not section.stdout.strip():
        return Reason.NEED_PRIVILEGE if any(word.encode() in error for word in _DENIED) else Reason.EMPTY
    return None
