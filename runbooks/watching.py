"""The right to watch a run, as a signed text that lives a little longer than a run can, so the live endpoint asks no database."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.core import signing

_SALT = "runbooks.watching"


@dataclass(frozen=True)
class Watch:
    """What a reader sees of a run. Readers with equal values get the same bytes, rendered once."""

    run: UUID
    language: str = "en"
    may_start: bool = False


def token_of(watch: Watch) -> str:
    """The signed text of a watch."""
    plain = {"run": str(watch.run), "language": watch.language, "may_start": watch.may_start}
    return signing.dumps(plain, salt=_SALT, compress=False)


def watch_of(token: str) -> Watch | None:
    """The watch that a token grants, or None when it is forged or too old."""
    try:
        plain = signing.loads(token, salt=_SALT, max_age=settings.RUN_DEADLINE_S + 120)
        return Watch(UUID(plain["run"]), str(plain["language"]), bool(plain["may_start"]))
    except (signing.BadSignature, KeyError, ValueError, TypeError):
        return None
