"""A server that assets are fetched from, and what tests of them ask for."""

import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

import pytest

import chainlets as chains
from chainlets import environment
from chainlets.assets import provide_assets
from chainlets.truss_config import ExternalDataItem, WeightsSource

CONTENT = b"0123456789" * 20_000


class Site(BaseHTTPRequestHandler):
    """Answers by path: whole, slow, broken off, stalled, moved, busy; 404 for the rest."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.asked.append((path, self.headers.get("Authorization")))
        answer = getattr(self, f"_{path.split('/')[1]}", None)
        if answer is None:
            self.send_error(404)
        else:
            answer()
        self.close_connection = True

    def _head(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()

    def _whole(self):
        self._head()
        self.wfile.write(CONTENT)

    def _slow(self):
        self._head()
        for start in range(0, len(CONTENT), len(CONTENT) // 10):
            self.wfile.write(CONTENT[start : start + len(CONTENT) // 10])
            self.wfile.flush()
            time.sleep(0.06)

    def _broken(self):
        self._head()
        self.wfile.write(CONTENT[:1000])

    def _chunked(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"10\r\nhalf of it")

    def _stalled(self):
        self._head()
        self.wfile.write(CONTENT[:1000])
        self.wfile.flush()
        self.server.released.wait(20)
        self.wfile.write(CONTENT[1000:])

    def _moved(self):
        self.send_response(302)
        self.send_header("Location", "/whole/elsewhere.bin")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _busy(self):
        self.send_error(503)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.asked, server.released = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def own_environment(monkeypatch):
    monkeypatch.setattr(environment, "_claims", {})
    with patch.dict(os.environ, {"NO_PROXY": "127.0.0.1"}):
        yield


def external(url, path="data.bin"):
    return ExternalDataItem(url=url, local_data_path=path)


def plain_weights(url, mount, **rest):
    """Weights over HTTP without the S, which a test's server speaks and the value refuses."""
    source = WeightsSource(source="https://x/y", mount_location=str(mount), **rest)
    object.__setattr__(source, "source", url)
    return source


def config(*, data_dir=None, **values):
    return chains.RemoteConfig(
        assets=chains.Assets(**values), docker_image=chains.DockerImage(data_dir=data_dir)
    )


def provide(folder, *, chainlet="Whisper", secrets=None, **values):
    return provide_assets(chainlet=chainlet, config=config(**values), folder=folder, secrets=secrets)


def leftovers(folder):
    """What lies about beside locks: partial downloads, and finished ones with their markers."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
