"""Stored bytes go out in ranges, inert, and to their owner only."""

import pytest
from django.test import Client

from tests.integration.web import make_run, wav
from webapp.files.errors import FileNotFound
from webapp.files.models import File
from webapp.files.services import (
    delete_files_of,
    delete_scratch,
    handle,
    local_path,
    store_local,
    store_upload,
)

pytestmark = pytest.mark.django_db

SOUND = wav()
SIZE = len(SOUND)


@pytest.fixture
def file(alice, files_dir):
    return store_upload(owner=alice, name="talk.wav", chunks=[SOUND[:100], SOUND[100:]])


def content(client, file, **headers):
    return client.get(f"/api/files/{file.id}/content", headers=headers)


def body(response):
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_the_whole_file(api, file):
    response = content(api, file)
    assert response.status_code == 200
    assert body(response) == SOUND
    assert response["Content-Length"] == str(SIZE)
    assert response["Accept-Ranges"] == "bytes"
    assert response["Content-Type"] == "audio/wav"


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-", 206, 0, SIZE - 1),
        ("bytes=-5", 206, SIZE - 5, SIZE - 1),
        ("bytes=10-19", 206, 10, 19),
        ("bytes=5-2", 200, 0, SIZE - 1),
        ("abc", 200, 0, SIZE - 1),
        ("bytes=" + ",".join(["0-0,2-3"] * 200), 200, 0, SIZE - 1),
    ],
)
def test_ranges(api, file, asked, status, first, last):
    response = content(api, file, Range=asked)
    assert response.status_code == status
    assert body(response) == SOUND[first : last + 1]
    assert response.get("Content-Range") == (f"bytes {first}-{last}/{SIZE}" if status == 206 else None)


def test_a_range_behind_the_end_names_the_size(api, file):
    response = content(api, file, Range="bytes=99999-")
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{SIZE}"


def test_a_range_of_a_file_that_has_changed_gives_the_whole(api, file):
    assert content(api, file, **{"Range": "bytes=0-4", "If-Range": '"other"'}).status_code == 200
    assert content(api, file, **{"Range": "bytes=0-4", "If-Range": f'"{file.sha256}"'}).status_code == 206


def test_what_the_browser_has_is_not_sent_again(api, file):
    assert content(api, file, **{"If-None-Match": f'"{file.sha256}"'}).status_code == 304


def test_head_gives_headers_only(api, file):
    response = api.head(f"/api/files/{file.id}/content")
    assert response["Content-Length"] == str(SIZE)
    assert body(response) == b""


def test_content_cannot_act(api, file):
    response = content(api, file)
    assert response["Content-Security-Policy"] == "sandbox"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"] == 'inline; filename="talk.wav"'


def test_a_download_is_an_attachment(api, file):
    response = api.get(f"/api/files/{file.id}/content?download=1")
    assert response["Content-Disposition"] == 'attachment; filename="talk.wav"'


def test_a_hostile_name_adds_no_header(api, alice, files_dir):
    file = store_upload(owner=alice, name='a"\r\nX-Evil: y.wav', chunks=[SOUND])
    response = api.get(f"/api/files/{file.id}/content?download=1")
    assert "X-Evil" not in response.headers
    assert response["Content-Disposition"] == 'attachment; filename="a\\"X-Evil: y.wav"'


def test_names_beyond_ascii_are_sent_by_rfc_6266(api, alice, files_dir):
    file = store_upload(owner=alice, name="Gespräch.wav", chunks=[SOUND])
    assert "filename*=utf-8''Gespr%C3%A4ch.wav" in content(api, file)["Content-Disposition"]


def test_what_a_chain_made_is_never_shown_as_a_page(api, alice, files_dir, tmp_path):
    (tmp_path / "page").write_text("<script>alert(1)</script>")
    file = store_local(
        run_id=None,
        owner_id=alice.pk,
        path=tmp_path / "page",
        name="x.html",
        media_type="text/html",
        keep=True,
    )
    response = content(api, file)
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Content-Security-Policy"] == "sandbox"


def test_other_people_find_nothing(others, file):
    for address in (f"/api/files/{file.id}", f"/api/files/{file.id}/content"):
        assert others.get(address).status_code == 404
        assert others.delete(address).status_code in {404, 405}
    assert File.objects.filter(pk=file.pk).exists()
    with pytest.raises(FileNotFound):
        handle(owner_id=file.owner_id + 1, file_id=str(file.id))


@pytest.mark.parametrize("file_id", ["x", "../../etc/passwd", "00000000-0000-0000-0000-000000000000", ""])
def test_wrong_ids_name_no_file(alice, files_dir, file_id):
    with pytest.raises(FileNotFound):
        handle(owner_id=alice.pk, file_id=file_id)
    with pytest.raises(FileNotFound):
        local_path(file_id=file_id)


def test_without_a_login_there_is_nothing(file):
    assert content(Client(), file).status_code == 401


def test_a_deleted_file_is_gone_with_its_bytes(api, file, django_capture_on_commit_callbacks):
    path = local_path(file_id=str(file.id))
    with django_capture_on_commit_callbacks(execute=True):
        assert api.delete(f"/api/files/{file.id}").status_code == 204
    assert not path.parent.exists()
    assert api.get(f"/api/files/{file.id}").status_code == 404


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_file_that_a_run_needs_is_kept(api, alice, file, state):
    run = make_run(alice, state=state, input={"nested": [{"audio": str(file.id)}]})
    response = api.delete(f"/api/files/{file.id}")
    assert (response.status_code, response.json()["code"]) == (409, "file_in_use")
    run.state = "succeeded"
    run.save()
    assert api.delete(f"/api/files/{file.id}").status_code == 204


def test_scratch_goes_before_results(alice, files_dir, tmp_path, django_capture_on_commit_callbacks):
    run = make_run(alice)
    made = {}
    for name, keep in (("scratch", False), ("result", True)):
        (tmp_path / name).write_bytes(SOUND)
        made[name] = store_local(
            run_id=run.id,
            owner_id=alice.pk,
            path=tmp_path / name,
            name=name,
            media_type="audio/wav",
            keep=keep,
        )
        assert not (tmp_path / name).exists()
    with django_capture_on_commit_callbacks(execute=True):
        delete_scratch(run_id=run.id)
    assert list(File.objects.all()) == [made["result"]]
    with django_capture_on_commit_callbacks(execute=True):
        delete_files_of(run_id=run.id)
    assert [path for path in files_dir.rglob("*") if path.is_file()] == []
