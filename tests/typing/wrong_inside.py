"""Code inside chainlets that mypy rejects in strict mode; each line says with which code."""

# ruff: noqa: B018, F841 (what is wrong here is for mypy to find)

from collections.abc import AsyncIterator

from pydantic import BaseModel

import chainlets as chains
from chainlets import streaming


class Header(BaseModel):
    title: str


class Verse(BaseModel):
    text: str


TYPES = streaming.stream_types(Verse, header_type=Header)


class Embed(chains.ChainletBase):
    remote_config = chains.Compute()  # E: assignment

    @chains.batched(max_size=8, max_wait_ms=20)
    async def _encode(self, texts: list[str]) -> list[float]:
        return [float(len(text)) for text in texts]

    @chains.batched(max_size=8, max_wait_ms=20)  # E: arg-type
    async def _alone(self, text: str) -> float:
        return 0.0

    @chains.batched(max_size="8", max_wait_ms=20)  # E: arg-type
    def _count(self, texts: list[str]) -> list[int]:
        return []

    async def run_remote(self, text: str) -> str:
        await self._encode([text])  # E: arg-type
        self._encode(text)  # E: unused-coroutine
        self._count(3)  # E: arg-type
        return await self._encode(text)  # E: return-value


class Write(chains.ChainletBase):
    async def run_remote(self, title: str) -> AsyncIterator[bytes]:
        writer = streaming.stream_writer(TYPES)
        yield writer.yield_header(Verse(text=title))  # E: arg-type
        yield writer.yield_item(Header(title=title))  # E: arg-type
        yield title  # E: misc


class Talk(chains.ChainletBase):
    async def run_remote(self, websocket: chains.WebSocketProtocol) -> None:
        websocket.send_text("hello")  # E: unused-coroutine
        await websocket.send_text(3)  # E: arg-type
        await websocket.send("hello")  # E: attr-defined
        number: int = await websocket.receive_text()  # E: assignment


async def inside(write: Write, file: chains.File) -> None:
    reader = streaming.stream_reader(TYPES, write.run_remote("t"))
    verse: Verse = await reader.read_header()  # E: assignment
    async for item in reader.read_items():
        item.title  # E: attr-defined
    chains.progress("half", 2)  # E: arg-type
    chains.emit(3)  # E: arg-type
    chains.log("loud", level="loud")  # E: arg-type
    chains.info().run_id  # E: union-attr
    chains.offload(len, "text")  # E: unused-coroutine
    await chains.offload(len, 3)  # E: arg-type
    path: str = file.path()  # E: assignment
    chains.File.from_path(3)  # E: arg-type
    chains.dependz  # E: attr-defined


CPU = chains.Compute(cpus=2)  # E: call-arg
MEMORY = chains.Compute(memory=2)  # E: arg-type
ACCELERATED = chains.Compute("A10G")  # E: call-arg arg-type
CPU.cpu_count = 3  # E: misc
