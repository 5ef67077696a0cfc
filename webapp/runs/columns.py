"""Reads and writes many rows with few statements, as plain tuples.

What every call of a chainlet passes through several times has no room for a model object for each
row, for building the same statement anew each time, or for what Django's cursors do around each
statement. So statements go to the driver itself: to SQLite prepared once and executed for each row, to
PostgreSQL one for all rows, with an array for each column.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, models

_Spots = list[tuple[int, Callable[[Any], Any]]]


class Link:
    """This thread's connection to the database, for the length of a transaction or of a read."""

    def __init__(self) -> None:
        self._django = connections[DEFAULT_DB_ALIAS]
        self._django.ensure_connection()
        self._arrays = self._django.vendor == "postgresql"
        self._times = _Times(self._django.ops.adapt_datetimefield_value)

    @property
    def database(self) -> str:
        """Which one it is."""
        return str(self._django.settings_dict["NAME"])

    def select(
        self,
        model: type[models.Model],
        names: tuple[str, ...],
        ids: Collection[UUID],
        *,
        texts: tuple[str, ...] = (),
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
        statement = _select(model, names, texts, where, lock, self._arrays)
        if self._arrays:
            return self._execute(statement, [list(ids)])
        places = ", ".join(["?"] * len(ids))
        found = self._execute(statement.format(ids=places), [id.hex for id in ids])
        spots = _read_spots(model, names)
        return [tuple(_mapped(row, spots)) for row in found]

    def insert(
        self, model: type[models.Model], names: tuple[str, ...], rows: Collection[Sequence[Any]]
    ) -> None:
        """Add rows; `names` are fields, and each row has their values in that order, JSON as text."""
        self._write(_insert(model, names, self._arrays), model, names, rows)

    def update(
        self,
        model: type[models.Model],
        keys: tuple[str, ...],
        rows: Iterable[tuple[Sequence[Any], Mapping[str, Any]]],
    ) -> None:
        """Change rows: for each the values of `keys`, and the fields to set."""
        groups: defaultdict[tuple[str, ...], list[Sequence[Any]]] = defaultdict(list)
        for found, changed in rows:
            groups[tuple(changed)].append([*changed.values(), *found])
        for names, values in groups.items():
            self._write(_update(model, names, keys, self._arrays), model, (*names, *keys), values)

    def _write(
        self,
        statement: str,
        model: type[models.Model],
        names: tuple[str, ...],
        rows: Collection[Sequence[Any]],
    ) -> None:
        if not rows:
            return
        if self._arrays:
            chosen: _Spots = [(place, str) for place in _chosen(model, names)]
            columns = zip(*(_mapped(row, chosen) for row in rows), strict=True)
            self._execute(statement, [list(column) for column in columns])
            return
        spots = [(place, kind or self._times) for place, kind in _write_spots(model, names)]
        with self._django.wrap_database_errors:
            self._django.connection.executemany(statement, [_mapped(row, spots) for row in rows])

    def _execute(self, statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
        with self._django.wrap_database_errors:
            if self._arrays:
                with self._django.connection.cursor() as cursor:
                    cursor.execute(statement, values)
                    return cursor.fetchall() if cursor.description else []
            found: list[tuple[Any, ...]] = self._django.connection.execute(statement, values).fetchall()
            return found


class _Times:
    """How the driver wants a time. In a transaction most are one and the same, and working it out is slow."""

    def __init__(self, adapt: Callable[[datetime], Any]) -> None:
        self._adapt = adapt
        self._last: datetime | None = None
        self._text: Any = None

    def __call__(self, value: datetime) -> Any:
        if value is not self._last:
            self._last, self._text = value, self._adapt(value)
        return self._text


@cache
def _select(
    model: type[models.Model],
    names: tuple[str, ...],
    texts: tuple[str, ...],
    where: str,
    lock: bool,  # noqa: FBT001 (part of a key)
    arrays: bool,  # noqa: FBT001 (as above)
) -> str:
    shown = ", ".join([*(f"self.{_column(model, name)}" for name in names), *texts])
    condition = where.replace("IN ({ids})", "= ANY(%s::uuid[])") if arrays else where
    held = f" ORDER BY self.id{' FOR UPDATE' if arrays else ''}" if lock else ""
    return f"SELECT {shown} FROM {_table(model)} AS self WHERE {condition}{held}"  # noqa: S608 (names of our own models)


@cache
def _insert(model: type[models.Model], names: tuple[str, ...], arrays: bool) -> str:  # noqa: FBT001 (part of a key)
    columns = [_column(model, name) for name in names]
    into = f"INSERT INTO {_table(model)} ({', '.join(columns)})"
    if not arrays:
        return f"{into} VALUES ({', '.join(['?'] * len(names))})"
    shown, given = _unnested(model, names)
    return f"{into} SELECT {shown} FROM {given}"  # noqa: S608 (names of our own models)


@cache
def _update(model: type[models.Model], names: tuple[str, ...], keys: tuple[str, ...], arrays: bool) -> str:  # noqa: FBT001 (part of a key)
    table = _table(model)
    if not arrays:
        sets = ", ".join(f"{_column(model, name)} = ?" for name in names)
        where = " AND ".join(f"{_column(model, key)} = ?" for key in keys)
        return f"UPDATE {table} SET {sets} WHERE {where}"  # noqa: S608 (names of our own models)
    _, given = _unnested(model, (*names, *keys))
    sets = ", ".join(f"{_column(model, name)} = {_given(model, name)}" for name in names)
    where = " AND ".join(f"self.{_column(model, key)} = given.{_column(model, key)}" for key in keys)
    return f"UPDATE {table} AS self SET {sets} FROM {given} WHERE {where}"  # noqa: S608 (names of our own models)


def _unnested(model: type[models.Model], names: Sequence[str]) -> tuple[str, str]:
    """What to select, and from what: an array for each column."""
    shown = ", ".join(_given(model, name) for name in names)
    arrays = ", ".join(f"%s::{_array_of(model, name)}[]" for name in names)
    return shown, f"unnest({arrays}) AS given({', '.join(_column(model, name) for name in names)})"


def _array_of(model: type[models.Model], name: str) -> str:
    """JSON travels as text, and is made JSON once it is there: an array of it would be read as one value."""
    kind = _type(model, name)
    return "text" if kind == "jsonb" else kind


def _given(model: type[models.Model], name: str) -> str:
    made = "::jsonb" if _type(model, name) == "jsonb" else ""
    return f"given.{_column(model, name)}{made}"


def _type(model: type[models.Model], name: str) -> str:
    field: Any = model._meta.get_field(name)  # noqa: SLF001 (public, whatever its name says)
    return str(
        field.rel_db_type(connections[DEFAULT_DB_ALIAS])
        if field.primary_key
        else field.db_type(connections[DEFAULT_DB_ALIAS])
    )


def _mapped(row: Sequence[Any], spots: Sequence[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
    """The row with some of its values put otherwise; None stays None."""
    values = list(row)
    for place, kind in spots:
        if (value := values[place]) is not None:
            values[place] = kind(value)
    return values


@cache
def _write_spots(
    model: type[models.Model], names: tuple[str, ...]
) -> list[tuple[int, Callable[[Any], Any] | None]]:
    """Which values SQLite does not take as they are; None stands for times."""
    found: list[tuple[int, Callable[[Any], Any] | None]] = []
    for place, name in enumerate(names):
        kind = _kind(model, name)
        if kind == "UUIDField":
            found.append((place, _hex))
        elif kind == "DateTimeField":
            found.append((place, None))
    return found + [(place, str) for place in _chosen(model, names)]


@cache
def _chosen(model: type[models.Model], names: tuple[str, ...]) -> list[int]:
    """Which values may be members of an enumeration."""
    fields: list[Any] = [model._meta.get_field(name) for name in names]  # noqa: SLF001 (as above)
    return [place for place, field in enumerate(fields) if field.choices]


@cache
def _read_spots(model: type[models.Model], names: tuple[str, ...]) -> _Spots:
    """Which values SQLite gives as a text, or without a time zone."""
    found: _Spots = []
    for place, name in enumerate(names):
        kind = _kind(model, name)
        if kind == "UUIDField":
            found.append((place, UUID))
        elif kind == "DateTimeField":
            found.append((place, _utc))
    return found


def _kind(model: type[models.Model], name: str) -> str:
    field: Any = model._meta.get_field(name)  # noqa: SLF001 (as above)
    return str(getattr(field, "target_field", field).get_internal_type())


def _hex(value: UUID) -> str:
    return value.hex


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def _table(model: type[models.Model]) -> str:
    return f'"{model._meta.db_table}"'  # noqa: SLF001 (as above)


def _column(model: type[models.Model], name: str) -> str:
    field: Any = model._meta.get_field(name)  # noqa: SLF001 (as above)
    return f'"{field.column}"'
