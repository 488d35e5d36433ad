"""docs/probes.md says what the catalogue says."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

from checks import show

PAGE = Path(__file__).parents[2] / "docs" / "probes.md"


def test_its_samples_hold() -> None:
    assert doctest.testmod(show).failed == 0


def test_it_is_the_page_that_the_catalogue_makes(every_probe: list[Any]) -> None:
    assert PAGE.read_text("utf-8") == show.documentation(every_probe), "run make docs"


def test_it_documents_every_probe_fact_and_rule(probe: Any) -> None:
    entry = show.explain(probe)
    for name in [
        probe.id,
        *(fact.name for fact in probe.facts),
        *(rule.id for rule in probe.rules),
        *(limit.name for limit in probe.thresholds),
    ]:
        assert name in entry, name


def test_it_closes_every_code_block(probe: Any) -> None:
    assert show.explain(probe).count("\n```") % 2 == 0
