"""Named ways to fail. Each carries the reason code that the verdict ``unknown`` will show."""

from __future__ import annotations

from checks.results import Reason


class CheckError(Exception):
    """Base of all anticipated failures: a sentence for a person and a reason code for a program."""

    reason = Reason.FAILED

    def __init__(self, say: str, reason: Reason | None = None) -> None:
        super().__init__(say)
        self.say = say
        if reason is not None:
            self.reason = reason


class EvidenceError(CheckError):
    """Evidence is missing, cut, late or not what it should be. ``section`` and ``line`` say where, when known."""

    reason = Reason.UNPARSED

    def __init__(self, say: str, reason: Reason | None = None, section: str = "", line: int = 0) -> None:
        super().__init__(say, reason)
        self.section = section
        self.line = line


class ParseError(EvidenceError):
    """A parser met text that is not the format it reads. Line numbers are 1-based within the text it was given."""


class ParamError(CheckError):
    """A parameter has the wrong form. The sentence says what form is right."""

    reason = Reason.PARAM_INVALID

    def __init__(self, name: str, say: str) -> None:
        super().__init__(say)
        self.name = name


class TransportError(CheckError):
    """The host could not be reached or the connection ended early; ``reason`` names which."""

    reason = Reason.HOST_UNREACHABLE


class HostKeyChangedError(TransportError):
    """The host showed a key that is not the pinned one. ``offered_key`` is that public key line, empty when it was not seen."""

    reason = Reason.HOSTKEY_CHANGED

    def __init__(self, say: str, offered_key: str = "") -> None:
        super().__init__(say)
        self.offered_key = offered_key
