"""The ways that a trace found, as a person would tell them: which chains the packet goes through, and how each way ends.

Pure: facts of the probes iptables.trace and nft.kubeproxy in, plain data out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from runbooks.presenters.shown import Shown
from runbooks.presenters.words import visible

_REWRITES = re.compile(r'(?<!comment ")\b(?:DNAT|REDIRECT)\b|"(?:dnat|redirect)"')
_COMMENT = re.compile(r'--comment (?:"(?:[^"\\]|\\.)*"|\S+)|/\*.*?\*/')
_JUMP = re.compile(r"(?:^|\s)(?:-j|-g|goto|jump) (\S+)")
_BASES = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})


@dataclass(frozen=True)
class Step:
    """A rule that matched. ``text`` is the rule as the tool printed it."""

    table: str
    chain: str
    line: int
    text: str


@dataclass(frozen=True)
class Hop:
    """A chain on the way, the rules of it that matched (the last one decides), and what matched in chains that came back to it.

    ``steps`` is empty where the packet ran through the chain and no rule of it matched.
    """

    table: str
    chain: str
    steps: tuple[Step, ...]
    asides: tuple[Step, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What tells this chain from another."""
        return (self.table, self.chain)

    @property
    def deciding(self) -> Step | None:
        """The rule by which the packet leaves the chain."""
        return self.steps[-1] if self.steps else None


