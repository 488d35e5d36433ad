"""Whether a section can be believed: in time, whole, permitted, not empty."""

from __future__ import annotations

import re

from checks.results import Reason, Section
from checks.translated import in_english

_DENIED = (
    "permission denied",
    "operation not permitted",
    "must be root",
    "you must be root",
    "a password is required",
    "are you root",
)
_COMPLAINT_LINES = 3
_COMPLAINT = re.compile(
    r"(?:[\w./-]+(?: v[\d.]+)?(?: \([^)]*\))?|error): (?:.*(?P<denied>permission denied|operation not permitted|must be root"
    r"|(?:a password|a terminal) is required|unauthorized|forbidden)|(?P<gone>.*(?:no such file or directory|not supported))$"
    r"|.*not found\W*$|command not found: \S+$)"
    r"|(?P<bare>operation not permitted|permission denied)\b[^:]*$",
    re.I,
)
_ADVICE = re.compile(
    r"Perhaps ip6?tables or your kernel|netlink: Error: cache initialization|sudo apt(?:-get)? install |# (?:End|Part) of: "
)
"""What tools and shells print behind their complaint, and what stands behind a part of a paste."""

_SAYS = {
    Reason.TIMEOUT: "{section} did not end in time; what arrived is not the whole answer",
    Reason.TRUNCATED: "{section} was cut: its middle is missing, {dropped}",
    Reason.TOOL_MISSING: "the tool that {section} needs is not installed on this host: {error}",
    Reason.NEED_PRIVILEGE: "this user may not read {section}: {error}",
    Reason.MISSING: "this host has not what {section} shows: {error}",
    Reason.KILLED: "the command of {section} was killed (status {rc})",
    Reason.FAILED: "the command of {section} failed with status {rc}: {error}",
    Reason.EMPTY: "{section} is empty, and nothing can be told from that",
}

_INSTEAD = {
    Reason.TIMEOUT: "collect it again when the host is less busy, or with a longer time limit",
    Reason.TRUNCATED: "collect the whole output again, without grep, head or a limit of lines, and keep its last line end",
    Reason.TOOL_MISSING: "install the tool, or collect on another host or in a container that has it",
    Reason.NEED_PRIVILEGE: "collect it again as root, or let sudo run that one command without a password",
    Reason.KILLED: "collect it again when the host has memory and time to spare",
    Reason.EMPTY: "collect it again; python -m checks explain {probe} shows the commands",
    Reason.MISSING: "collect it too; python -m checks explain {probe} shows the commands",
    Reason.UNPARSED: "collect what the probe reads in its own form, not translated (LC_ALL=C); python -m checks explain {probe} "
    "shows the commands",
}


def why(section: Section, reason: Reason) -> str:
    """The sentence that says why the section cannot be believed."""
    if reason == Reason.TRUNCATED and not section.dropped_bytes:
        return f"{section.name} was cut: its command never reached its end"
    error = (_told(section.stderr or section.stdout) or ["no message"])[-1][:160]
    return _SAYS[reason].format(section=section.name, rc=section.rc, dropped=_size(section.dropped_bytes), error=error)


def _size(count: int) -> str:
    """A number of bytes for people.

    >>> _size(1), _size(999), _size(299_892_736)
    ('1 byte', '999 bytes', '286.0 MiB')
    """
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count >= 1024**power:
            return f"{count / 1024**power:.1f} {unit}"
    return f"{count} byte{'' if count == 1 else 's'}"


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
    return complaint(section.stdout)


def _told(output: bytes) -> list[str]:
    lines = [in_english(line.strip()) for line in output.decode("utf-8", "replace").splitlines()]
    return [line for line in lines if line and not _ADVICE.match(line)]


def complaint(output: bytes) -> Reason | None:
    """Why a pasted output is only its tool's complaint, or None: on a terminal both streams come out alike.

    >>> complaint(b"iptables-save v1.8.7 (nf_tables): Could not fetch rule set: Permission denied (you must be root)")
    <Reason.NEED_PRIVILEGE: 'need_privilege'>
    >>> complaint(b"-bash: conntrack: command not found"), complaint(b"default via 192.0.2.1 dev eth0")
    (<Reason.TOOL_MISSING: 'tool_missing'>, None)
    >>> complaint(b"cat: /proc/pressure/cpu: No such file or directory")
    <Reason.MISSING: 'missing'>
    >>> complaint(b"iptables v1.4.21: can't initialize table `nat': Permission denied\\nPerhaps iptables or your kernel needs to")
    <Reason.NEED_PRIVILEGE: 'need_privilege'>
    """
    if len(output) > 160 * _COMPLAINT_LINES:
        return None
    lines = _told(output)
    found = [_COMPLAINT.match(line) for line in lines]
    if not found or len(found) > _COMPLAINT_LINES or not all(found):
        return None
    if any(match and (match["denied"] or match["bare"]) for match in found):
        return Reason.NEED_PRIVILEGE
    return Reason.MISSING if any(match and match["gone"] for match in found) else Reason.TOOL_MISSING


def instead(reason: Reason, probe: str) -> str:
    """What to collect in the place of evidence that cannot be believed; empty when collecting again would not help."""
    return _INSTEAD.get(reason, "").format(probe=probe)
