"""The ``needs`` marker: a test of what a Debian package brings is left out, by name, where that package is not installed.

Nothing is left out silently: the session ends with one list and the one command that brings the rest. With
``SIDENOTE_NOTHING_LEFT_OUT=1`` (set where everything must be there) a test that would be left out fails instead.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import pytest

SERVER_PATHS = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", *sorted(glob.glob("/usr/lib/postgresql/*/bin"))]
)

# For each Debian package the programs that must all be found; a tuple names alternatives.
PACKAGES: dict[str, tuple[str | tuple[str, ...], ...]] = {
    "bash": ("bash",),
    "busybox": ("busybox",),
    "chromium": (("chromium", "chromium-browser", "google-chrome"),),
    "conntrack": ("conntrack",),
    "dash": ("dash",),
    "ethtool": ("ethtool",),
    "iproute2": ("ip", "ss"),
    "iptables": ("iptables", "iptables-save"),
    "nftables": ("nft",),
    "nginx": ("nginx",),
    "openssh-client": ("ssh", "ssh-keygen"),
    "openssh-server": ("sshd",),
    "openssl": ("openssl",),
    "postgresql": ("initdb", "postgres"),
    "procps": ("ps", "sysctl"),
    "redis-server": (("redis-server", "valkey-server"),),
    "rpm": ("rpm",),
    "strace": ("strace",),
    "sudo": ("sudo",),
    "valkey-server": (("valkey-server", "redis-server"),),
}


def _installed(package: str) -> bool:
    if package not in PACKAGES:
        raise pytest.UsageError(f"needs({package!r}): tests/conftest.py knows no such package; known: {', '.join(PACKAGES)}")
    for programs in PACKAGES[package]:
        names = (programs,) if isinstance(programs, str) else programs
        if not any(shutil.which(name, path=SERVER_PATHS) for name in names):
            return False
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    wanted = [package for marker in item.iter_markers("needs") for package in marker.args]
    missing = sorted({package for package in wanted if not _installed(package)})
    if not missing:
        return
    item.user_properties.append(("left_out", " ".join(missing)))  # reports carry it to the session that prints the summary
    if os.environ.get("SIDENOTE_NOTHING_LEFT_OUT") == "1":
        pytest.fail(f"nothing may be left out here, but this needs: apt-get install {' '.join(missing)}", pytrace=False)
    pytest.skip(f"needs {' '.join(missing)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left_out: Counter[str] = Counter()
    for outcome in ("skipped", "error", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            left_out.update(value for name, value in getattr(report, "user_properties", []) if name == "left_out")
    if not left_out:
        return
    terminalreporter.section("left out")
    for packages, count in sorted(left_out.items()):
        terminalreporter.line(f"{count} {'test needs' if count == 1 else 'tests need'} {packages}")
    everything = sorted({package for packages in left_out for package in packages.split()})
    terminalreporter.line(f"apt-get install {' '.join(everything)}")


# --- runs whose answers are made up, for everything that shows runs ------------


@pytest.fixture
def person(db: None) -> Callable[..., Any]:
    """Make a person with these rights (code names of runbooks' permissions)."""

    def make(*rights: str, name: str = "") -> Any:
        from django.contrib.auth import get_user_model
        from django.contrib.auth.models import Permission

        users = get_user_model().objects
        user = users.create_user(name or f"person-{users.count() + 1}")
        found = Permission.objects.filter(content_type__app_label="runbooks", codename__in=rights)
        assert len(found) == len(rights), "no such right"
        user.user_permissions.set(found)
        return user

    return make


@pytest.fixture
def result() -> Callable[..., Any]:
    """What a probe says, made up: one finding with one deciding line, or nothing but a reason and a sentence."""

    def make(
        verdict: str = "ok",
        say: str = "",
        *,
        value: Any = 5,
        reason: str = "",
        text: str = "",
        probe: str = "cgroup.mode",
        **more: Any,
    ) -> Any:
        from checks.results import Evidence, Finding, ProbeResult, Reason, Section, Verdict

        why = Reason(reason) if reason else None
        say = say or f"the value is {value}"
        if why and not text:
            return ProbeResult(probe, 1, Verdict(verdict), why, say)
        line = Evidence("numbers", 2, f"value {value} here", str(value))
        finding = Finding(
            "made.up",
            Verdict(verdict),
            say,
            value,
            more.pop("threshold", 100),
            more.pop("unit", "things"),
            0.5,
            (line,),
            reason=why,
            **more,
        )
        output = text or f"first\nvalue {value} here\n" + "more\n" * 20
        section = Section("numbers", output.encode(), duration_ms=412, command="cat /numbers")
        return ProbeResult(probe, 1, Verdict(verdict), why, say, {"value": value}, {"value": line}, (finding,), (section,))

    return make


@pytest.fixture
def answer(result: Callable[..., Any]) -> Callable[..., None]:
    """End steps of a run as a worker would: one check, on all hosts or on those named, with a result or with that verdict."""

    def end(run: Any, check: str, said: Any = "ok", hosts: Collection[str] = (), state: str = "done") -> None:
        from runbooks.choices import StepState
        from runbooks.execution.close import Outcome, close
        from runbooks.execution.held import hold

        made = result(said) if isinstance(said, str) else said
        steps = run.steps.filter(check_id=check, **({"host__name__in": hosts} if hosts else {}))
        with hold(run.pk) as held:
            close(held, [Outcome(step.pk, step.fence, StepState(state), made, found=StepState(step.state)) for step in steps])

    return end


@pytest.fixture
def made_run(db: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Start a run of a made-up writeup with checks c1, c2 … on hosts host-1, host-2 …; nothing answers by itself."""
    from runbooks import live, tasks

    monkeypatch.setattr(tasks, "ring", lambda messages: True)
    monkeypatch.setattr(live, "publish", lambda run_id, seq: None)

    def make(hosts: int = 1, checks: int = 2, *, front: str = "", group: str = "", body: str = "", **fields: Any) -> Any:
        from runbooks.dispatch import start_run
        from runbooks.models import Host, HostGroup, Revision, Runbook

        number = Runbook.objects.count() + 1
        fences = "".join(
            f"### Question {n}\n\nWords about {n}.\n\n```check\nid: c{n}\nprobe: cgroup.mode\n```\n\n"
            for n in range(1, checks + 1)
        )
        head = f"---\ntitle: Made up {number}\nkind: incident\n{front}---\n\n"
        text = head + "## Meaning\n\nWhat it is.\n\n## Impact\n\nWho.\n\n## Diagnosis\n\n"
        book = Runbook.objects.create(slug=f"made-up-{number}", title=f"Made up {number}", tags=["toy"])
        book.published = Revision.objects.create(runbook=book, number=1, text=text + (body or fences))
        book.save()
        made = [
            Host.objects.get_or_create(name=f"host-{n}", defaults={"address": f"10.0.0.{n % 250}", "username": "toy"})[0]
            for n in range(1, hosts + 1)
        ]
        if group:
            HostGroup.objects.get_or_create(name=group)[0].hosts.add(*made)
        return start_run(revision=book.published, hosts=made, **{"params": {}, "user": None, "origin": "web"} | fields)

    return make
