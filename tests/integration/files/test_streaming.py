"""Uploads to the real server: limits hold while the bytes arrive."""

import http.client
import socket
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.harness import wait_until
from tests.integration.conftest import WEB_KEY, WEB_LIMIT
from tests.integration.web import multipart, wav


def leftovers(web):
    return [path for path in (web.data_dir / "files").rglob("*") if path.is_file()]


def in_pieces(size, *, head=None):
    """A multipart body without a declared length, `size` bytes of sound."""
    body, _ = multipart(head or wav(5))
    yield body.removesuffix(b"\r\n--frontier--\r\n")
    sent = 0
    while sent < size:
        yield b"\0" * 65_536
        sent += 65_536
    yield b"\r\n--frontier--\r\n"


KIND = {"Content-Type": "multipart/form-data; boundary=frontier"}


def test_a_chunked_upload_without_a_length_is_taken(web):
    with web.client() as client:
        response = client.post("/api/files", content=in_pieces(200_000), headers=KIND)
        assert response.status_code == 201, response.text
        content = client.get(response.json()["url"])
        assert len(content.content) == response.json()["size"]
        assert client.get(response.json()["url"], headers={"Range": "bytes=0-3"}).content == b"RIFF"
        assert client.delete(f"/api/files/{response.json()['id']}").status_code == 204
    assert leftovers(web) == []


def test_too_much_is_refused_while_it_arrives(web):
    before = psutil.Process(web.pid).memory_info().rss
    with web.client() as client:
        response = client.post("/api/files", content=in_pieces(60 * WEB_LIMIT), headers=KIND)
    assert response.status_code == 413
    assert response.headers["Content-Type"] == "application/problem+json"
    assert leftovers(web) == []
    assert psutil.Process(web.pid).memory_info().rss - before < 30_000_000


def test_a_declared_length_that_is_too_large_is_refused_before_any_byte(web):
    with _connection(web) as sock:
        sock.sendall(_head(web, length=10**12))
        assert b" 413 " in sock.recv(4096)
    assert leftovers(web) == []


def test_who_has_no_key_need_not_send_the_file(web):
    with _connection(web) as sock:
        sock.sendall(_head(web, length=10**6, key="wrong"))
        assert b" 401 " in sock.recv(4096)
    assert leftovers(web) == []


def test_a_client_that_goes_away_leaves_nothing(web):
    body, _ = multipart(wav(60))
    with _connection(web) as sock:
        sock.sendall(_head(web, length=len(body)) + body[: len(body) // 2])
        wait_until(lambda: leftovers(web), timeout=10, what="the upload to begin")
    wait_until(lambda: not leftovers(web), timeout=10, what="the upload to be forgotten")


def test_other_bodies_have_a_limit_too(web):
    with web.client() as client:
        response = client.post("/api/runs", content=(b" " * 65_536 for _ in range(100)))
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_the_next_request_of_the_connection_works_after_a_refusal(web):
    parts = urlsplit(web.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    body, kind = multipart(b"<html>" + b"x" * 300_000)
    for _ in range(3):
        connection.request(
            "POST", "/api/files", body, {"Content-Type": kind, "Authorization": f"Bearer {WEB_KEY}"}
        )
        response = connection.getresponse()
        response.read()
        assert response.status == 415
    connection.close()


def test_a_long_answer_is_not_held_in_memory(web):
    with web.client() as client:
        body, _ = multipart(wav(60))
        stored = client.post("/api/files", content=body, headers=KIND).json()
        with client.stream("GET", stored["url"]) as response:
            assert response.headers["Content-Length"] == str(stored["size"])
            assert sum(map(len, response.iter_raw())) == stored["size"]
        client.delete(f"/api/files/{stored['id']}")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example"])
def test_a_foreign_host_name_is_refused(web, host):
    response = httpx.get(f"{web.url}/api/session", headers={"Host": host}, trust_env=False)
    assert response.status_code == 400


def _connection(web):
    parts = urlsplit(web.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def _head(web, *, length, key=WEB_KEY):
    return (
        f"POST /api/files HTTP/1.1\r\nHost: {urlsplit(web.url).netloc}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: {KIND['Content-Type']}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()
