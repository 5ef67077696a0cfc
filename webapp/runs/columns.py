"""Reads and writes many rows with few statements, as plain tuples.

What every call of a chainlet passes through several times has no room for a model object for each
row, nor for building the same statement anew each time.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection, models


def select(
    model: type[models.Model],
    names: Sequence[str],
    ids: Collection[UUID],
    *,
    texts: Sequence[str] = (),
    where: str = "id IN ({ids})",
    lock: bool = False,
) -> list[tuple[Any, ...]]:
    """Rows by id: fields in the order of `names`, then SQL expressions that give texts.

    Args:
        model: its table is called `self` in `texts` and `where`.
        names: fields.
        ids: what `{ids}` in `where` stands for.
        texts: expressions.
        where: a condition.
        lock: hold the rows until the end of the transaction, in the order of their ids.
    """
    if not ids:
        return []
    places = ", ".join(["%s"] * len(ids))
    statement = _select(model, tuple(names), tuple(texts), connection.vendor).format(
        where=where.format(ids=places)
    )
    if lock:
        holding = " FOR UPDATE" if connection.features.has_select_for_update else ""
        statement = f"{statement} ORDER BY self.id{holding}"
    with connection.cursor() as cursor:
        cursor.execute(statement, list(map(_adapt(), ids)))
        found: list[tuple[Any, ...]] = cursor.fetchall()
    if connection.features.has_native_uuid_field:
        return found
    kinds = _kinds(model, tuple(names), len(texts))
    return [tuple(map(_native, kinds, row)) for row in found]


@cache
def _select(model: type[models.Model], names: tuple[str, ...], texts: tuple[str, ...], _: str) -> str:
    shown = ", ".join([*(f"self.{_column(model, name)}" for name in names), *texts])
    return f"SELECT {shown} FROM {_table(model)} AS self WHERE {{where}}"  # noqa: S608 (names of our own models)


@cache
def _kinds(model: type[models.Model], names: tuple[str, ...], texts: int) -> tuple[str, ...]:
    """What SQLite gives as a text or without a time zone."""
    fields = [model._meta.get_field(name) for name in names]  # noqa: SLF001 (public, whatever its name says)
    kinds = [getattr(field, "target_field", field).get_internal_type() for field in fields]
    return (*kinds, *([""] * texts))


def _native(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "UUIDField":
        return UUID(value)
    return value.replace(tzinfo=UTC) if kind == "DateTimeField" else value


def insert(model: type[models.Model], names: Sequence[str], rows: Collection[Sequence[Any]]) -> None:
    """Add rows; `names` are fields, and each row has their values in that order, JSON as text."""
    if not rows:
        return
    columns = ", ".join(_column(model, name) for name in names)
    places = ", ".join(["%s"] * len(names))
    _run(f"INSERT INTO {_table(model)} ({columns}) VALUES ({places})", rows)  # noqa: S608 (names of our own models)


def update(
    model: type[models.Model], keys: Sequence[str], rows: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]
) -> None:
    """Change rows: for each the values of `keys`, and the fields to set."""
    groups: defaultdict[tuple[str, ...], list[Sequence[Any]]] = defaultdict(list)
    for found, changed in rows:
        names = tuple(sorted(changed))
        groups[names].append([*(changed[name] for name in names), *found])
    where = " AND ".join(f"{_column(model, key)} = %s" for key in keys)
    for names, values in groups.items():
        sets = ", ".join(f"{_column(model, name)} = %s" for name in names)
        _run(f"UPDATE {_table(model)} SET {sets} WHERE {where}", values)  # noqa: S608 (names of our own models)


def _run(statement: str, rows: Iterable[Sequence[Any]]) -> None:
    with connection.cursor() as cursor:
        adapted = _adapt()
        cursor.executemany(statement, [list(map(adapted, row)) for row in rows])


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 (public, whatever its name says)


def _column(model: type[models.Model], name: str) -> str:
    field: Any = model._meta.get_field(name)  # noqa: SLF001 (as above)
    return connection.ops.quote_name(field.column)


def _adapt() -> Callable[[Any], Any]:
    """How the driver wants a value. Looked up once for many: asking Django's connection costs more than the answer."""
    as_time, native_uuid = connection.ops.adapt_datetimefield_value, connection.features.has_native_uuid_field

    def adapted(value: Any) -> Any:
        if isinstance(value, Enum):
            return value.value
        if isinstance(value, datetime):
            return as_time(value)
        if isinstance(value, UUID) and not native_uuid:
            return value.hex
        return value

    return adapted
