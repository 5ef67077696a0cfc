"""Reads and writes many rows with few statements, as plain tuples.

What every call of a chainlet passes through several times has no room for a model object for each
row, nor for building the same statement anew each time.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
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
        cursor.execute(
            statement, list(ids) if connection.features.has_native_uuid_field else [id.hex for id in ids]
        )
        found: list[tuple[Any, ...]] = cursor.fetchall()
    spots = _read_spots(model, tuple(names), connection.vendor)
    return [tuple(_mapped(row, spots)) for row in found] if spots else found


@cache
def _select(model: type[models.Model], names: tuple[str, ...], texts: tuple[str, ...], _: str) -> str:
    shown = ", ".join([*(f"self.{_column(model, name)}" for name in names), *texts])
    return f"SELECT {shown} FROM {_table(model)} AS self WHERE {{where}}"  # noqa: S608 (names of our own models)


def insert(model: type[models.Model], names: Sequence[str], rows: Collection[Sequence[Any]]) -> None:
    """Add rows; `names` are fields, and each row has their values in that order, JSON as text."""
    if not rows:
        return
    columns = ", ".join(_column(model, name) for name in names)
    places = ", ".join(["%s"] * len(names))
    statement = f"INSERT INTO {_table(model)} ({columns}) VALUES ({places})"  # noqa: S608 (names of our own models)
    _run(model, tuple(names), statement, rows)


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
        statement = f"UPDATE {_table(model)} SET {sets} WHERE {where}"  # noqa: S608 (names of our own models)
        _run(model, (*names, *keys), statement, values)


def _run(
    model: type[models.Model], names: tuple[str, ...], statement: str, rows: Iterable[Sequence[Any]]
) -> None:
    """Execute a statement for each row, whose values are those of the fields `names`."""
    spots = _write_spots(model, names, connection.vendor)
    as_time = _as_time()
    chosen = [(place, kind or as_time) for place, kind in spots]
    with connection.cursor() as cursor:
        cursor.executemany(statement, [_mapped(row, chosen) for row in rows])


def _mapped(row: Sequence[Any], spots: Sequence[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
    """The row with some of its values put otherwise; None stays None."""
    values = list(row)
    for place, kind in spots:
        if (value := values[place]) is not None:
            values[place] = kind(value)
    return values


@cache
def _write_spots(
    model: type[models.Model], names: tuple[str, ...], _: str
) -> list[tuple[int, Callable[[Any], Any] | None]]:
    """Which values a driver does not take as they are; None stands for what `_as_time` does."""
    found: list[tuple[int, Callable[[Any], Any] | None]] = []
    for place, name in enumerate(names):
        field: Any = model._meta.get_field(name)  # noqa: SLF001 (public, whatever its name says)
        kind = getattr(field, "target_field", field).get_internal_type()
        if kind == "UUIDField" and not connection.features.has_native_uuid_field:
            found.append((place, _hex))
        elif kind == "DateTimeField":
            found.append((place, None))
        elif field.choices:
            found.append((place, str))
    return found


@cache
def _read_spots(
    model: type[models.Model], names: tuple[str, ...], _: str
) -> list[tuple[int, Callable[[Any], Any]]]:
    """Which values SQLite gives as a text, or without a time zone."""
    if connection.features.has_native_uuid_field:
        return []
    found: list[tuple[int, Callable[[Any], Any]]] = []
    for place, name in enumerate(names):
        field: Any = model._meta.get_field(name)  # noqa: SLF001 (as above)
        kind = getattr(field, "target_field", field).get_internal_type()
        if kind == "UUIDField":
            found.append((place, UUID))
        elif kind == "DateTimeField":
            found.append((place, _utc))
    return found


def _hex(value: UUID) -> str:
    return value.hex


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def _as_time() -> Callable[[datetime], Any]:
    """How the driver wants a time. In a transaction most times are one and the same, and working it out is slow."""
    adapt = connection.ops.adapt_datetimefield_value
    last: datetime | None = None
    text: Any = None

    def as_time(value: datetime) -> Any:
        nonlocal last, text
        if value is not last:
            last, text = value, adapt(value)
        return text

    return as_time


@cache
def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 (public, whatever its name says)


@cache
def _column(model: type[models.Model], name: str) -> str:
    field: Any = model._meta.get_field(name)  # noqa: SLF001 (as above)
    return connection.ops.quote_name(field.column)
