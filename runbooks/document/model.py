"""What a runbook file says, as frozen data. ``docs/runbook-format.md`` is the grammar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from checks.params import Param
from checks.results import Verdict


class Severity(StrEnum):
    """An error keeps a revision from being published; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Problem:
    """What is wrong and what to write instead. ``suggest`` replaces ``length`` characters at line:column (both from 1)."""

    line: int
    column: int
    severity: Severity
    code: str
    say: str
    suggest: str = ""
    length: int = 0


@dataclass(frozen=True)
class Comparison:
    """``operand op literal``. The operand is a fact, a ``step.fact`` or a step (its verdict)."""

    operand: str
    op: str
    literal: Any
    source: str
    line: int = field(default=0, compare=False, repr=False)
    column: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True)
class Combined:
    """``all:`` or ``any:`` of several conditions."""

    how: str
    parts: tuple[Condition, ...]


Condition = Comparison | Combined


@dataclass(frozen=True)
class Reference:
    """A value of ``with:`` that is known only at run time: ``{param}`` of the runbook or ``{step.fact}`` of an earlier step."""

    name: str

    @property
    def step(self) -> str:
        """The step it reads, or an empty string for a parameter of the runbook."""
        return self.name.partition(".")[0] if "." in self.name else ""


@dataclass(frozen=True)
class Expectation:
    """An author's own rule: when ``condition`` holds, the step is at least ``then``."""

    condition: Condition
    then: Verdict
    say: str
    line: int = 0


@dataclass(frozen=True)
class Compare:
    """A rule over the hosts of a run. ``score`` and ``apart`` decide what an outlier is (see ``compare``)."""

    how: str
    fact: str
    then: Verdict = Verdict.WARN
    say: str = ""
    score: float = 3.5
    apart: float = 0.1


@dataclass(frozen=True)
class Check:
    """One ``check`` fence. ``with_`` holds plain values and References."""

    id: str
    title: str
    probe: str
    line: int
    with_: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    expect: tuple[Expectation, ...] = ()
    when: Condition | None = None
    confirms: bool = False
    samples: int | None = None
    interval_s: int | None = None
    fan_out: bool = True
    compare: Compare | None = None


@dataclass(frozen=True)
class Conclusion:
    """An answer to head the run page. Filled by ``conclude``, ``unsettled`` names open steps that could still overturn it."""

    condition: Condition
    say: str
    do: str = ""
    fix: str = ""
    next: str = ""
    line: int = 0
    unsettled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Open:
    """No conclusion holds: the steps that decide, and those of them whose answer is still missing."""

    deciding: tuple[str, ...]
    open: tuple[str, ...]


@dataclass(frozen=True)
class Symptoms:
    """How the incident shows itself: regular expressions that suffice, ones that contribute, and search words."""

    strong: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """The writeup behind the runbook, and what the runbook corrects in it."""

    file: str = ""
    title: str = ""
    errata: tuple[str, ...] = ()


@dataclass(frozen=True)
class Meta:
    """The front matter."""

    title: str = ""
    title_zh: str = ""
    kind: str = "incident"
    tags: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    params: tuple[Param, ...] = ()
    symptoms: Symptoms = Symptoms()
    source: Source = Source()
    conclusions: tuple[Conclusion, ...] = ()


@dataclass(frozen=True)
class Part:
    """A stretch of the narrative and the check that stands beside it.

    ``heading`` and ``anchor`` are set on the part that a heading opens; a second check under the same heading makes a
    part without one. ``html_before`` is safe HTML, without the heading itself.
    """

    heading: str = ""
    level: int = 0
    anchor: str = ""
    html_before: str = ""
    check_id: str | None = None
    line: int = 0


@dataclass(frozen=True)
class Remedy:
    """A command that changes the host: shown to copy, never run."""

    text: str
    line: int


@dataclass(frozen=True)
class Document:
    """A whole runbook. ``text`` is the source, byte for byte."""

    text: str
    meta: Meta = Meta()
    steps: tuple[Check, ...] = ()
    parts: tuple[Part, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """True when it may be published: no problem is an error."""
        return all(problem.severity is not Severity.ERROR for problem in self.problems)

    def step(self, step_id: str) -> Check | None:
        """The check with that id."""
        return next((check for check in self.steps if check.id == step_id), None)
