"""A conversation."""

import chainlets as chains


@chains.mark_entrypoint("echo")
class Echo(chains.ChainletBase):
    """Says back what it hears."""

    async def run_remote(self, websocket: chains.WebSocketProtocol) -> None:
        await websocket.send_json(dict(websocket.headers))
        while True:
            message = await websocket.receive()
            if message == "bye":
                await websocket.close(4001, "See you.")
                return
            if message == "boom":
                raise ValueError("That was too much.")
            if isinstance(message, bytes):
                await websocket.send_bytes(message[::-1])
            else:
                await websocket.send_text(message[::-1])
