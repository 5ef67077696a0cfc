"""What may be used inside a chainlet, as mypy accepts it in strict mode."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import assert_type

from pydantic import BaseModel

import chainlets as chains
from chainlets import streaming, truss_config


class Header(BaseModel):
    title: str


class Verse(BaseModel):
    text: str


class Footer(BaseModel):
    verses: int


WITH_ALL = streaming.stream_types(Verse, header_type=Header, footer_type=Footer)
ITEMS_ONLY = streaming.stream_types(Verse)


class Embed(chains.ChainletBase):
    """Batched, async and sync."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(predict_concurrency=8),
        assets=chains.Assets(
            cached=[truss_config.ModelRepo(repo_id="a/b")],
            weights=[chains.WeightsSource(source="hf://a/b", mount_location="/models/b")],
        ),
    )

    @chains.batched(max_size=8, max_wait_ms=20)
    async def _encode(self, texts: list[str]) -> list[float]:
        return [float(len(text)) for text in texts]

    @chains.batched(4, 5.0)
    def _count(self, texts: list[str]) -> tuple[int, ...]:
        return tuple(map(len, texts))

    async def run_remote(self, text: str) -> float:
        assert_type(await self._encode(text), float)
        assert_type(self._count(text), int)
        return await self._encode(text)


class Write(chains.ChainletBase):
    """A structured stream."""

    async def run_remote(self, title: str) -> AsyncIterator[bytes]:
        writer = streaming.stream_writer(WITH_ALL)
        yield writer.yield_header(Header(title=title))
        yield writer.yield_item(Verse(text="…"))
        yield writer.yield_footer(Footer(verses=1))


class Talk(chains.ChainletBase):
    """A websocket."""

    async def run_remote(self, websocket: chains.WebSocketProtocol) -> None:
        try:
            assert_type(websocket.headers["origin"], str)
            async for message in websocket.iter_text():
                await websocket.send_json({"got": message})
            async for data in await websocket.iter_bytes():
                await websocket.send_bytes(data)
            assert_type(await websocket.receive_text(), str)
        except chains.WebSocketDisconnect as gone:
            assert_type(gone.code, int)
        await websocket.close(code=1000, reason="done")


class Elsewhere(chains.StubBase):
    """A service that is no chainlet."""

    async def run_remote(self, number: int) -> int:
        answer = await self.predict_async({"number": number}, output_model=Footer)
        assert_type(answer, Footer)
        return answer.verses


def slow(path: Path, *, times: int) -> str:
    """What blocks."""
    return path.read_text() * times


@chains.mark_entrypoint
class Top(chains.ChainletBase):
    """Uses the context functions and reads the stream."""

    def __init__(
        self,
        write: Write = chains.depends(Write),
        embed: Embed = chains.depends(Embed),
        context: chains.DeploymentContext = chains.depends_context(),
    ) -> None:
        self._write = write
        self._embed = embed
        self._elsewhere = Elsewhere.from_url("https://example.com", context)
        assert_type(context.environment, chains.Environment | None)
        assert_type(context.get_service_descriptor("x").predict_url, str | None)

    async def run_remote(self, file: chains.File) -> list[chains.File]:
        reader = streaming.stream_reader(WITH_ALL, self._write.run_remote("t"))
        assert_type(await reader.read_header(), Header)
        async for verse in reader.read_items():
            assert_type(verse, Verse)
            chains.emit(verse)
        assert_type(await reader.read_footer(), Footer)
        chains.progress(1, 2, "verses")
        chains.log("read", level="warning", count=3)
        chains.warn("The file is short.")
        if chains.cancelled():
            raise chains.InputRejected("no longer wanted")
        call = chains.info()
        attempt = call.attempt if call is not None else 0
        text = await chains.offload(slow, file.path(), times=attempt)
        assert_type(text, str)
        assert_type(await self._elsewhere.run_remote(3), int)
        target = chains.scratch_dir() / "out.txt"
        target.write_text(f"{await self._embed.run_remote(text)}")
        return [chains.File.from_path(target, keep=True)]


def caught(error: Exception) -> str:
    """What a caller may look at."""
    if isinstance(error, chains.GenericRemoteException) and error.failure is not None:
        return error.failure.message
    return "retried" if isinstance(error, chains.ChainletsError) and error.retryable else "given up"
