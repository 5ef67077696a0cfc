"""Reads and writes many rows with few statements, as plain tuples.

What every call of a chainlet passes through several times has no room for a model object for each
row, for building the same statement anew each time, or for what Django's cursors do around each
statement. So statements go to the driver itself, and all rows of one travel as one JSON text: the driver
gives up the interpreter's lock at every row and every execution, and a thread that has to wait
for that lock a hundred times in a transaction holds up everybody else's.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from django.db import DEFAULT_DB_ALIAS, connections, models

_Spots = list[tuple[int, str]]
_CHOICE = "choice"


class Link:
    """This thread's connection to the database, for the length of a transaction or of a read."""

    def __init__(self) -> None:
        self._django = connections[DEFAULT_DB_ALIAS]
        self._django.ensure_connection()
        self._postgres = self._django.vendor == "postgresql"
        self._texts = _Texts(with_zone=self._postgres)
        self._values = _Values()

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
        where: str = "id IN {ids}",
        given: Sequence[Any] = (),
        lock: bool = False,
    ) -> list[list[Any]]:
        """Rows by id: fields in the order of `names`, JSON as text, then SQL expressions that give texts.

        Args:
            model: its table is called `self` in `texts` and `where`.
            names: fields.
            ids: what `{ids}` in `where` stands for.
            texts: expressions.
            where: a condition, and what may follow one.
            given: what `{given}` in `where` stands for, one after the other.
            lock: hold the rows until the end of the transaction, in the order of their ids.
        """
        if not ids:
            return []
        one = len(ids) == 1
        statement = _select(model, names, texts, where, lock, one, self._postgres)
        self._values.expect(ids)
        hexes = [id.hex for id in ids]
        (found,) = self._execute(statement, [*(hexes if one else [_json(hexes)]), *given])
        rows: list[list[Any]] = orjson.loads(found[0])
        spots = _spots(model, names)
        for row in rows:
            self._values.read(row, spots)
        return rows

    def insert(
        self, model: type[models.Model], names: tuple[str, ...], rows: Collection[Sequence[Any]]
    ) -> None:
        """Add rows; `names` are fields, and each row has their values in that order, JSON as text."""
        if rows:
            statement = _insert(model, names, len(rows) == 1, self._postgres)
            self._write(statement, rows, _spots(model, names))

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
            statement = _update(model, names, keys, len(values) == 1, self._postgres)
            self._write(statement, values, _spots(model, (*names, *keys)))

    def _write(self, statement: str, rows: Collection[Sequence[Any]], spots: _Spots) -> None:
        written = [self._texts.written(row, spots) for row in rows]
        self._execute(statement, written[0] if len(written) == 1 else [_json(written)])

    def _execute(self, statement: str, given: list[Any]) -> list[tuple[Any, ...]]:
        with self._django.wrap_database_errors:
            if self._postgres:
                with self._django.connection.cursor() as cursor:
                    cursor.execute(statement, given)
                    return cursor.fetchall() if cursor.description else []
            found: list[tuple[Any, ...]] = self._django.connection.execute(statement, given).fetchall()
            return found


class _Texts:
    """How ids and times are written. In a transaction most times are one and the same."""

    def __init__(self, *, with_zone: bool) -> None:
        self._with_zone = with_zone
        self._last: datetime | None = None
        self._text = ""

    def written(self, row: Sequence[Any], spots: _Spots) -> list[Any]:
        """The row with texts in those spots; None stays None."""
        values = list(row)
        for place, kind in spots:
            if (value := values[place]) is not None:
                if kind == "UUIDField":
                    values[place] = value.hex
                elif kind == "DateTimeField":
                    values[place] = self._text if value is self._last else self._time(value)
                elif kind == _CHOICE:
                    values[place] = str(value)  # a driver may write a member of an enumeration by its name
        return values

    def _time(self, value: datetime) -> str:
        # SQLite keeps what Django would write: UTC without saying so.
        text = str(value.astimezone(UTC))
        self._last, self._text = value, text if self._with_zone else text[:-6]
        return self._text


class _Values:
    """What texts of ids and times stand for; many rows have the same."""

    def __init__(self) -> None:
        self._ids: dict[str, UUID] = {}
        self._times: dict[str, datetime] = {}

    def expect(self, ids: Collection[UUID]) -> None:
        """These will be read."""
        self._ids.update({id.hex: id for id in ids})

    def read(self, row: list[Any], spots: _Spots) -> None:
        """Put values where texts stand in those spots; None stays None."""
        for place, kind in spots:
            if (text := row[place]) is not None:
                if kind == "UUIDField":
                    row[place] = self._ids.get(text) or self._ids.setdefault(text, UUID(text))
                elif kind == "DateTimeField":
                    row[place] = self._times.get(text) or self._times.setdefault(text, _utc(text))
                elif kind == "BooleanField":
                    row[place] = bool(text)


