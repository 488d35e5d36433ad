"""``manage.py run_runbook SLUG --host NAME [-p k=v]``: a run from a shell, on the same road as every other run."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from checks.errors import CheckError
from checks.results import Verdict
from runbooks.choices import RUN_OPEN
from runbooks.dispatch import start_run
from runbooks.execution import execute
from runbooks.execution.rights import UNATTENDED
from runbooks.models import Host, Result, Revision, Run, Runbook
from runbooks.verdicts import collected

EXIT = {Verdict.OK: 0, Verdict.INFO: 0, Verdict.WARN: 1, Verdict.CRIT: 2, Verdict.UNKNOWN: 3, Verdict.SKIPPED: 3}
USAGE = 64


class Command(BaseCommand):
    """Start a run, do it in this process, print what it says."""

    help = "Run a runbook here and now. Exit code: 0 ok, 1 warn, 2 crit, 3 unknown or skipped, 64 usage."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which runbook, where, with what."""
        parser.add_argument("slug")
        parser.add_argument("--host", action="append", required=True, help="a host's name; give it again for more hosts")
        parser.add_argument("-p", "--param", action="append", default=[], metavar="NAME=VALUE")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, then end with the verdict as the exit code."""
        params = dict(_pair(text) for text in options["param"])
        try:
            run = start_run(
                revision=_revision(options["slug"]),
                hosts=[_host(name) for name in options["host"]],
                params=params,
                user=None,
                origin=UNATTENDED,
                ring=False,
            )
        except CheckError as error:
            raise CommandError(error.say, returncode=USAGE) from None
        execute(run.pk, list(run.hosts.values_list("pk", flat=True)))
        self._wait(run)
        raise SystemExit(self._report(run))

    def _wait(self, run: Run) -> None:
        """A worker may have been faster with some of it; its part ends at the run's deadline at the latest."""
        run.refresh_from_db()
        while run.state in RUN_OPEN:
            time.sleep(0.3)
            execute(run.pk, list(run.hosts.values_list("pk", flat=True)))
            run.refresh_from_db()

    def _report(self, run: Run) -> int:
        results = Result.objects.filter(step__run=run).select_related("step__host").order_by("step__position", "step__host__name")
        for result in results:
            self.stdout.write(f"{result.verdict:8} {result.step.host.name:16} {result.step.check_id:24} {result.finding}")
        told, applied = collected(result.verdict for result in results)
        self.stdout.write(f"\n{run.verdict}: {run.revision.runbook.title} ({told} of {applied} collected, run {run.pk})")
        return EXIT[Verdict(run.verdict)]


def _revision(slug: str) -> Revision:
    runbook = Runbook.objects.select_related("published").filter(slug=slug).first()
    if runbook is None or runbook.published is None:
        known = ", ".join(Runbook.objects.exclude(published=None).order_by("slug").values_list("slug", flat=True)[:20])
        raise CommandError(f"there is no published runbook {slug}; some that there are: {known or 'none'}", returncode=USAGE)
    return runbook.published


def _host(name: str) -> Host:
    host = Host.objects.filter(name=name).first()
    if host is None:
        known = ", ".join(Host.objects.values_list("name", flat=True)[:20])
        raise CommandError(f"there is no host {name}; some that there are: {known or 'none'}", returncode=USAGE)
    return host


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"write -p NAME=VALUE, not {text}", returncode=USAGE)
    return name, value
