"""Golden cases of ``tests/cases/probes`` (README there) as data; ``case`` and ``probe`` for any test that asks for them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from checks.catalog import catalog, get
from checks.collectors.base import Collector
from checks.errors import ParseError
from checks.params import Param, read_all
from checks.parsers.files import split_files
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Finding, ProbeResult, Reason, Section

CASES = Path(__file__).parents[1] / "cases" / "probes"
KEYS = {"verdict", "rule", "reason", "say", "facts", "evidence", "params", "limits", "sections", "about"}
SECTION_KEYS = {"rc", "stderr", "timed_out", "dropped_bytes"}


@dataclass(frozen=True)
class Case:
    """One folder: raw files, one per section, and what the probe must say of them."""

    probe_id: str
    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def probe(self) -> Probe:
        return get(self.probe_id)

    @property
    def expected(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "expected.json").read_text("utf-8"))
        unknown = set(found) - KEYS
        assert not unknown, f"{self.folder}/expected.json: unknown keys {unknown}; known: {KEYS}"
        return found

    @property
    def files(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in sorted(self.folder.iterdir()) if file.name != "expected.json"}

    @property
    def params(self) -> dict[str, Any]:
        return read_all(self.probe.params, self.expected.get("params", {}))

    @property
    def limits(self) -> dict[str, float]:
        return self.expected.get("limits", {})

    @property
    def sections(self) -> list[Section]:
        """The sections in the probe's order; ``expected.json`` may say how a command ended (see SECTION_KEYS)."""
        files, said = self.files, self.expected.get("sections", {})
        known = self.probe.section_names()
        strange = (set(files) | set(said)) - set(known)
        assert not strange, f"{self.folder}: {self.probe_id} has no section {strange}; its sections: {known}"
        found = []
        for name in known:
            if name in files or name in said:
                ended = dict(said.get(name, {}))
                assert set(ended) <= SECTION_KEYS, f"{self.folder}/expected.json: sections.{name} may hold {SECTION_KEYS}"
                ended["stderr"] = ended.get("stderr", "").encode()
                found.append(Section(name, files.get(name, b""), **ended))
        return found

    def judge(self, sections: list[Section] | None = None) -> ProbeResult:
        """The probe's answer. A defect of the probe raises instead of becoming ``probe_error``."""
        return judge(self.probe, self.sections if sections is None else sections, self.params, self.limits)


def judge(probe: Probe, sections: list[Section], params: dict[str, Any], limits: dict[str, float] | None = None) -> ProbeResult:
    report = Report(probe, sections, params, limits or {})
    report.judge()
    return report.result()


def deciding(result: ProbeResult) -> Finding:
    """The finding that gave the result its verdict and its sentence."""
    return next(finding for finding in result.findings if finding.verdict == result.verdict and finding.say == result.finding)


def all_cases() -> list[Case]:
    """Every case. A folder without ``expected.json`` is still being written and not a case yet."""
    found = sorted(CASES.glob("*/*/expected.json"))
    return [Case(file.parent.parent.name, file.parent) for file in found]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", all_cases(), ids=lambda case: f"{case.probe_id}/{case.name}")
    if "probe" in metafunc.fixturenames:
        metafunc.parametrize("probe", list(catalog().values()), ids=lambda probe: probe.id)


@pytest.fixture(scope="session")
def every_case() -> list[Case]:
    return all_cases()


@pytest.fixture(scope="session")
def every_probe() -> list[Probe]:
    return list(catalog().values())


@pytest.fixture(scope="session")
def deciding_finding() -> Any:
    return deciding


def _judge_toy(report: Report) -> None:
    """Warns from ``warn_at`` on; reads the number in the section ``count`` and, when it is there, the file in ``limits``."""
    section = report.need("count")
    match = re.fullmatch(r"(\d+) things\n", section.text)
    if not match:
        raise ParseError("the first line is not a number of things", section="count", line=1)
    count = int(match[1])
    report.fact("things", count, "count", 1)
    if "limits" in report.sections:
        files = split_files(report.need("limits").text)
        if not files.complete:
            raise ParseError("the limits end too early", Reason.TRUNCATED, "limits")
        report.fact("limit", files.text("/proc/sys/toy/limit").strip())
    verdict, limit = report.level(count, "warn_at", "crit_at")
    line = report.evidence("count", 1, match[1])
    report.find("many", verdict, f"there are {count} things", value=count, limit=limit, evidence=[line])


@pytest.fixture(scope="session")
def toy() -> Probe:
    """A probe as small as one can be: one required section, a files section, a sampled one."""
    return Probe(
        id="toy.count",
        title="Things",
        question="Are there too many things?",
        collectors=(
            Collector(
                "count", "Number of things", 'printf "%s things\\n" "${1:-3}"', args=("things",), looks_like=r"\A\d+ things$"
            ),
            Collector("limits", "Limits", "files /proc/sys/toy/limit /proc/toy/*/status", optional=True),
            Collector(
                "clock", "Clock", "cat /proc/uptime", sampled=True, optional=True, looks_like=r"\A\d+\.\d\d \d+\.\d\d\s*\Z"
            ),
        ),
        judge=_judge_toy,
        facts=(FactSpec("things", "int", "number of things"), FactSpec("limit", "str", "the limit")),
        rules=(Rule("many", "there are many things", "counted by hand", "Take some away."),),
        sources=("counted by hand",),
        params=(Param("things", "int", help="how many to pretend"),),
        thresholds=(
            Threshold("warn_at", 10, "things", "many", "by hand"),
            Threshold("crit_at", 20, "things", "too many", "by hand"),
        ),
        interval_s=1,
    )
