"""Uploads: what is taken, what is refused, and that nothing half-stored stays behind."""

import gzip
import hashlib
import os
import zipfile
from io import BytesIO

import pytest

from tests.integration.web import multipart, wav
from webapp.files.models import File

pytestmark = pytest.mark.django_db

SOUND = wav()


def send(client, content=SOUND, **how):
    body, kind = multipart(content, **how)
    return client.post("/api/files", data=body, content_type=kind)


def stored(files_dir):
    return [path for path in files_dir.rglob("*") if path.is_file()]


def zipped():
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a.wav", SOUND)
    return sink.getvalue()


def test_a_recording_is_stored_as_it_is(api, alice, files_dir):
    response = send(api, name="interview.wav")
    assert response.status_code == 201, response.content
    told = response.json()
    assert told["name"] == "interview.wav"
    assert told["size"] == len(SOUND)
    assert told["sha256"] == hashlib.sha256(SOUND).hexdigest()
    assert told["media_type"] == "audio/wav"
    assert told["url"] == f"/api/files/{told['id']}/content"
    assert response["Location"] == f"/api/files/{told['id']}"
    (path,) = stored(files_dir)
    assert path.read_bytes() == SOUND
    assert path == files_dir / told["id"][:2] / told["id"] / "content"
    assert list(path.parent.iterdir()) == [path], "the folder holds only that file"
    assert File.objects.get().owner == alice


@pytest.mark.parametrize("kind", ["text/html", "image/png", "application/x-php", ""])
def test_the_declared_type_is_ignored(api, files_dir, kind):
    assert send(api, kind=kind).json()["media_type"] == "audio/wav"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mp3", b"<!doctype html><script>alert(1)</script>"),
        ("a.mp3", b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'),
        ("a.mp3", zipped()),
        ("a.wav", gzip.compress(SOUND, mtime=0)),
        ("a.mp3", b"%PDF-1.7\n"),
        ("a.php", b"<?php system($_GET['c']);"),
        ("evil.mp3", b"ffconcat version 1.0\nfile secret/other.wav\n"),
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n"),
        ("a.sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n"),
        ("noise.mp3", bytes(range(256)) * 400),
        ("x.wav", b"x"),
    ],
)
def test_what_is_no_recording_is_refused_whatever_its_name(api, files_dir, name, content):
    response = send(api, content, name=name)
    assert response.status_code == 415
    assert response.json()["code"] == "not_audio"
    assert stored(files_dir) == []
    assert not File.objects.exists()


def test_an_empty_file_is_refused(api, files_dir):
    response = send(api, b"")
    assert (response.status_code, response.json()["code"]) == (422, "file_empty")
    assert stored(files_dir) == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"--frontier--\r\n", "multipart/form-data; boundary=frontier"),
        (b"no multipart at all", "multipart/form-data; boundary=frontier"),
        (b"x", "multipart/form-data"),
        (multipart(SOUND, field="audio")[0], "multipart/form-data; boundary=frontier"),
        (multipart(SOUND, name="")[0], "multipart/form-data; boundary=frontier"),
    ],
)
def test_a_request_without_a_file_says_what_is_missing(api, files_dir, body, kind):
    response = api.post("/api/files", data=body, content_type=kind)
    assert response.status_code == 422
    assert response.json()["code"] == "file_missing"
    assert stored(files_dir) == []


@pytest.mark.parametrize("kind", ["application/json", "audio/wav", "application/x-www-form-urlencoded"])
def test_other_bodies_are_refused(api, files_dir, kind):
    response = api.post("/api/files", data=SOUND, content_type=kind)
    assert response.status_code == 415
    assert "multipart/form-data" in response.json()["detail"]


def test_two_files_at_once_are_refused_and_neither_is_kept(api, files_dir):
    one, kind = multipart(SOUND)
    response = api.post("/api/files", data=one.removesuffix(b"--frontier--\r\n") + one, content_type=kind)
    assert response.status_code == 422
    assert stored(files_dir) == []


def test_an_upload_that_ends_early_leaves_nothing(api, files_dir):
    body, kind = multipart(SOUND)
    response = api.post("/api/files", data=body[: len(body) // 2], content_type=kind)
    assert (response.status_code, response.json()["code"]) == (400, "upload_broken")
    assert stored(files_dir) == []
    assert not File.objects.exists()


def test_a_file_that_is_too_large_leaves_nothing(api, files_dir, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    response = send(api)
    assert (response.status_code, response.json()["code"]) == (413, "file_too_large")
    assert "1000 bytes" in response.json()["detail"]
    assert stored(files_dir) == []


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/abs",
        "C:\\x",
        "..%2f",
        "CON",
        "x" * 700,
        "\u202egpj.wav",
        "a\x00.wav",
        "👩‍🚀.wav",
        "a;b.wav",
    ],
)
def test_names_are_shown_and_never_used(api, files_dir, name):
    response = send(api, name=name)
    assert response.status_code == 201, response.content
    told = response.json()
    assert "\u202e" not in told["name"]
    assert "/" not in told["name"]
    assert len(told["name"]) <= 200
    assert stored(files_dir) == [files_dir / told["id"][:2] / told["id"] / "content"]


def test_a_full_disk_is_said_and_leaves_nothing(api, files_dir, monkeypatch):
    def no_room(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("webapp.files.local.os.fsync", no_room)
    response = send(api)
    assert (response.status_code, response.json()["code"]) == (507, "store_full")
    assert stored(files_dir) == []


def test_a_database_that_refuses_leaves_nothing(api, files_dir, monkeypatch):
    def refuse(**_):
        raise RuntimeError

    monkeypatch.setattr("webapp.files.services.File.objects.create", refuse)
    assert send(api).status_code == 500
    assert stored(files_dir) == []


def test_a_name_longer_than_any_file_system_takes_is_refused_in_words(api, files_dir):
    assert send(api, name="x" * 5000).status_code == 422
    assert stored(files_dir) == []


def test_what_a_killed_process_left_is_cleared_after_a_day(api, files_dir):
    old, new = files_dir / "incoming" / "old", files_dir / "incoming" / "new"
    for draft in (old, new):
        draft.mkdir(parents=True)
        (draft / "content").write_bytes(b"half a file")
    for path in (old / "content", old):
        os.utime(path, (1, 1))
    assert send(api).status_code == 201
    assert not old.exists()
    assert (new / "content").exists(), "that upload may still be going on"
