"""Many rows in one statement, the same text on PostgreSQL and SQLite.

A run writes some sixty small rows per host, and building a model object for each costs more than storing it. Both databases
call the columns of a bare VALUES list ``column1``, ``column2``…
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, models

_strict = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, default=str).encode
_PARAMETERS_AT_ONCE = 20000  # SQLite takes 32766


def insert_rows(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Sequence[Any]], *, ignore_conflicts: bool = False
) -> None:
    """Insert the rows. Values are plain: ids, numbers, text, bytes, and what ``moment``, ``key`` and ``as_json`` give."""
    if not rows:
        return
    quoted = ", ".join(connection.ops.quote_name(column) for column in columns)
    head = f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)} ({quoted}) "
    tail = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    size = max(1, _PARAMETERS_AT_ONCE // len(columns))
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":  # binds rows faster than it reads a long statement
            cursor.executemany(f"{head}VALUES ({marks(columns)}){tail}", rows)
            return
        for start in range(0, len(rows), size):
            values, parameters = values_list(rows[start : start + size])
            cursor.execute(head + values + tail, parameters)


def known_values(model: type[models.Model], column: str, values: Sequence[Any]) -> set[Any]:
    """Those of the values that some row has in that column."""
    name, table = connection.ops.quote_name(column), connection.ops.quote_name(model._meta.db_table)
    found: set[Any] = set()
    with connection.cursor() as cursor:
        for start in range(0, len(values), _PARAMETERS_AT_ONCE):
            some = values[start : start + _PARAMETERS_AT_ONCE]
            cursor.execute(f"SELECT {name} FROM {table} WHERE {name} IN ({marks(some)})", some)  # noqa: S608  names of a model
            found.update(value for (value,) in cursor)
    return found


def values_list(rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    """``VALUES (…), (…)`` and its parameters.

    >>> values_list([(1, "a"), (2, "b")])
    ('VALUES (%s, %s), (%s, %s)', [1, 'a', 2, 'b'])
    """
    row = "(" + ", ".join(["%s"] * len(rows[0])) + ")"
    return "VALUES " + ", ".join([row] * len(rows)), [value for values in rows for value in values]


def marks(values: Iterable[Any]) -> str:
    """Placeholders for a list of values: ``%s, %s``."""
    return ", ".join("%s" for _ in values)


def moment(value: datetime) -> Any:
    """A time in the database's own form."""
    return connection.ops.adapt_datetimefield_value(value)


def key(value: UUID) -> Any:
    """A UUID in the database's own form."""
    return value if connection.features.has_native_uuid_field else value.hex


def as_json(value: Any) -> str:
    """JSON that both databases take: no NUL, no lone surrogates, no NaN."""
    try:
        text = _strict(value)
        text.encode()
    except ValueError:
        return _strict(cleaned(value))
    return _strict(cleaned(value)) if "\\u0000" in text else text


def clean_text(text: str) -> str:
    """Text that both databases take."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def cleaned(value: Any) -> Any:
    """Plain data that both databases take as JSON."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    if isinstance(value, Mapping):
        return {clean_text(str(name)): cleaned(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in value]
    return value
