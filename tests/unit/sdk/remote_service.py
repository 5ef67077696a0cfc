"""A service elsewhere, as tests need it: a real server on this machine."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import BaseModel

import chainlets as chains
from chainlets.remote import StubBase

KEY = "k3y-for-tests"


class Point(BaseModel):
    x: int
    y: int = 0


class OddError(Exception):
    """An exception class of this module, so that an answer can name it."""


class LLM(StubBase):
    async def run_remote(self, prompt: str) -> str:
        return await self.predict_async({"prompt": prompt})


class Service:
    """A server that records what it is asked and answers as a test says.

    `answer` gets the number of the request, from 0, and gives bytes, a status with bytes, or an
    iterator of bytes that are sent as they come.
    """

    def __init__(self) -> None:
        self.answer = lambda _: b'"fine"'
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.headers: dict[str, str] = {}
        self.under_way = self.most_under_way = self.connections = self.open_connections = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/predict"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(service) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (self is the handler below)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                with service._lock:
                    service.connections += 1
                    service.open_connections += 1

            def finish(self):
                with service._lock:
                    service.open_connections -= 1
                super().finish()

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with service._lock:
                    number = len(service.requests)
                    service.requests.append(
                        (self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                    )
                    service.under_way += 1
                    service.most_under_way = max(service.most_under_way, service.under_way)
                try:
                    self._reply(service.answer(number))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with service._lock:
                        service.under_way -= 1

            def _reply(self, answer):
                status, content = answer if isinstance(answer, tuple) else (200, answer)
                self.send_response(status)
                for name, value in service.headers.items():
                    self.send_header(name, value)
                if isinstance(content, bytes):
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                    return
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                try:
                    for piece in content:
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    self.wfile.write(b"0\r\n\r\n")
                except StopAsyncIteration:  # the test wants the line cut
                    self.close_connection = True

        return Handler


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.stop()


@pytest.fixture
def no_pauses(monkeypatch):
    """Attempts follow each other at once."""
    monkeypatch.setattr("chainlets.retrying.BACKOFF_FIRST_S", 0.001)


def options(**given) -> chains.RPCOptions:
    return chains.RPCOptions(**given)


def until(condition) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


async def both_ways(stub: StubBase, inputs, *model):
    """What the sync and the async call give, which must be the same."""
    one = await stub.predict_async(inputs, *model)
    other = await asyncio.to_thread(stub.predict_sync, inputs, *model)
    assert one == other
    return one


async def error_both_ways(stub: StubBase, inputs=None) -> Exception:
    """What both calls raise, which must be the same."""
    with pytest.raises(Exception) as one:
        await stub.predict_async(inputs or {})
    with pytest.raises(type(one.value)) as other:
        await asyncio.to_thread(stub.predict_sync, inputs or {})
    assert str(one.value) == str(other.value)
    return one.value


def remote_error(name: str, module: str | None, message: str) -> bytes:
    frame = {"filename": "model.py", "lineno": 7, "name": "predict", "line": "raise it"}
    return json.dumps(
        {
            "error": {
                "exception_cls_name": name,
                "exception_module_name": module,
                "exception_message": message,
                "user_stack_trace": [frame, {**frame, "lineno": None, "line": None}],
            }
        }
    ).encode()
