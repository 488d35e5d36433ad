"""The shipped library comes into the database, and an author's work stays."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from runbooks.loader import SHIPPED, How, load_library
from runbooks.models import Revision, Runbook
from runbooks.revisions import add_revision

GOOD = """---
title: Zombies
kind: incident
tags: [cgroup]
---

## Diagnosis

```check
id: first
probe: toy.number
confirms: true
```
"""
BAD = GOOD.replace("toy.number", "toy.numbr")

pytestmark = pytest.mark.usefixtures("script", "db")


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def load(folder: Path) -> dict[str, How]:
    return {loaded.slug: loaded.how for loaded in load_library(folder)}


def test_it_loads_a_library_once(tmp_path: Path) -> None:
    write(tmp_path, "cgroup/zombies.md", GOOD)
    assert load(tmp_path) == {"zombies": How.NEW}
    assert load(tmp_path) == {"zombies": How.UNCHANGED}
    runbook = Runbook.objects.get()
    assert runbook.published is not None
    assert (runbook.slug, runbook.title, runbook.tags) == ("zombies", "Zombies", ["cgroup"])
    assert (runbook.published.text, runbook.published.comment) == (GOOD, SHIPPED)
    assert Revision.objects.count() == 1


def test_it_publishes_a_new_text_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "zombies.md", GOOD)
    load(tmp_path)
    write(tmp_path, "zombies.md", GOOD.replace("Zombies", "Dying cgroups"))
    assert load(tmp_path) == {"zombies": How.UPDATED}
    runbook = Runbook.objects.get()
    assert runbook.published is not None
    assert (runbook.title, runbook.published.number) == ("Dying cgroups", 2)


def test_it_never_replaces_what_an_author_published(tmp_path: Path, on_call: Any) -> None:
    write(tmp_path, "zombies.md", GOOD)
    load(tmp_path)
    add_revision("zombies", GOOD.replace("Zombies", "Ours"), author=on_call, publish=True)
    assert load(tmp_path) == {"zombies": How.UNCHANGED}
    write(tmp_path, "zombies.md", GOOD.replace("Zombies", "Shipped anew"))
    (loaded,) = load_library(tmp_path)
    assert loaded.how == How.KEPT_ASIDE
    assert "your revision 2 stays published; ours is revision 3" in loaded.say
    runbook = Runbook.objects.get()
    assert runbook.published is not None
    assert (runbook.title, runbook.published.number) == ("Ours", 2)
    assert load(tmp_path) == {"zombies": How.UNCHANGED}


def test_it_refuses_a_file_with_errors_and_loads_the_others(tmp_path: Path) -> None:
    write(tmp_path, "good.md", GOOD)
    write(tmp_path, "bad.md", BAD)
    write(tmp_path, "other/good.md", GOOD)
    (tmp_path / "latin.md").write_bytes(b"caf\xe9")
    loaded = {str(each.path.relative_to(tmp_path)): each for each in load_library(tmp_path)}
    assert {name: each.how for name, each in loaded.items()} == {
        "bad.md": How.REFUSED,
        "good.md": How.NEW,
        "latin.md": How.REFUSED,
        "other/good.md": How.REFUSED,
    }
    assert "Did you mean toy.number?" in " ".join(problem.say for problem in loaded["bad.md"].problems)
    assert list(Runbook.objects.values_list("slug", flat=True)) == ["good"]


def test_it_says_what_it_did(tmp_path: Path) -> None:
    write(tmp_path, "good.md", GOOD)
    write(tmp_path, "bad.md", BAD)
    out = StringIO()
    call_command("load_library", folder=tmp_path, stdout=out)
    said = out.getvalue()
    assert "Library: 1 new, 1 refused" in said
    assert f"{tmp_path}/bad.md:11:8 error: There is no probe toy.numbr" in said
    with pytest.raises(CommandError):
        call_command("load_library", folder=tmp_path, strict=True, stdout=out)


def test_it_lints_files(tmp_path: Path) -> None:
    write(tmp_path, "good.md", GOOD)
    write(tmp_path, "bad.md", BAD)
    out = StringIO()
    call_command("lint_runbooks", tmp_path / "good.md", stdout=out)
    assert "1 runbooks, no errors" in out.getvalue()
    with pytest.raises(CommandError, match="1 errors in 2 runbooks"):
        call_command("lint_runbooks", tmp_path / "good.md", tmp_path / "bad.md", stdout=out)
    assert f"{tmp_path}/bad.md:11:8 error unknown-probe" in out.getvalue()
