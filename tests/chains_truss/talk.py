"""A conversation over a websocket, by an entrypoint that asks another chainlet."""

from pathlib import Path

import chainlets as chains


class Answers(chains.ChainletBase):
    """Finds an answer."""

    async def run_remote(self, question: str) -> str:
        return f"{question}? {len(question)} letters."


@chains.mark_entrypoint("truss-talk")
class Talk(chains.ChainletBase):
    """The first message says how it goes on."""

    def __init__(self, answers: Answers = chains.depends(Answers)) -> None:
        self._answers = answers

    async def run_remote(self, websocket: chains.WebSocketProtocol) -> None:
        way = await websocket.receive_json()
        if way["mode"] == "answers":
            async for question in websocket.iter_text():
                await websocket.send_text(await self._answers.run_remote(question))
        elif way["mode"] == "awaited":
            async for question in await websocket.iter_json():
                await websocket.send_json({"answer": question["ask"].upper()})
        elif way["mode"] == "bytes":
            async for data in websocket.iter_bytes():
                await websocket.send_bytes(data[::-1])
        elif way["mode"] == "hang up":
            await websocket.send_text(websocket.headers.get("x-caller", "nobody"))
            await websocket.close(4321, "enough")
        elif way["mode"] == "fail":
            raise ValueError("lost the thread")
        elif way["mode"] == "return":
            await websocket.send_text("that was all")
        else:
            await self._until_gone(websocket, way["note"])

    async def _until_gone(self, websocket: chains.WebSocketProtocol, note: str) -> None:
        assert websocket.is_connected()
        try:
            while True:
                message = await websocket.receive()
                await websocket.send_text(type(message).__name__)
        except chains.WebSocketDisconnect as gone:
            assert not await websocket.is_connected()
            Path(note).write_text(f"{gone.code} {gone.reason}")
