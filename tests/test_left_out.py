"""The ``needs`` marker of tests/conftest.py: what is left out is named, and can be forbidden."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).with_name("conftest.py")
TESTS = """
import pytest

@pytest.mark.needs("no-such-package")
def test_it_needs_what_is_not_there(): raise AssertionError("must not run")

@pytest.mark.needs("dash")
def test_it_needs_what_is_there(): pass
"""
TOY_PACKAGE = '\nPACKAGES["no-such-package"] = ("no-such-program",)\n'


def run_pytest(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST.read_text() + TOY_PACKAGE)
    (folder / "test_toy.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = needs(name): toy\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "DJANGO", "SIDENOTE"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:django", "-p", "no:cacheprovider", *arguments, str(folder)]
    return subprocess.run(command, cwd=folder, env=clean | environment, capture_output=True, text=True, timeout=120)


def test_it_leaves_out_what_is_not_installed_and_says_so(tmp_path: Path) -> None:
    ran = run_pytest(tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert "1 passed, 1 skipped" in ran.stdout
    assert "1 test needs no-such-package\napt-get install no-such-package" in ran.stdout


def test_it_says_so_when_several_processes_run_the_tests(tmp_path: Path) -> None:
    ran = run_pytest(tmp_path, "-n", "2")
    assert "1 test needs no-such-package\napt-get install no-such-package" in ran.stdout


def test_it_fails_when_nothing_may_be_left_out(tmp_path: Path) -> None:
    ran = run_pytest(tmp_path, SIDENOTE_NOTHING_LEFT_OUT="1")
    assert ran.returncode == 1
    assert "apt-get install no-such-package" in ran.stdout
