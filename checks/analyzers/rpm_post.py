"""What a post-install macro's body runs: whether brp-strip is in it, and whether find-debuginfo is.

Bodies are read, not expanded. A shell expansion that edits the host's own list is believed where it leaves strip alone; where it
takes strip out, what is left is known only on the host.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Lookup = Callable[[str], str | None]
"""The body of a macro that a body refers to; None when nobody knows it."""

_NIL = re.compile(r"\A(?:%\{?nil\}?)?\s*(?:#.*)?\Z", re.DOTALL)
_NOTHING = re.compile(r"\A(?:(?:/usr)?/bin/|%\{_bindir\}/|%\{__)?(?:true|:|echo)\}?(?:\s.*)?\Z", re.DOTALL)
_STRIP = re.compile(r"brp-(?:strip|suse)(?![-\w])|%\{\??__brp_strip\}|%__brp_strip\b|(?:^|[\s;/])(?:eu-)?strip(?=\s+-)")
_TAKES_STRIP = re.compile(r"strip(?![-_](?:static|comment|lto))")
_MACRO = re.compile(r"%\{[!?]*(\w+)(?::[^{}]*)?\}|%(\w+)")
_HARMLESS = re.compile(r"__brp_\w+|__strip|__objdump|__python3?|__ar|buildroot|nil|name|version|_rpmconfigdir|_dbpath")
_PROGRAM = re.compile(r"(?<![\w=])(?:%\{\w+\}|/)[\w./%{}-]*/([\w.+-]+)")
_KNOWN_PROGRAM = re.compile(r"brp-[\w-]+|check-\w+|true|rm|find|chmod|strip|objdump|python[\d.]*|lib(?:64)?|bin|share|man")
_UNREADABLE = re.compile(r"(?:^|[\s;&])(?:\.|source|eval)\s|%\{(?:lua|load|expand)")
_DEPTH = 5


def is_nil(body: str) -> bool:
    """True for a body that expands to nothing, or to a comment."""
    return bool(_NIL.match(body))


def is_nothing(body: str) -> bool:
    """True for a command that does nothing: /bin/true, a colon, echo."""
    return bool(_NOTHING.match(body))


def strips(body: str, lookup: Lookup, depth: int = 0) -> bool | None:
    """Whether brp-strip is among what this __os_install_post runs; None when the text does not tell."""
    if is_nil(body) or is_nothing(body):
        return False
    if "%(" in body:
        return None if "__os_install_post" not in body or _TAKES_STRIP.search(body.replace("brp-strip-", "strip-")) else True
    if _STRIP.search(body):
        return True
    if _UNREADABLE.search(body) or depth > _DEPTH:
        return None
    answers: list[bool | None] = [None for match in _PROGRAM.finditer(body) if not _KNOWN_PROGRAM.fullmatch(match[1])]
    for match in _MACRO.finditer(body):
        name = match[1] or match[2]
        is_folder = body[match.end() : match.end() + 1] == "/"
        if not is_folder and not _HARMLESS.fullmatch(name):
            inner = lookup(name)
            answers.append(True if name == "__os_install_post" else None if inner is None else strips(inner, lookup, depth + 1))
    return True if True in answers else None if None in answers else False


def parts(body: str) -> tuple[bool | None, bool | None]:
    """Whether a __spec_install_post runs find-debuginfo, and whether it runs __os_install_post."""
    if is_nil(body) or is_nothing(body):
        return False, False
    if "__spec_install_post" in body:
        return (None, None) if "%(" in body else (True, True)
    finds, post = "__debug_install_post" in body or "find-debuginfo" in body, "__os_install_post" in body
    if not (finds and post) and (_UNREADABLE.search(body) or "%(" in body):
        return finds or None, post or None
    return finds, post


def finds_debuginfo(body: str) -> bool | None:
    """Whether this __debug_install_post runs find-debuginfo."""
    if "find-debuginfo" in body or "__debug_install_post" in body or "__find_debuginfo" in body:
        return True
    return False if is_nil(body) or (is_nothing(body) and "debugfiles.list" not in body) else None
