"""The house stands as its plan says: imports left to right, files and functions short, public things documented."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("checks", "runbooks", "kb")
SOURCES = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts]
MAX_FILE, MEDIAN_FILE, MAX_FUNCTION = 250, 110, 40


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_it_imports_left_to_right() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_keeps_checks_free_of_the_site() -> None:
    code = "import sys, checks.__main__, checks.catalog; checks.catalog.catalog(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"django", "celery", "redis", "kombu", "ninja", "runbooks", "kb", "asyncssh"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_keeps_files_and_functions_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE
    long = [f"{node.name}: {node.end_lineno - node.lineno + 1}" for node in _functions(path) if _length(node) > MAX_FUNCTION]
    assert not long


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_it_keeps_the_median_file_short() -> None:
    assert statistics.median(len(path.read_text().splitlines()) for path in SOURCES) <= MEDIAN_FILE


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_says_what_each_module_is(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not tree.body or ast.get_docstring(tree), f"{path} has no module docstring"


def test_it_has_a_fixed_top_level() -> None:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    top = {line.split("/")[0] for line in done.stdout.splitlines()}
    known = {
        "manage.py",
        "pyproject.toml",
        "kb",
        "runbooks",
        "checks",
        "templates",
        "tests",
        "README.md",
        "Makefile",
        "CHANGELOG.md",
    }
    known |= {"CHANGELOG.md", "docs", "deploy", ".ci", ".gitignore", "requirements.lock", "requirements-dev.lock"}
    assert top <= known


def test_it_locks_every_dependency_with_hashes() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        blocks = (ROOT / lock).read_text().split("\n")
        names = [line for line in blocks if line and line[0] not in " #"]
        assert len(names) > 30
        assert (ROOT / lock).read_text().count("--hash=sha256:") >= len(names)
