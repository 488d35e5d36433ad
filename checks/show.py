"""Results and catalogue entries as text for a terminal and for the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from checks.collectors.base import Collector, Privilege
from checks.params import TYPES, Param
from checks.probes.base import Probe
from checks.results import Evidence, Finding, ProbeResult

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")

_NEEDS = {
    Privilege.USER: "any user",
    Privilege.ROOT: "root, or sudo -n for these commands",
    Privilege.NETNS: "root, to enter another namespace",
    Privilege.ACTIVE: "sends traffic",
}


def plain(text: object) -> str:
    """The text on one line, with what a terminal would obey or hide made visible.

    >>> plain("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text).replace("\n", " "))


def result(found: ProbeResult, host: str = "") -> str:
    """A result for a person: the verdict and its sentence first, then each finding with its lines, then the facts."""
    reason = f" ({found.reason})" if found.reason else ""
    place = f" on {plain(host)}" if host else ""
    lines = [f"{found.verdict.upper()}{reason} {found.probe}{place}: {plain(found.finding)}"]
    for finding in found.findings:
        lines += ["", *_finding(finding)]
    if found.facts:
        lines += ["", "facts"]
        width = max(map(len, found.facts))
        lines += [f"  {name:<{width}}  {_value(value)}{_origin(found, name)}" for name, value in found.facts.items()]
    return "\n".join(lines) + "\n"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"{finding.verdict} [{finding.rule}] {plain(finding.say)}"
    if finding.threshold is not None:
        margin = f", {finding.margin:+.0%}" if finding.margin is not None else ""
        yield f"  value {plain(finding.value)}, limit {finding.threshold:g} {finding.unit}{margin}".rstrip()
    for line in finding.evidence:
        yield f"  {_place(line)}: {plain(line.text)[:300]}"
    if finding.remedy:
        yield f"  remedy: {plain(finding.remedy)}"
    if finding.source:
        yield f"  source: {plain(finding.source)}"


def _value(value: Any) -> str:
    text = plain(value)
    return text if len(text) <= 160 else text[:157] + "..."


def _origin(found: ProbeResult, name: str) -> str:
    line = found.fact_lines.get(name)
    return f"  ({_place(line)})" if line else ""


def _place(line: Evidence) -> str:
    return f"{plain(line.file)}:{line.line} ({line.section})" if line.file else f"{line.section}:{line.line}"


def catalogue(probes: Iterable[Probe]) -> str:
    """One line per probe."""
    known = list(probes)
    width = max((len(probe.id) for probe in known), default=0)
    return "".join(f"{probe.id:<{width}}  {probe.title}\n" for probe in known)


def explain(probe: Probe, *, scripts: bool = True) -> str:
    """A catalogue entry as Markdown that reads well in a terminal: what it runs, needs, tells and knows."""
    lines = [f"## {probe.id}: {probe.title}", "", probe.question, "", _cost(probe)]
    lines += _list("Parameters", [_param(param) for param in probe.params])
    if scripts:
        lines += ["", "### What it runs"]
        for collector in probe.collectors:
            lines += ["", _section(collector), *_code(collector)]
    else:
        lines += _list("What it runs", [_section(collector) for collector in probe.collectors])
    lines += _list("Facts", [f"`{fact.name}` ({fact.type}): {fact.say}" for fact in probe.facts])
    rules = [
        f"`{rule.id}`: {rule.say}" + (f"\n  Remedy: {rule.remedy}" if rule.remedy else "") + f"\n  Source: {rule.source}"
        for rule in probe.rules
    ]
    lines += _list("Rules", rules)
    limits = [f"`{t.name}` = {t.default:g} {t.unit}: {t.say} ({t.mark}; {t.source})" for t in probe.thresholds]
    lines += _list("Limits that a runbook may change", limits)
    lines += _list("Sources", list(probe.sources))
    return "\n".join(lines) + "\n"


def _code(collector: Collector) -> list[str]:
    return ["", "```sh", collector.script.strip("\n"), "```"]


def _cost(probe: Probe) -> str:
    seconds = sum(collector.timeout_s * (2 if collector.sampled else 1) for collector in probe.collectors)
    commands = len(probe.section_names())
    words = [f"Needs {_NEEDS[probe.privilege]}", f"{commands} {'command' if commands == 1 else 'commands'}, at most {seconds} s"]
    if probe.sampled:
        words.append(f"two samples, {probe.interval_s} s apart")
    if probe.heavy:
        words.append("heavy: ask before it runs")
    return f"{'; '.join(words)}. Version {probe.version}."


def _param(param: Param) -> str:
    kind = f"one of {', '.join(param.choices)}" if param.choices else TYPES[param.type].say
    default = "required" if param.required else f"default {param.default}" if param.default is not None else "optional"
    return f"`{param.name}` ({kind}; {default}): {param.help}".rstrip(": ")


def _section(collector: Collector) -> str:
    names = f"`{collector.name}_a`, `{collector.name}_b`" if collector.sampled else f"`{collector.name}`"
    notes = [_NEEDS[collector.privilege], f"at most {collector.timeout_s} s and {_size(collector.max_bytes)}"]
    if collector.args:
        notes.append("arguments " + ", ".join(f"${number} {name}" for number, name in enumerate(collector.args, 1)))
    if collector.only_if:
        notes.append(f"only with {collector.only_if}")
    if collector.optional:
        notes.append("may be missing")
    return f"{names}: {collector.title} ({'; '.join(notes)})"


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"


def _list(title: str, entries: list[str]) -> list[str]:
    return ["", f"### {title}", "", *(f"- {entry}" for entry in entries)] if entries else []


def described(probe: Probe) -> Mapping[str, Any]:
    """A catalogue entry as plain data."""
    return {
        "probe": probe.id,
        "version": probe.version,
        "title": probe.title,
        "question": probe.question,
        "privilege": str(probe.privilege),
        "heavy": probe.heavy,
        "interval_s": probe.interval_s if probe.sampled else None,
        "params": [vars(param) for param in probe.params],
        "sections": [vars(collector) | {"privilege": str(collector.privilege)} for collector in probe.collectors],
        "facts": [vars(fact) for fact in probe.facts],
        "rules": [vars(rule) for rule in probe.rules],
        "thresholds": [vars(threshold) for threshold in probe.thresholds],
        "sources": list(probe.sources),
    }


def documentation(probes: Iterable[Probe]) -> str:
    """All catalogue entries as one Markdown page; a command that several of them run stands once, at the end."""
    known = list(probes)
    head = (
        "# Probes\n\nMade by `make docs`, held to the catalogue by a test. `python -m checks explain PROBE` prints one entry.\n\n"
    )
    index = "".join(f"- [`{probe.id}`](#{_anchor(probe)}) {probe.question}\n" for probe in known)
    entries = "\n".join(explain(probe, scripts=False) for probe in known)
    users: dict[Collector, list[str]] = {}
    for probe in known:
        for collector in probe.collectors:
            users.setdefault(collector, []).append(probe.id)
    lines = ["", "## Commands"]
    for collector in sorted(users, key=lambda one: (one.name, one.title)):
        asked = ", ".join(f"`{name}`" for name in users[collector])
        lines += ["", f"### {collector.name}: {collector.title}", "", f"For {asked}.", *_code(collector)]
    return head + index + "\n" + entries + "\n".join(lines) + "\n"


def _anchor(probe: Probe) -> str:
    return re.sub(r"[^\w -]", "", f"{probe.id}: {probe.title}".lower()).replace(" ", "-")
