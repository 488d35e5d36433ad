"""A small catalogue that does not change when a real probe does, and the smallest runbook that lints clean."""

from collections.abc import Callable, Mapping

import pytest

from checks.collectors.base import Collector
from checks.params import Param
from checks.probes.base import FactSpec, Probe, Threshold
from runbooks.document.model import Document
from runbooks.document.parse import parse

HEAD = """\
---
title: Pods stall
title_zh: 容器卡顿
{front}---
## Meaning
One sentence.

## Impact
One sentence.

## Diagnosis
{body}
## Mitigation
One sentence.
"""


def _probe(probe_id: str, facts: tuple[FactSpec, ...], params: tuple[Param, ...] = (), sampled: bool = False) -> Probe:
    return Probe(
        id=probe_id,
        title=probe_id,
        question="?",
        collectors=(Collector("text", "a file", "cat /proc/version", sampled=sampled),),
        judge=lambda report: None,
        facts=facts,
        rules=(),
        sources=("test",),
        params=params,
        thresholds=(
            Threshold("dying_warn", 1000, "count", "many", "test"),
            Threshold("dying_crit", 10000, "count", "more", "test"),
        ),
    )


@pytest.fixture
def probes() -> Mapping[str, Probe]:
    """Three probes: one with numbers, one with text, one sampled with parameters."""
    return {
        "cgroup.memcg_dying": _probe(
            "cgroup.memcg_dying",
            (
                FactSpec("memcg_total", "int", "all"),
                FactSpec("memcg_dying", "int", "dying"),
                FactSpec("kernel", "list", "version"),
            ),
            (Param("timed", "bool", default=False),),
        ),
        "cgroup.mode": _probe("cgroup.mode", (FactSpec("mode", "str", "layout"), FactSpec("nested", "bool", "in a container"))),
        "cgroup.cpu": _probe(
            "cgroup.cpu",
            (FactSpec("throttled_ratio", "float", "share"), FactSpec("pid", "int", "process")),
            (Param("pid", "pid", required=True, help="a process"), Param("path", "path")),
            sampled=True,
        ),
    }


@pytest.fixture
def write(probes: Mapping[str, Probe]) -> Callable[..., Document]:
    """Parse a runbook whose Diagnosis is the given text."""

    def _write(body: str = "", front: str = "", **options: object) -> Document:
        return parse(HEAD.format(body=body, front=front), **({"probes": probes} | options))

    return _write


@pytest.fixture
def check(write: Callable[..., Document]) -> Callable[..., Document]:
    """Parse a runbook with one check, given as the lines below ``id: a``."""

    def _check(*lines: str, probe: str = "cgroup.memcg_dying", front: str = "") -> Document:
        return write("\n".join(("```check", "id: a", f"probe: {probe}", *lines, "```", "")), front)

    return _check
