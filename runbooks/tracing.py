"""The way of a packet through kube-proxy's rules: through pasted ones here and now, on a host by a run of the library's runbook.

Nothing is executed for a paste: the probe that would judge a host's output judges the pasted text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from checks import catalog
from checks.errors import CheckError
from checks.offline import Given, gather
from checks.params import read_all
from checks.results import Section, Verdict
from runbooks import dispatch
from runbooks.document.model import Reference
from runbooks.execution.store import keep, read_output
from runbooks.models import Host, Run, Runbook, Step, Trace, TraceSection
from runbooks.parsed import document_of
from runbooks.rows import clean_text, cleaned

IPTABLES, NFTABLES = "iptables.trace", "nft.kubeproxy"
TRACERS = (IPTABLES, NFTABLES)
RUNBOOK = "kube-proxy-iptables-service-path"
QUESTION = ("src", "dst", "dport", "proto", "origin")
PASTE_MAX = 16 << 20
LINES_MAX = 400_000  # five times the rules of the largest nodes; each line costs time whatever it says
TOO_LONG = f"paste at most {PASTE_MAX >> 20} MiB: the tables nat and filter, without counters"
FINDINGS_MAX = 200
TEXT_MAX = 1000

_WORST_FIRST = (Verdict.CRIT, Verdict.WARN, Verdict.UNKNOWN, Verdict.OK, Verdict.INFO, Verdict.SKIPPED)
_NFT = re.compile(r'\{\s*"nftables"\s*:')
_NFT_TEXT = re.compile(r"^[^\S\n]*table ip6? kube-proxy \{", re.MULTILINE)
_NFT_OBJECT = re.compile(r',\s*\{"(table|chain|rule|set|map|element|metainfo)":')


def read_paste(text: str) -> tuple[str, tuple[Section, ...]]:
    """The probe that reads the text, and its sections, redacted. Raises CheckError with what to paste instead."""
    size = len(text.encode("utf-8", "replace"))
    if size > PASTE_MAX:
        raise CheckError(f"this text has {size / (1 << 20):.1f} MiB; {TOO_LONG}")
    lines = text.count("\n")
    if lines > LINES_MAX:
        raise CheckError(f"this text has {lines:,} lines, more than any node has rules; {TOO_LONG}")
    is_json = bool(_NFT.search(text, 0, 64 << 10))
    if is_json:
        text = _NFT_OBJECT.sub(r',\n{"\1":', text)  # a line of evidence is one object
    probe = NFTABLES if is_json or _NFT_TEXT.search(text) else IPTABLES
    return probe, gather(catalog.get(probe), [Given("", "the pasted text", text.encode("utf-8", "replace"))]).sections


def trace_paste(probe: str, question: Mapping[str, Any], sections: Sequence[Section], user: User | None) -> Trace:
    """Follow the packet and keep question, rules and answer. Raises CheckError when the text does not hold its rules at all."""
    judge = catalog.get(probe)
    result = judge.evaluate(sections, read_all(judge.params, question))
    if not result.facts.get("branches"):
        raise CheckError(result.finding)
    said = result.as_json()
    findings = sorted(said["findings"], key=lambda one: _WORST_FIRST.index(one["verdict"]))[:FINDINGS_MAX]
    with transaction.atomic():
        trace = Trace.objects.create(
            question=cleaned(dict(question)),
            verdict=result.verdict,
            reason=str(result.reason or ""),
            finding=clean_text(result.finding[:TEXT_MAX]),
            facts=_short(said["facts"]),
            findings=_short(findings),
            probe=result.probe,
            probe_version=result.version,
            created_by=user,
        )
        kept = zip(sections, keep([section.stdout for section in sections]), strict=True)
        TraceSection.objects.bulk_create(
            TraceSection(trace=trace, name=section.name, command=section.command[:300], stdout_id=digest)
            for section, digest in kept
        )
    return trace


def sections_of(trace: Trace) -> tuple[Section, ...]:
    """The pasted rules of a trace, to ask them something else."""
    kept = trace.sections.select_related("stdout")
    return tuple(Section(one.name, read_output(one.stdout), command=one.command) for one in kept)


def _short(value: Any) -> Any:
    """Plain data for the database in which no text is long: a rule has no more than a few hundred characters."""
    if isinstance(value, str):
        return clean_text(value[:TEXT_MAX])
    if isinstance(value, Mapping):
        return {clean_text(str(name)): _short(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_short(item) for item in value]
    return cleaned(value)


def trace_host(question: Mapping[str, Any], host: Host, user: User, key: tuple[str, str, str] | None = None) -> Step:
    """Start a run of the library's runbook on the host; the step that follows the packet. Raises CheckError."""
    published = Runbook.objects.filter(slug=RUNBOOK, published__isnull=False).select_related("published").first()
    if published is None or published.published is None:
        raise CheckError(f"the runbook {RUNBOOK} is not in the library; load_library brings it, and pasted rules work without it")
    names = {"service_ip": "dst", "port": "dport", "proto": "proto", "client_ip": "src", "origin": "origin"}
    params = {name: question[asked] for name, asked in names.items()}
    run = dispatch.start_run(revision=published.published, hosts=[host], params=params, user=user, idempotency=key)
    step = tracing_step(run, host)
    if step is None:
        raise CheckError(f"the published revision of {RUNBOOK} has no check with the probe {IPTABLES}")
    return step


def tracing_step(run: Run, host: Host) -> Step | None:
    """The run's step that follows a packet on that host."""
    probes = {check.id: check.probe for check in document_of(run.revision.text).steps if check.probe in TRACERS}
    steps = list(run.steps.filter(check_id__in=probes, host=host).order_by("position"))
    return min(steps, key=lambda step: TRACERS.index(probes[step.check_id]), default=None)


def traces(step: Step) -> bool:
    """True when the step follows a packet."""
    check = document_of(step.run.revision.text).step(step.check_id)
    return check is not None and check.probe in TRACERS


def question_of(given: Mapping[str, Any], run_params: Mapping[str, Any]) -> dict[str, Any]:
    """The question that a step of a run asks: its check's values, with the run's parameters in their places."""
    asked: dict[str, Any] = {"proto": "tcp", "origin": "pod"} | dict(given)
    return {
        name: run_params.get(value.name) if isinstance(value, Reference) else value
        for name, value in asked.items()
        if name in QUESTION
    }
