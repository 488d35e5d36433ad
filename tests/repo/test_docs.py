"""The docs are true: settings are listed, links lead somewhere, the example probe works, nothing private is told."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from checks.probes.base import Probe
from checks.results import Section, Verdict

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _files() -> list[str]:
    return subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_it_lists_every_setting() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "kb").rglob("*.py"))
    used = set(re.findall(r"SIDENOTE_[A-Z_]+[A-Z]", source)) - {"SIDENOTE_DATABASE_URL_FILE"}
    listed = set(re.findall(r"`(SIDENOTE_[A-Z_]+)`", (ROOT / "docs/settings.md").read_text()))
    assert used == listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_it_links_to_what_is_there(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_it_shows_a_probe_that_works() -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/add-a-probe.md").read_text(), re.DOTALL)
    assert code
    names: dict[str, tuple[Probe, ...]] = {}
    exec(compile(code[1], "docs/add-a-probe.md", "exec"), names)
    (probe,) = names["PROBES"]
    calm = probe.evaluate([Section("loadavg", b"0.50 0.40 0.30 1/100 4242\n")])
    busy = probe.evaluate([Section("loadavg", b"80.0 70.0 60.0 90/100 4242\n")])
    assert (calm.verdict, busy.verdict) == (Verdict.OK, Verdict.WARN)
    assert busy.findings[0].evidence[0].line == 1


def test_it_lists_the_commands_of_the_readme_in_the_makefile() -> None:
    commands = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert commands == ["up", "test"]
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in commands)


def test_it_keeps_secrets_out_of_the_tree() -> None:
    private = re.compile(r"-----BEGIN (?:OPENSSH|RSA|EC) PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{200,}")
    for name in _files():
        path = ROOT / name
        if path.is_file() and path.suffix not in (".png", ".mo"):
            assert not private.search(path.read_text(errors="replace")), name
