"""A service elsewhere that is really here: an HTTP server for tests of `StubBase`."""

from __future__ import annotations

import contextlib
import hmac
import json
import socket
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from pydantic_core import to_json

from chainlets.endpoint import Piece
from chainlets.failure import failure_from
from chainlets.testing.answers import answer_to, pieces_of, settled


@dataclass(frozen=True, kw_only=True)
class ServiceRequest:
    """What a stub has sent.

    Attributes:
        path: as in the address.
        headers: names in lower case.
        inputs: the body, parsed; None if it is no JSON.
    """

    path: str
    headers: dict[str, str]
    inputs: Any


class FakeService:
    """Listens on 127.0.0.1 inside the block and answers like a service of truss_chains.

        with testing.FakeService({"text": "hello"}) as service:
            assert await LLM.from_url(service.url).run_remote("hi") == "hello"
        assert service.requests[0].inputs == {"prompt": "hi"}

    Answers are given as to `FakeChainlet`: a JSON value or Pydantic model, a function of the inputs, an
    exception, or a list of these for one request after the other; a list that is itself the answer stands in a
    list. Exceptions travel as they do there: with their class, and the status they ask for or 500.

    Args:
        answer: what each request gets, once none are to fail.
        stream: the answer is a list of pieces, text or bytes, sent one by one; an exception among them cuts the
            connection.
        fail: so many requests fail first, with `status`; their place in the list of answers is not used up.
        status: what those get.
        delay_s: seconds before each answer begins.
        key: refuse requests that do not bring this key.

    Attributes:
        url: what to give `from_url`.
        requests: those so far, also the failed ones.
    """

    def __init__(
        self,
        answer: Any = None,
        *,
        stream: bool = False,
        fail: int = 0,
        status: int = 500,
        delay_s: float = 0.0,
        key: str | None = None,
    ) -> None:
        self.url = ""
        self.requests: list[ServiceRequest] = []
        self._answer = answer
        self._stream = stream
        self._failing = fail
        self._status = status
        self._delay_s = delay_s
        self._key = key
        self._answered = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self._ended.clear()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/predict"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def reply(self, request: ServiceRequest) -> _Reply:
        """What a request gets; called on a thread of its own."""
        with self._lock:
            self.requests.append(request)
            refused = not _same(request.headers.get("authorization"), self._key)
            fails = not refused and self._failing > 0
            self._failing -= fails
            number = self._answered
            self._answered += not (refused or fails)
        self._ended.wait(self._delay_s)
        if refused:
            return _Reply.of({"error": "The key is missing or wrong."}, status=HTTPStatus.FORBIDDEN)
        if fails:
            return _Reply.of({"error": "This fake fails, as it was told to."}, status=self._status)
        try:
            answer = answer_to(self._answer, number=number, streams=self._stream, who="The fake service")
            found = settled(answer, request.inputs)
            return _Reply(pieces=pieces_of(found)) if self._stream else _Reply.of(found)
        except Exception as error:  # noqa: BLE001 (it is the answer)
            failure = failure_from(error)
            return _Reply.of(
                {"error": failure.detail}, status=failure.status or HTTPStatus.INTERNAL_SERVER_ERROR
            )


@dataclass(frozen=True, kw_only=True)
class _Reply:
    status: int = HTTPStatus.OK
    body: bytes | None = None
    pieces: Iterator[Piece] | None = None

    @classmethod
    def of(cls, value: Any, *, status: int = HTTPStatus.OK) -> _Reply:
        return cls(status=status, body=to_json(value))


def _same(header: str | None, key: str | None) -> bool:
    return key is None or hmac.compare_digest((header or "").encode(), f"Api-Key {key}".encode())


class _Server(ThreadingHTTPServer):
    """Ends the connections that stubs keep open when it ends itself."""

    def __init__(self, service: FakeService) -> None:
        self.service = service
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):  # it has ended by itself
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A stub that went away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            inputs = json.loads(body)
        except ValueError:
            inputs = None
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.service.reply(ServiceRequest(path=self.path, headers=headers, inputs=inputs))
        self.send_response(reply.status)
        if reply.body is not None:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._send(reply.pieces or ())

    def _send(self, pieces: Iterable[Piece]) -> None:
        try:
            for piece in pieces:
                data = piece.encode() if isinstance(piece, str) else piece
                if data:  # an empty chunk would be the end
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.write(b"0\r\n\r\n")
        except Exception:  # noqa: BLE001 (the author's wish, or the stub has gone)
            self.close_connection = True
