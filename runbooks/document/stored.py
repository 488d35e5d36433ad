"""A document as plain data for a revision, and back: pages read this and never parse."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

from runbooks.document import model
from runbooks.document.model import Combined, Comparison, Document, Reference

VERSION = 1


def as_json(document: Document) -> dict[str, Any]:
    """Everything but the text, which the revision keeps byte for byte itself."""
    data = typing.cast("dict[str, Any]", _plain(document))
    del data["text"]
    return {"version": VERSION, **data}


def from_json(data: Mapping[str, Any], text: str = "") -> Document:
    """The document that ``as_json`` stored. ``text`` is the revision's source."""
    if data.get("version") != VERSION:
        raise ValueError(f"this was stored in form {data.get('version')}; parse the text again")
    return typing.cast("Document", _build(Document, {**data, "text": text}))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        data = {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
        return {"reference": value.name} if isinstance(value, Reference) else data
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, Mapping) else value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, vars(model))


def _build(kind: Any, data: Any) -> Any:
    """The value of type ``kind`` that ``data`` stands for, guided by the annotations of the model."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if data is None or kind is Any:
        return data
    if origin in (types.UnionType, typing.Union):
        return _build(_member(inner, data), data)
    if origin is tuple:
        return tuple(_build(inner[0], item) for item in data)
    if origin is not None:
        return {name: _argument(item) for name, item in data.items()}
    if is_dataclass(kind):
        known = _hints(typing.cast("type", kind))
        return kind(**{name: _build(known[name], item) for name, item in data.items() if name in known})  # type: ignore[operator]
    return kind(data) if isinstance(kind, type) and issubclass(kind, Enum) else data


def _member(members: tuple[Any, ...], data: Any) -> Any:
    if Comparison in members:
        return Combined if isinstance(data, Mapping) and "parts" in data else Comparison
    return next(member for member in members if member is not type(None))


def _argument(value: Any) -> Any:
    return Reference(value["reference"]) if isinstance(value, Mapping) and set(value) == {"reference"} else value
