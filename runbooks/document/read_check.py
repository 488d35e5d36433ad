"""A ``check`` fence's YAML as a Check."""

from __future__ import annotations

import re
from typing import Any

from checks.results import Verdict
from runbooks.document.expressions import NAME
from runbooks.document.fences import Fence
from runbooks.document.fields import Fields, Problems
from runbooks.document.located import Node, Place, YamlError, load
from runbooks.document.model import Check, Compare, Expectation, Reference

KEYS = (
    "id",
    "title",
    "probe",
    "with",
    "limits",
    "expect",
    "when",
    "confirms",
    "samples",
    "interval_s",
    "fan_out",
    "compare",
)
THEN = ("ok", "info", "warn", "crit")
_STEP_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
_REFERENCE = re.compile(rf"\{{\s*({NAME})\s*\}}")
_BODY_MAX = 16384


def read_check(fence: Fence, heading: str, problems: Problems) -> tuple[Check | None, Node | None]:
    """The check and its YAML (for lint's line numbers), or None where the block cannot be read at all."""
    here = Place(fence.line, fence.column)
    if len(fence.text) > _BODY_MAX:
        problems.error(here, "too-long", "shorten this check: it is larger than 16 KiB")
        return None, None
    try:
        node = load(fence.text, fence.line + 1, fence.indents)
    except YamlError as error:
        problems.error(error.place, "bad-yaml", error.say, error.suggest, error.length)
        return None, None
    fields = Fields(node, problems, KEYS, "a check")
    step_id, probe = _step_id(fields), fields.text("probe", required=True)
    if not step_id or not probe:
        return None, node
    check = Check(
        id=step_id,
        title=fields.text("title") or heading or step_id,
        probe=probe,
        line=fence.line,
        with_=_with(fields),
        limits=_limits(fields),
        expect=_expect(fields),
        when=fields.condition("when"),
        confirms=fields.flag("confirms", default=False),
        samples=_samples(fields),
        interval_s=fields.number("interval_s", 1, 60),
        fan_out=fields.flag("fan_out", default=True),
        compare=_compare(fields),
    )
    return check, node


def _step_id(fields: Fields) -> str:
    step_id = fields.text("id", required=True)
    if step_id and not _STEP_ID.fullmatch(step_id):
        fields.wrong("id", "write up to 40 small letters, digits and _, beginning with a letter, such as memcg_dying")
        return ""
    return step_id


def _samples(fields: Fields) -> int | None:
    """Two or nothing: the probe knows whether one reading tells or two are compared."""
    node = fields.node("samples")
    if node is None:
        return None
    if isinstance(node.plain, bool) or node.plain != 2:
        fields.wrong("samples", "write 2 or leave it out: the probe decides whether it reads once or twice, and never more often")
        return None
    return 2


def _with(fields: Fields) -> dict[str, Any]:
    node = fields.node("with")
    if node is None:
        return {}
    if not isinstance(node.plain, dict):
        fields.wrong("with", "write the probe's parameters as name: value")
        return {}
    return {name: _argument(name, value, fields) for name, (_, value) in node.entries.items()}


def _argument(name: str, node: Node, fields: Fields) -> Any:
    """A plain value or a Reference. Unquoted ``{param}`` is a YAML mapping without a value; it can mean nothing else."""
    if isinstance(node.plain, dict):
        only = next(iter(node.plain)) if list(node.plain.values()) == [None] else ""
        if _REFERENCE.fullmatch(f"{{{only}}}"):
            return Reference(only)
        fields.problems.error(node.place, "bad-value", f'{name}: write one value, or a reference such as "{{pid}}" in quotes')
        return None
    if isinstance(node.plain, str):
        reference = _REFERENCE.fullmatch(node.plain)
        if reference:
            return Reference(reference[1])
        if "{" in node.plain or "}" in node.plain:
            say = f'{name}: a reference is the whole value, such as "{{pid}}" or "{{step.fact}}"; it cannot be part of one'
            fields.problems.error(node.place, "bad-reference", say)
            return None
    if isinstance(node.plain, list):
        return ",".join(str(item) for item in node.plain)
    return node.plain


def _limits(fields: Fields) -> dict[str, float]:
    node = fields.node("limits")
    limits: dict[str, float] = {}
    if node is None:
        return limits
    if not isinstance(node.plain, dict):
        fields.wrong("limits", "write thresholds as name: number")
    for name, (_, value) in node.entries.items():
        if isinstance(value.plain, int | float) and not isinstance(value.plain, bool):
            limits[name] = value.plain
        else:
            fields.problems.error(value.place, "bad-value", f"{name}: write a number; the unit is the threshold's own")
    return limits


def _expect(fields: Fields) -> tuple[Expectation, ...]:
    node = fields.node("expect")
    if "expect" not in fields.entries:
        return ()
    if node is None or not node.items:
        say = "expect: holds no rule; write - {if: …, then: warn, say: …} or leave expect out"
        fields.problems.error(fields.at("expect"), "empty-expect", say)
        return ()
    found: list[Expectation] = []
    for item in node.items:
        rule = Fields(item, fields.problems, ("if", "then", "say"), "an expectation")
        condition, say = rule.condition("if", required=True), rule.text("say", required=True)
        then = rule.choice("then", THEN, "") if rule.node("then") else ""
        if not rule.node("then"):
            rule.problems.error(item.place, "missing-then", f"an expectation needs then: with one of {', '.join(THEN)}")
        if condition and then and say:
            found.append(Expectation(condition, Verdict(then), say, item.place.line))
    return tuple(found)


def _compare(fields: Fields) -> Compare | None:
    node = fields.node("compare")
    if node is None:
        return None
    if not isinstance(node.plain, dict):
        fields.wrong("compare", "write {all_equal: fact} or {outlier: fact}")
        return None
    inner = Fields(node, fields.problems, ("all_equal", "outlier", "then", "say", "score", "apart"), "compare")
    kinds = [how for how in ("all_equal", "outlier") if inner.node(how)]
    if len(kinds) != 1:
        fields.wrong("compare", "write {all_equal: fact} or {outlier: fact}")
        return None
    return Compare(
        how=kinds[0],
        fact=inner.text(kinds[0]),
        then=Verdict(inner.choice("then", ("info", "warn", "crit"), "warn")),
        say=inner.text("say"),
        score=inner.number("score", 0.1, 1000, whole=False) or Compare.score,
        apart=inner.number("apart", 0, 1000, whole=False) or (0.0 if inner.node("apart") else Compare.apart),
    )