@dataclass(frozen=True)
class Way:
    """One way: its chains up to the rule that settles where the packet goes, what it meets after that, and its end."""

    probability: float
    hops: tuple[Hop, ...]
    after: tuple[Step, ...]
    shown: Shown
    target: str
    rewritten: bool
    snat: str
    say: str
    notes: tuple[str, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every rule of the way, in order of the chains."""
        return (*(step for hop in self.hops for step in (*hop.steps, *hop.asides)), *self.after)


def ways_of(
    facts: Mapping[str, Any], question: Mapping[str, Any], bad_rules: Collection[str], *, whole: bool = True
) -> tuple[Way, ...]:
    """The listed branches as ways. ``bad_rules`` are the rules that were judged critical: without any, nothing is called broken.

    Of rules that are not ``whole`` nothing is called good either.
    """
    return tuple(_way(branch, question, bad_rules, whole=whole) for branch in facts.get("branches") or ())


def _way(branch: Mapping[str, Any], question: Mapping[str, Any], bad_rules: Collection[str], *, whole: bool) -> Way:
    steps = [Step(str(s["table"]), str(s["chain"]), int(s["line_no"]), str(s["text"])) for s in branch["path"]]
    rewritten = branch.get("dnat_ip") is not None
    settled = next((n for n, step in enumerate(steps, 1) if rewritten and _REWRITES.search(bare(step.text))), len(steps))
    hops = _hops(steps[:settled])
    verdict = str(branch["verdict"])
    after = steps[settled:]
    if not rewritten and verdict == "ACCEPT":  # nothing settled it: what stands behind the first hook says no more of its way
        hops = _through(hops)
        drawn = {step for hop in hops for step in (*hop.steps, *hop.asides)}
        after = [step for step in steps if step not in drawn]
    shown = _shown(verdict, rewritten=rewritten, bad_rules=bad_rules, whole=whole)
    place = (branch.get("dnat_ip"), branch.get("dnat_port")) if rewritten else (question.get("dst"), question.get("dport"))
    return Way(
        probability=float(branch["probability"]),
        hops=tuple(hops),
        after=tuple(after),
        shown=shown,
        target=address(*place),
        rewritten=rewritten,
        snat="" if branch.get("snat") in (None, "none") else str(branch["snat"]),
        say=_say(branch, verdict, steps, rewritten=rewritten),
        notes=tuple(visible(str(note)) for note in branch.get("notes") or ()),
    )


def bare(text: str) -> str:
    """A rule without its comments: what a comment says decides nothing.

    >>> bare('-A X -m comment --comment "a -j DNAT" -j Y')
    '-A X -m comment  -j Y'
    """
    return _COMMENT.sub("", text)


def address(ip: Any, port: Any) -> str:
    """An address with its port.

    >>> address("fd00::1", 53), address("10.0.0.1", 53)
    ('[fd00::1]:53', '10.0.0.1:53')
    """
    return f"[{ip}]:{port}" if ":" in str(ip) else f"{ip}:{port}"


def _hops(steps: Sequence[Step]) -> list[Hop]:
    """Chains in the order they are entered. A chain that the packet came back from stands beside the one that called it."""
    stack: list[tuple[list[Step], list[Step]]] = []
    for step in steps:
        at = next((n for n, (own, _) in enumerate(stack) if (own[0].table, own[0].chain) == (step.table, step.chain)), None)
        if at is None:
            stack.append(([step], []))
            continue
        for own, beside in stack[at + 1 :]:
            stack[at][1].extend((*own, *beside))
        del stack[at + 1 :]
        stack[at][0].append(step)
    return [Hop(own[0].table, own[0].chain, tuple(own), tuple(beside)) for own, beside in stack]


def _through(hops: list[Hop]) -> list[Hop]:
    """The chains of the first hook, and the one that the packet ran through without a match."""
    end = next((n for n, hop in enumerate(hops) if n and (hop.table != hops[0].table or is_base(hop.chain))), len(hops))
    own = hops[:end]
    called = jump(own[-1].deciding.text) if own and own[-1].deciding else ""
    return [*own, Hop(own[-1].table, called, ())] if called.startswith(("KUBE-", "service-")) else own


def is_base(chain: str) -> bool:
    """True for the chains that the kernel itself calls."""
    return chain in _BASES or chain.startswith(("nat-", "filter-"))


def jump(rule: str) -> str:
    """The chain that a rule leads to, or an empty string.

    >>> jump('-A KUBE-SERVICES -d 10.96.0.1/32 -m comment --comment "a -j B" -j KUBE-SVC-X'), jump("goto endpoint-1")
    ('KUBE-SVC-X', 'endpoint-1')
    """
    found = _JUMP.search(bare(rule))
    return found[1] if found else ""


def _shown(verdict: str, *, rewritten: bool, bad_rules: Collection[str], whole: bool) -> Shown:
    if verdict == "unknown" or not (whole or rewritten):
        return Shown.UNKNOWN
    if verdict == "ACCEPT":
        good = Shown.OK if whole else Shown.INFO
        return good if rewritten or not {"K08", "path"} & set(bad_rules) else Shown.CRIT
    return Shown.CRIT if bad_rules else Shown.UNKNOWN


def _say(branch: Mapping[str, Any], verdict: str, steps: Sequence[Step], *, rewritten: bool) -> str:
    last = steps[-1] if steps else None
    notes = [visible(str(note)) for note in branch.get("notes") or ()]
    if verdict == "ACCEPT":
        dev = visible(str((branch.get("route") or {}).get("dev") or ""))
        if not rewritten:
            return _("no rule rewrites it; leaves by %(dev)s") % {"dev": dev} if dev else _("no rule rewrites it")
        source = _("source becomes the node's") if branch.get("snat") not in (None, "none") else _("source is kept")
        return _("by %(dev)s, %(source)s") % {"dev": dev, "source": source} if dev else source
    if verdict == "unknown":
        return _("cannot be told")
    texts = [step.text for step in steps]
    if any("no local endpoints" in text for text in texts):
        return _("dropped: no local endpoint")
    if verdict == "REJECT" and any("no endpoints" in text or "endpoints-check" in text for text in texts[-2:]):
        return _("refused: no ready endpoint")
    if verdict in ("DROP", "REJECT") and last is not None and not any(note.startswith("routing of") for note in notes):
        words = {"chain": visible(last.chain), "line": last.line}
        return (
            _("dropped in %(chain)s, line %(line)s") if verdict == "DROP" else _("refused in %(chain)s, line %(line)s")
        ) % words
    return _("no route leads there") if verdict in ("unreachable", "DROP") else _("no answer can come")
