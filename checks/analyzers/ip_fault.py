"""What an analyzer of the ip family found: a rule, how bad it is, one sentence, the deciding lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from checks.results import Verdict

Place = tuple[str, int, str]
"""A section, a line in it, the token on it that decided."""


@dataclass(frozen=True)
class Fault:
    """One answer of a rule. ``limit`` names the threshold that decided; ``needs`` the section that must be whole to prove it."""

    rule: str
    verdict: Verdict
    say: str
    lines: tuple[Place, ...] = ()
    value: Any = None
    limit: str = ""
    unit: str = ""
    needs: str = ""
