"""docs/runbook-format.md tells the truth: its examples lint clean, and it names every problem that lint can report."""

import ast
import re
from pathlib import Path

import pytest

import runbooks.document as room
from checks.catalog import catalog
from checks.params import TYPES
from runbooks.document.fences import scan
from runbooks.document.lint import BROKEN_SAYS
from runbooks.document.model import Verdict
from runbooks.document.parse import parse
from runbooks.document.read_check import KEYS as CHECK_KEYS
from runbooks.document.read_meta import KEYS as META_KEYS
from runbooks.document.read_meta import KINDS

PAGE = (Path(__file__).parents[3] / "docs" / "runbook-format.md").read_text()
EXAMPLES = [fence.text for fence in scan(PAGE.split("\n")).fences if fence.lang == "markdown"]


def test_it_has_examples():
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize("example", EXAMPLES)
def test_its_examples_lint_clean(example):
    document = parse(example, probes=catalog())
    assert document.problems == ()
    assert document.steps


def reported():
    """The code of every problem that the source reports."""
    for path in Path(room.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("error", "warning") and len(node.args) > 2:
                code = node.args[1]
                yield from [code.value] if isinstance(code, ast.Constant) else []
    yield from BROKEN_SAYS


def test_it_names_every_problem():
    codes = set(reported())
    assert len(codes) > 30
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()


@pytest.mark.parametrize("word", [*CHECK_KEYS, *META_KEYS, *KINDS, *TYPES, "remedy", *("all", "any")])
def test_it_explains_every_word(word):
    assert re.search(rf"[`{{ ]{re.escape(word)}[`: ,}}]", PAGE), word


def test_it_names_every_verdict():
    assert " ".join(["ok", "info", "warn", "crit", "unknown", "skipped"]) in PAGE
    assert {str(verdict) for verdict in Verdict} == {"ok", "info", "warn", "crit", "unknown", "skipped"}
