"""Streams bytes through two chainlets and out."""

from collections.abc import AsyncIterator

import chainlets as chains


class Source(chains.ChainletBase):
    """Streams bytes, some of them no text."""

    async def run_remote(self, size: int, pieces: int) -> AsyncIterator[bytes]:
        for number in range(pieces):
            yield bytes((number + place) % 256 for place in range(size))


@chains.mark_entrypoint("truss-byte-stream")
class Mirror(chains.ChainletBase):
    """Turns every piece around."""

    def __init__(self, source: Source = chains.depends(Source)) -> None:
        self._source = source

    async def run_remote(self, size: int = 4, pieces: int = 3) -> AsyncIterator[bytes]:
        async for piece in self._source.run_remote(size, pieces=pieces):
            yield piece[::-1]
