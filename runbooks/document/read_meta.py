"""The front matter as Meta."""

from __future__ import annotations

import re

from checks.errors import ParamError
from checks.params import TYPES, Param
from checks.params import read as read_param
from runbooks.document.expressions import compiled
from runbooks.document.fields import Fields, Problems, nearest
from runbooks.document.located import Node, Place, YamlError, load
from runbooks.document.model import Conclusion, Meta, Source, Symptoms

KEYS = ("title", "title_zh", "kind", "tags", "targets", "params", "symptoms", "source", "conclusions")
KINDS = ("incident", "how-to", "reference")
_SIGNATURES_MAX = 50
_FRONT_MAX = 65536
_PARAM_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def split_front_matter(lines: list[str]) -> int:
    """How many lines the front matter takes, its two lines of dashes included; 0 when there is none, -1 when it never ends."""
    if not lines or lines[0].lstrip("\ufeff").rstrip() != "---":
        return 0
    return next((number + 1 for number, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), -1)


def read_meta(lines: list[str], problems: Problems) -> tuple[Meta, Node | None]:
    """The front matter's Meta and its YAML, or an empty Meta and what to write."""
    end = split_front_matter(lines)
    if end <= 0:
        say = "close the front matter with a line of three dashes" if end else "begin with front matter: ---, title: …, ---"
        problems.error(Place(1, 1), "front-matter", say)
        return Meta(), None
    text = "\n".join(lines[1 : end - 1])
    if len(text) > _FRONT_MAX:
        problems.error(Place(1, 1), "too-long", f"shorten the front matter: it is longer than {_FRONT_MAX} characters")
        return Meta(), None
    try:
        node = load(text, 2)
    except YamlError as error:
        problems.error(error.place, "bad-yaml", error.say, error.suggest, error.length)
        return Meta(), None
    fields = Fields(node, problems, KEYS, "the front matter")
    meta = Meta(
        title=fields.text("title", required=True),
        title_zh=fields.text("title_zh"),
        kind=fields.choice("kind", KINDS, "incident"),
        tags=fields.texts("tags"),
        targets=fields.texts("targets"),
        params=_params(fields),
        symptoms=_symptoms(fields),
        source=_source(fields),
        conclusions=_conclusions(fields),
    )
    return meta, node


def _params(fields: Fields) -> tuple[Param, ...]:
    node = fields.node("params")
    if node is None:
        return ()
    if not isinstance(node.plain, dict):
        fields.wrong("params", "write each parameter as name: {type: …, help: …}")
    found = [_param(name, place, value, fields.problems) for name, (place, value) in node.entries.items()]
    return tuple(param for param in found if param)


def _param(name: str, place: Place, node: Node, problems: Problems) -> Param | None:
    if not _PARAM_NAME.fullmatch(name):
        problems.error(place, "bad-param", f"{name}: write small letters, digits and _, beginning with a letter")
        return None
    fields = Fields(node, problems, ("type", "default", "help", "required", "choices", "min", "max"), "a parameter")
    kind = fields.text("type", required=True)
    if kind and kind not in TYPES:
        near = nearest(kind, TYPES)
        hint = f"did you mean {near}?" if near else "known types: " + ", ".join(TYPES)
        problems.error(fields.at("type"), "bad-param", f"there is no parameter type {kind}; {hint}")
    if kind not in TYPES:
        return None
    default = fields.node("default")
    param = Param(
        name=name,
        type=kind,
        help=fields.text("help"),
        required=fields.flag("required", default=False),
        choices=fields.texts("choices"),
        min=fields.number("min", -1e15, 1e15, whole=False),
        max=fields.number("max", -1e15, 1e15, whole=False),
    )
    if kind == "enum" and not param.choices:
        problems.error(place, "bad-param", f"{name}: an enum needs choices: [ … ]")
    if default is None:
        return param
    try:
        return Param(**(vars(param) | {"default": read_param(param, default.plain)}))
    except ParamError as error:
        problems.error(default.place, "bad-param", error.say)
        return param


def _symptoms(fields: Fields) -> Symptoms:
    node = fields.node("symptoms")
    if node is None:
        return Symptoms()
    inner = Fields(node, fields.problems, ("strong", "weak", "words"), "symptoms")
    for key in ("strong", "weak"):
        value = inner.node(key)
        patterns = (value.items or (value,)) if value else ()
        if len(patterns) > _SIGNATURES_MAX:
            inner.wrong(key, f"write at most {_SIGNATURES_MAX} regular expressions")
        for item in patterns[:_SIGNATURES_MAX]:
            _signature(str(item.plain), item.text_at, fields.problems)
    return Symptoms(inner.texts("strong"), inner.texts("weak"), inner.texts("words"))


def _signature(pattern: str, place: Place, problems: Problems) -> None:
    try:
        matches_nothing = compiled(pattern).search("", timeout=1) is not None
    except ValueError as error:
        problems.error(place, "bad-regex", str(error))
    except TimeoutError:
        problems.error(place, "bad-regex", "simplify this regular expression: it takes too long")
    else:
        if matches_nothing:
            problems.error(
                place, "bad-regex", "this regular expression matches any text: write the words that only this incident logs"
            )


def _source(fields: Fields) -> Source:
    node = fields.node("source")
    if node is None:
        return Source()
    inner = Fields(node, fields.problems, ("file", "title", "errata"), "source")
    return Source(inner.text("file"), inner.text("title"), inner.texts("errata"))


def _conclusions(fields: Fields) -> tuple[Conclusion, ...]:
    node = fields.node("conclusions")
    if node is None:
        return ()
    if not node.items:
        fields.wrong("conclusions", "write a list of - {if: …, say: …}")
    found: list[Conclusion] = []
    for item in node.items:
        inner = Fields(item, fields.problems, ("if", "say", "do", "fix", "next"), "a conclusion")
        condition, say = inner.condition("if", required=True), inner.text("say", required=True)
        if condition and say:
            found.append(Conclusion(condition, say, inner.text("do"), inner.text("fix"), inner.text("next"), item.place.line))
    return tuple(found)
