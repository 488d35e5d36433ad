"""Every recorded case of a shipped runbook (tests/cases/runbooks): dispatched, executed, judged and concluded as on a host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from checks.engine import PAUSE
from checks.results import Section
from checks.transports.replay import ReplayTransport
from runbooks import hosts, live
from runbooks.choices import HostKeyState, RunState
from runbooks.dispatch import start_run
from runbooks.execution import execute
from runbooks.models import Host, Result, Revision, Run, Runbook
from runbooks.presenters.answer import answer_of
from runbooks.presenters.database import read_run

CASES = Path(__file__).parents[1] / "cases"
LIBRARY = Path(__file__).parents[2] / "runbooks" / "library"
FILES = {file.stem: file for file in sorted(LIBRARY.rglob("*.md"))}
KINDS = ("healthy", "broken", "cannot_tell")
KEYS = {"params", "sections", "steps", "verdict", "conclusion", "about"}


@dataclass(frozen=True)
class Case:
    """One folder: what one host printed, and what each step and the whole run must say of it."""

    folder: Path

    @property
    def slug(self) -> str:
        return self.folder.parent.name

    @property
    def text(self) -> str:
        return FILES[self.slug].read_text("utf-8")

    @property
    def expected(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "case.json").read_text("utf-8"))
        assert set(found) == KEYS, f"{self.folder}/case.json holds {sorted(KEYS)}"
        return found

    def sections(self) -> Iterator[Section]:
        """What was recorded. A list holds the outputs of several commands of one name, in the order of the steps."""
        yield Section(PAUSE)
        named = {name: place if isinstance(place, list) else [place] for name, place in self.expected["sections"].items()}
        for name, places in named.items():
            yield from (_recorded(name, place) for place in places)
        elsewhere = {CASES / place for places in named.values() for place in places if isinstance(place, str)}
        for file in self.folder.iterdir():
            if file.name != "case.json" and file not in elsewhere:
                yield Section(file.name, file.read_bytes())


def _recorded(name: str, place: str | dict[str, Any]) -> Section:
    """A raw file below tests/cases, ended as the expected.json beside it says; or how a command ended that printed nothing."""
    if isinstance(place, dict):
        return _ended(name, b"", place)
    file = CASES / place
    beside = file.parent / "expected.json"
    said = json.loads(beside.read_text("utf-8")).get("sections", {}) if beside.exists() else {}
    assert file.exists() or file.name in said, f"there is no {file}"
    return _ended(name, file.read_bytes() if file.exists() else b"", said.get(file.name, {}))


def _ended(name: str, stdout: bytes, said: Mapping[str, Any]) -> Section:
    return Section(name, stdout, **{**said, "stderr": said.get("stderr", "").encode()})


ALL = [Case(file.parent) for file in sorted((CASES / "runbooks").glob("*/*/case.json"))]


@dataclass(frozen=True)
class Told:
    """What came of the run."""

    steps: Mapping[str, Result]
    run: Run
    conclusion: str | None

    def of_step(self, check_id: str) -> dict[str, Any]:
        """The step's verdict, and the rule and reason of what decided it."""
        result = self.steps[check_id]
        deciding = [one["rule"] for one in result.findings if (one["verdict"], one["say"]) == (result.verdict, result.finding)]
        told = {"verdict": result.verdict, "rule": deciding[0] if deciding else None, "reason": result.reason}
        return {key: value for key, value in told.items() if value}


@pytest.fixture
def told(db: None, on_call: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Told:
    """The case's runbook, run on a host that prints what the case holds."""
    case: Case = request.getfixturevalue("case")
    recorded = list(case.sections())
    monkeypatch.setitem(hosts.OPENERS, "recorded", lambda host: lambda pool: ReplayTransport(recorded))
    monkeypatch.setattr(live, "publish", lambda run_id, seq: None)
    runbook = Runbook.objects.create(slug=case.slug, title=case.slug)
    revision = Revision.objects.create(runbook=runbook, number=1, text=case.text)
    host = Host.objects.create(name="recorded-1", transport="recorded", host_key_state=HostKeyState.NONE)
    run = start_run(revision=revision, hosts=[host], params=case.expected["params"], user=on_call, ring=False)
    execute(run.pk, [host.pk])
    run.refresh_from_db()
    answer = answer_of(read_run(run.pk))
    conclusion = answer.conclusion.say if answer and answer.conclusion else None
    results = Result.objects.filter(step__run=run).select_related("step")
    return Told({result.step.check_id: result for result in results}, run, conclusion)


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.slug}/{case.folder.name}")
def test_it_says_what_was_the_matter(case: Case, told: Told) -> None:
    expected = case.expected
    assert {check_id: told.of_step(check_id) for check_id in told.steps} == expected["steps"]
    assert (told.run.state, told.run.verdict) == (RunState.FINISHED, expected["verdict"])
    if expected["conclusion"] is None:
        assert told.conclusion is None
    else:
        assert expected["conclusion"] in (told.conclusion or "")


@pytest.mark.parametrize("slug", FILES)
@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_case_of_each_kind(slug: str, kind: str) -> None:
    assert any(case.slug == slug and case.folder.name.startswith(kind) for case in ALL)


def test_each_case_is_of_a_shipped_runbook_and_of_a_kind() -> None:
    assert not [case.folder for case in ALL if case.slug not in FILES or not case.folder.name.startswith(KINDS)]
