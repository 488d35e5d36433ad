"""A site of its own in a temporary directory: database, one person, hosts, a runbook with as many checks as wanted."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PASSWORD = "a-long-word-for-a-bench"


def prepare(data: Path) -> None:
    """Make the site; from here on Django's models can be imported."""
    os.environ["SIDENOTE_DATA_DIR"] = str(data)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from runbooks import tasks

    call_command("migrate", verbosity=0)
    get_user_model().objects.create_superuser("bench", password=PASSWORD)
    tasks.ring = lambda messages: True  # nobody works here; the bench answers itself


def make_run(hosts: int, checks: int, groups: int = 4) -> Any:
    """A run of that size with nothing answered yet."""
    from runbooks.dispatch import start_run
    from runbooks.models import Host, HostGroup, Revision, Runbook

    parts = [
        f"### Question {n}\n\nA paragraph about it.\n\n```check\nid: c{n}\nprobe: cgroup.memcg_dying\nconfirms: true\n```\n"
        for n in range(checks)
    ]
    conclusion = 'conclusions:\n  - {if: "c0.memcg_dying >= 900000", say: "far too many"}\n'
    text = (
        f"---\ntitle: Bench\nkind: incident\n{conclusion}---\n\n## Meaning\n\nWords.\n\n## Impact\n\nWords.\n\n## Diagnosis\n\n"
        + "\n".join(parts)
    )
    book = Runbook.objects.create(slug=f"bench-{random.randrange(10**9)}", title="Bench")
    book.published = Revision.objects.create(runbook=book, number=1, text=text)
    book.save()
    rooms = [HostGroup.objects.get_or_create(name=f"group-{n}")[0] for n in range(groups)]
    made = []
    for n in range(hosts):
        host, _ = Host.objects.get_or_create(
            name=f"host-{n:04}", defaults={"address": f"10.0.{n // 250}.{n % 250 + 1}", "username": "bench"}
        )
        host.groups.set([rooms[n % groups]])
        made.append(host)
    return start_run(revision=book.published, hosts=made, params={}, user=None, origin="bench")


def answer(run: Any, steps: Iterable[Any]) -> None:
    """End these steps, each with facts, findings with their lines, and two sections of output."""
    from runbooks.choices import StepState
    from runbooks.execution.close import Outcome, close
    from runbooks.execution.held import hold

    with hold(run.pk) as held:
        outcomes = [Outcome(step.pk, step.fence, StepState.DONE, _result(step.pk), found=StepState.QUEUED) for step in steps]
        close(held, outcomes)


def _result(seed: int) -> Any:
    from checks.results import Evidence, Finding, ProbeResult, Section, Verdict

    value = 200 + seed * 37 % 20000
    verdict = Verdict.CRIT if value > 15000 else Verdict.WARN if value > 12000 else Verdict.OK
    output = "\n".join(f"memory{n} 10 {value + n} 1" for n in range(120)).encode()
    line = Evidence("cgroups", 7, f"memory6 10 {value + 6} 1", str(value + 6))
    names = ("memcg_dying", "memcg_total", "memcg_visible", "dying_source", "distro")
    facts = dict(zip(names, (value, value + 400, 400, "proc_cgroups", "el8"), strict=True))
    findings = tuple(
        Finding(
            f"K{n:02}",
            verdict if n == 0 else Verdict.OK,
            f"{value + n} memory cgroups are dying",
            value + n,
            12000,
            "cgroups",
            0.1,
            (line,),
        )
        for n in range(3)
    )
    sections = (
        Section("cgroups", output, duration_ms=12, command="cat /proc/cgroups"),
        Section("tree", output, duration_ms=30, command="find"),
    )
    return ProbeResult("cgroup.memcg_dying", 1, verdict, None, findings[0].say, facts, {"memcg_dying": line}, findings, sections)
