"""A chain that fails three levels deep."""

import chainlets as chains


class Shelf(chains.ChainletBase):
    """Does not have the book."""

    async def run_remote(self, book: str) -> str:
        raise LookupError(f"no {book} on this shelf")


class Librarian(chains.ChainletBase):
    """Asks the shelf."""

    def __init__(self, shelf: Shelf = chains.depends(Shelf)) -> None:
        self._shelf = shelf

    async def run_remote(self, book: str) -> str:
        return await self._shelf.run_remote(book)


@chains.mark_entrypoint("stumble")
class Reader(chains.ChainletBase):
    """Wants to read, and says in its own words that it cannot."""

    def __init__(self, librarian: Librarian = chains.depends(Librarian, retries=2)) -> None:
        self._librarian = librarian

    async def run_remote(self, book: str) -> str:
        try:
            return await self._librarian.run_remote(book)
        except LookupError as error:
            raise RuntimeError(f"cannot read {book}") from error
