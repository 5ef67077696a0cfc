"""Fails three levels down, in as many ways as authors know."""

import asyncio

import shared_types
from pydantic import TypeAdapter

import chainlets as chains


class ShelfEmpty(Exception):
    """Defined beside the chainlet that raises it."""


class WrongShelf(Exception):
    """Cannot be built from one string."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__(f"row {row}, column {column}")


class NoSuchJar(LookupError):
    """Makes a sentence of what it is given."""

    def __init__(self, jar: str) -> None:
        super().__init__(f"there is no jar of {jar}")


class Forbidden(Exception):
    """Asks for an HTTP status."""

    def __init__(self, status_code: int, detail: str) -> None:
        super().__init__(detail)
        self.status_code = status_code


class Shelf(chains.ChainletBase):
    """The leaf that fails."""

    def run_remote(self, way: str) -> str:
        if way == "own class":
            raise ShelfEmpty("no beans")
        if way == "class of a neighbour":
            raise shared_types.DeliveryLate("two days")
        if way == "several arguments":
            raise WrongShelf(3, 4)
        if way == "a sentence of its own":
            raise NoSuchJar("honey")
        if way == "status":
            raise Forbidden(403, "staff only")
        if way == "no message":
            raise ShelfEmpty
        if way == "two lines":
            raise ShelfEmpty("no beans\nno rice")
        return self._of_python(way)

    def _of_python(self, way: str) -> str:
        if way == "key":
            return {"tea": "green"}["coffee"]
        if way == "iterator":
            return next(iter([]))
        if way == "validation":
            TypeAdapter(list[int]).validate_python(["one"])
        if way == "exit":
            raise SystemExit("closing time")
        try:
            return str(int("many"))
        except ValueError as error:
            raise ShelfEmpty("cannot count") from error


class Store(chains.ChainletBase):
    """Passes on what its dependency raises, or handles one class of it."""

    def __init__(self, shelf: Shelf = chains.depends(Shelf)) -> None:
        self._shelf = shelf

    async def run_remote(self, way: str, handled: bool) -> str:
        if not handled:
            return self._shelf.run_remote(way)
        try:
            return self._shelf.run_remote(way)
        except (ShelfEmpty, LookupError) as error:
            return f"handled {type(error).__name__}: {error}"


class Clerk(chains.ChainletBase):
    """Calls in a task group, where failures come in groups."""

    def __init__(self, store: Store = chains.depends(Store)) -> None:
        self._store = store

    async def run_remote(self, way: str) -> str:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._store.run_remote(way, False))
        return task.result()


@chains.mark_entrypoint("truss-deep-failure")
class Shop(chains.ChainletBase):
    """The top."""

    def __init__(self, store: Store = chains.depends(Store), clerk: Clerk = chains.depends(Clerk)) -> None:
        self._store = store
        self._clerk = clerk

    async def run_remote(self, way: str, handled: bool = False, grouped: bool = False) -> str:
        if grouped:
            return await self._clerk.run_remote(way)
        return await self._store.run_remote(way, handled)