def _json(rows: list[Any]) -> str:
    return orjson.dumps(rows).decode()


def _utc(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@cache
def _select(
    model: type[models.Model],
    names: tuple[str, ...],
    texts: tuple[str, ...],
    where: str,
    lock: bool,  # noqa: FBT001 (part of a key)
    one: bool,  # noqa: FBT001 (as above)
    postgres: bool,  # noqa: FBT001 (as above)
) -> str:
    shown = [*(_shown(model, name) for name in names), *texts]
    columns = [f"c{place}" for place in range(len(shown))]
    inner = ", ".join(f"{expression} AS {column}" for expression, column in zip(shown, columns, strict=True))
    if postgres:
        ids = "(%s::uuid)" if one else "(SELECT value::uuid FROM jsonb_array_elements_text(%s::jsonb))"
    else:
        ids = "(?)" if one else "(SELECT value FROM json_each(?))"
    held = f" ORDER BY self.id{' FOR UPDATE' if postgres else ''}" if lock else ""
    wanted = where.format(ids=ids, given="%s" if postgres else "?")
    rows = f"SELECT {inner} FROM {_table(model)} AS self WHERE {wanted}{held}"  # noqa: S608 (names of our own models)
    row = ", ".join(columns)
    if postgres:
        return f"SELECT coalesce(json_agg(json_build_array({row})), '[]')::text FROM ({rows}) AS held"  # noqa: S608 (as above)
    return f"SELECT json_group_array(json_array({row})) FROM ({rows})"  # noqa: S608 (as above)


@cache
def _insert(model: type[models.Model], names: tuple[str, ...], one: bool, postgres: bool) -> str:  # noqa: FBT001 (parts of a key)
    columns = ", ".join(_column(model, name) for name in names)
    values = ", ".join(_given(model, names, one=one, postgres=postgres))
    given = f"VALUES ({values})" if one else f"SELECT {values} {_rows(postgres=postgres)}"
    return f"INSERT INTO {_table(model)} ({columns}) {given}"


@cache
def _update(
    model: type[models.Model],
    names: tuple[str, ...],
    keys: tuple[str, ...],
    one: bool,  # noqa: FBT001 (part of a key)
    postgres: bool,  # noqa: FBT001 (as above)
) -> str:
    values = _given(model, (*names, *keys), one=one, postgres=postgres)
    sets = ", ".join(f"{_column(model, name)} = {next(values)}" for name in names)
    where = " AND ".join(f"self.{_column(model, key)} = {next(values)}" for key in keys)
    given = "" if one else _rows(postgres=postgres)
    return f"UPDATE {_table(model)} AS self SET {sets} {given} WHERE {where}"  # noqa: S608 (names of our own models)


def _rows(*, postgres: bool) -> str:
    return (
        "FROM jsonb_array_elements(%s::jsonb) AS given(value)" if postgres else "FROM json_each(?) AS given"
    )


def _given(model: type[models.Model], names: Iterable[str], *, one: bool, postgres: bool) -> Iterator[str]:
    """The values of fields, in the one row that is given, or in each."""
    django = connections[DEFAULT_DB_ALIAS]
    for place, name in enumerate(names):
        value = f"(given.value ->> {place})"
        if one:
            value = "%s" if postgres else "?"
        if postgres:
            field: Any = model._meta.get_field(name)  # noqa: SLF001 (public, whatever its name says)
            value += f"::{field.rel_db_type(django) if field.primary_key else field.db_type(django)}"
        yield value


def _shown(model: type[models.Model], name: str) -> str:
    """A field as it is read: JSON as text, all else as it stands."""
    value = f"self.{_column(model, name)}"
    return f"CAST({value} AS text)" if _kind(model, name) == "JSONField" else value


@cache
def _spots(model: type[models.Model], names: tuple[str, ...]) -> _Spots:
    """Which values look otherwise in the database, or in JSON, and how."""
    kinds = ("UUIDField", "DateTimeField", "BooleanField", _CHOICE)
    return [(place, kind) for place, name in enumerate(names) if (kind := _kind(model, name)) in kinds]


def _kind(model: type[models.Model], name: str) -> str:
    field: Any = model._meta.get_field(name)  # noqa: SLF001 (as above)
    return _CHOICE if field.choices else str(getattr(field, "target_field", field).get_internal_type())


def _table(model: type[models.Model]) -> str:
    return f'"{model._meta.db_table}"'  # noqa: SLF001 (as above)


def _column(model: type[models.Model], name: str) -> str:
    field: Any = model._meta.get_field(name)  # noqa: SLF001 (as above)
    return f'"{field.column}"'
