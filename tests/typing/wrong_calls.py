"""Calls that mypy rejects in strict mode; each line says with which code."""

# ruff: noqa: A002, B008, B018, PERF401, PERF402 (what is wrong here is for mypy to find)

import asyncio
from collections.abc import AsyncIterator

import chainlets as chains


class Leaf(chains.ChainletBase):
    async def run_remote(self, text: str, times: int = 2) -> list[str]:
        return [text] * times


class Plain(chains.ChainletBase):
    def run_remote(self, number: int) -> int:
        return number


class Pieces(chains.ChainletBase):
    async def run_remote(self, text: str) -> AsyncIterator[str]:
        yield text


@chains.mark_entrypoint("top")
class Top(chains.ChainletBase):
    def __init__(
        self,
        leaf: Leaf = chains.depends(Leaf, retries=3),
        plain: Plain = chains.depends(Plain),
        pieces: Pieces = chains.depends(Pieces),
        context: chains.DeploymentContext = chains.depends_context(),
    ) -> None:
        self._leaf = leaf
        self._plain = plain
        self._pieces = pieces
        self._context = context

    async def run_remote(self, text: str) -> int:
        await self._leaf.run_remote(3)  # E: arg-type
        await self._leaf.run_remote()  # E: call-arg
        await self._leaf.run_remote(text, count=2)  # E: call-arg
        await self._leaf.run_remote(text, "two")  # E: arg-type
        await self._leaf.run(text)  # E: attr-defined
        number: int = await self._leaf.run_remote(text)  # E: assignment
        words: list[str] = self._leaf.run_remote(text)  # E: assignment
        len(self._leaf.run_remote(text))  # E: arg-type
        self._leaf.run_remote(text)  # E: unused-coroutine
        await asyncio.gather(self._leaf.run_remote(number), self._leaf.run_remote(text))  # E: arg-type
        await self._plain.run_remote(3)  # E: misc
        self._plain.run_remote("3")  # E: arg-type
        await self._pieces.run_remote(text)  # E: misc
        for piece in self._pieces.run_remote(text):  # E: attr-defined
            words.append(piece)
        async for part in self._pieces.run_remote(text):
            number += part  # E: operator
        async for word in self._leaf.run_remote(text):  # E: attr-defined
            words.append(word)
        self._context.secrets["token"] + 1  # E: operator
        self._context.nothing  # E: attr-defined
        return await self._leaf.run_remote(text)  # E: return-value


class Depends(chains.ChainletBase):
    def __init__(
        self,
        leaf: Plain = chains.depends(Leaf),  # E: assignment
        other: int = chains.depends(int),  # E: type-var
        called: Leaf = chains.depends(Leaf, retries="3"),  # E: arg-type
        limited: Leaf = chains.depends(Leaf, limit=3),  # E: call-arg
        object: Leaf = chains.depends(Leaf()),  # E: arg-type
        context: Leaf = chains.depends_context(),  # E: assignment
    ) -> None:
        self._leaf = leaf


@chains.mark_entrypoint
class Nothing:  # E: type-var
    pass


@chains.mark_entrypoint("nothing")
class Neither:  # E: type-var
    pass


def main() -> None:
    with chains.run_local(secrets=["token"], strict=True):  # E: arg-type
        Top(leaf=Plain())  # E: arg-type
        Top(3)  # E: arg-type
        Leaf("small")  # E: call-arg
        asyncio.run(Top().run_remote(3))  # E: arg-type
    with chains.run_locally():  # E: attr-defined
        pass
