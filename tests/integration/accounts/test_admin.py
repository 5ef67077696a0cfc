"""The admin: an operator reads a run down to each attempt, and can cancel and resume it."""

import re
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from tests.integration.web import add_events, make_run, wav
from webapp.accounts.models import ApiKey
from webapp.accounts.services import recognise_key
from webapp.files.local import remove
from webapp.files.models import File
from webapp.files.services import put_value, record_value, store_upload
from webapp.fleet.models import Worker
from webapp.runs.models import Attempt, Event, Invocation, Run

pytestmark = pytest.mark.django_db

ERROR = {
    "type": "CallError",
    "message": "`Whisper` failed <b>badly</b>",
    "chainlet": "Whisper",
    "attempt": 2,
    "frames": [{"file": "whisper.py", "line": 41, "name": "run_remote", "code": "raise Out()"}],
    "cause": {"type": "OutOfMemory", "message": "no room", "frames": [], "cause": None},
}


@pytest.fixture
def operator(db):
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


@pytest.fixture
def run(alice):
    run = make_run(
        alice, chain="hello", state="failed", title="Board meeting", error=ERROR, warnings=["It was long."]
    )
    root = run.invocations.get()
    child = Invocation.objects.create(
        run=run,
        parent=root,
        chainlet="Whisper",
        queue="gpu.t4",
        state="failed",
        input={"a": 1},
        input_hash="1",
    )
    for number, worker in ((1, "box-1"), (2, "box-2")):
        Attempt.objects.create(
            invocation=child, number=number, worker=worker, hardware="gpu.t4", state="failed", error=ERROR
        )
    add_events(run, 3)
    return run


def page(client, address):
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_shows_state_chain_owner_age_and_length(operator, run):
    text = page(operator, "/admin/runs/run/")
    for part in ("✕", "failed", "Board meeting", "hello v1", "alice", "ago"):
        assert part in text


def test_a_run_is_read_down_to_each_attempt(operator, run):
    text = page(operator, f"/admin/runs/run/{run.id}/change/")
    for part in (
        "Hello",
        "Whisper",
        "gpu.t4",
        "box-1",
        "box-2",
        "It was long.",
        "OutOfMemory: no room",
        "File &quot;whisper.py&quot;, line 41, in run_remote",
    ):
        assert part in text
    assert "<b>badly</b>" not in text, "texts of chains are escaped"
    assert "3 events" in text
    assert "Resume from here" in text
    assert "Cancel this run" not in text


def test_what_a_call_logged_and_where_it_blocked_its_loop_stand_beside_it(operator, run):
    child = run.invocations.get(chainlet="Whisper")
    place = {"file": "/srv/chains/whisper.py", "line": 42, "name": "run_remote", "code": "time.sleep(1.3)"}
    for seq, type, data in [
        (4, "log", {"level": "error", "message": "No <i>voice</i>.", "fields": {"piece": 3}}),
        (5, "invocation.blocked", {"attempt": 1, "seconds": 1.3, **place}),
    ]:
        Event.objects.create(
            run=run, seq=seq, at=timezone.now(), type=type, invocation_id=child.id, data=data
        )
    for address in (f"/admin/runs/run/{run.id}/change/", f"/admin/runs/invocation/{child.id}/change/"):
        text = page(operator, address)
        assert "No &lt;i&gt;voice&lt;/i&gt;." in text
        assert "piece=3" in text
        assert "Blocked the event loop for 1.3 s at whisper.py:42" in text
        assert "time.sleep(1.3)" in text
    assert "Log of Whisper, 2 lines" in page(operator, f"/admin/runs/run/{run.id}/change/")


def test_the_story_of_an_error_stands_on_the_page_of_its_call(operator, run):
    child = run.invocations.get(chainlet="Whisper")
    Invocation.objects.filter(id=child.id).update(error=ERROR)
    text = page(operator, f"/admin/runs/invocation/{child.id}/change/")
    assert "Chainlet-Traceback" in text
    assert "OutOfMemory: no room" in text
    assert "<b>badly</b>" not in text


def test_its_events_are_one_click_away(operator, run, bob):
    add_events(make_run(bob), 4)
    text = page(operator, f"/admin/runs/run/{run.id}/change/")
    link = re.search(r'href="(/admin/runs/event/[^"]+)"', text)[1]
    assert "3 events" in page(operator, link)


def test_a_run_is_cancelled_and_resumed_by_buttons(operator, run):
    operator.post(f"/admin/runs/run/{run.id}/resume/")
    run.refresh_from_db()
    assert run.state == "queued"
    assert run.events.filter(type="run.resumed").get().data["by"] == "root"
    operator.post(f"/admin/runs/run/{run.id}/cancel/")
    run.refresh_from_db()
    assert run.state == "cancelled"
    assert operator.get(f"/admin/runs/run/{run.id}/cancel/").status_code == 405


def test_many_runs_are_cancelled_at_once_and_the_others_named(operator, run, alice):
    going = make_run(alice, state="running", title="Going")
    chosen = {"action": "cancel", "_selected_action": [str(run.id), str(going.id)]}
    response = operator.post("/admin/runs/run/", chosen, follow=True)
    text = response.content.decode()
    assert "Going is cancelled." in text
    assert "Board meeting: The run has ended" in text


def test_records_cannot_be_changed_by_hand(operator, run):
    address = f"/admin/runs/run/{run.id}/change/"
    assert operator.post(address, {"state": "succeeded", "title": "x"}).status_code == 403
    assert operator.get("/admin/runs/run/add/").status_code == 403
    assert operator.post(f"/admin/runs/run/{run.id}/delete/", {"post": "yes"}).status_code == 403
    run.refresh_from_db()
    assert (run.state, run.title) == ("failed", "Board meeting")


def test_who_may_only_look_may_not_cancel(run):
    reader = User.objects.create_user("reader", password="x", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_run"))
    client = Client()
    client.force_login(reader)
    assert "Resume from here" not in page(client, f"/admin/runs/run/{run.id}/change/")
    assert client.post(f"/admin/runs/run/{run.id}/resume/").status_code == 403


def test_people_without_staff_rights_see_no_admin(alice, run):
    client = Client()
    client.force_login(alice)
    assert client.get(f"/admin/runs/run/{run.id}/change/").status_code == 302
    assert client.post(f"/admin/runs/run/{run.id}/cancel/").status_code == 302
    run.refresh_from_db()
    assert run.state == "failed"


def test_a_new_key_is_shown_once(operator, alice):
    form = {"user": alice.pk, "name": "laptop", "expires_at_0": "", "expires_at_1": ""}
    text = operator.post("/admin/accounts/apikey/add/", form, follow=True).content.decode()
    key = re.search(r"ck_\w{10}_[\w-]+", text)[0]
    assert recognise_key(key).user == alice
    record = ApiKey.objects.get()
    for address in ("/admin/accounts/apikey/", f"/admin/accounts/apikey/{record.pk}/change/"):
        assert key not in page(operator, address)
    operator.post("/admin/accounts/apikey/", {"action": "revoke", "_selected_action": [record.pk]})
    assert recognise_key(key) is None


def test_files_are_removed_with_their_bytes(operator, alice, files_dir, django_capture_on_commit_callbacks):
    file = store_upload(owner=alice, name="talk <b>.wav", chunks=[wav()])
    assert "talk &lt;b&gt;.wav" in page(operator, "/admin/files/file/")
    with django_capture_on_commit_callbacks(execute=True):
        operator.post("/admin/files/file/", {"action": "remove", "_selected_action": [str(file.id)]})
    assert not File.objects.exists()
    assert [path for path in files_dir.rglob("*") if path.is_file()] == []


def test_every_admin_page_opens_and_runs_no_inline_code(operator, run, alice, files_dir):
    store_upload(owner=alice, name="talk.wav", chunks=[wav()])
    Worker.objects.create(name="w", slot="w", host="h", pid=1, hardware="cpu", queues=["cpu", "gpu.any"])
    addresses = [
        f"/admin/{path}/"
        for path in (
            *("", "runs/run", "runs/invocation", "runs/event", "catalog/chain", "fleet/worker", "files/file"),
            *("accounts/apikey", "auth/user", "accounts/apikey/add", f"runs/run/{run.id}/change"),
            f"runs/invocation/{run.invocations.first().id}/change",
            f"catalog/chain/{run.chain_id}/change",
        )
    ]
    for address in addresses:
        text = page(operator, address.replace("//", "/"))
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")", text), address
        assert "<style" not in text, address
        assert not re.search(r"<[^>]+\s(on\w+|style)=", text), address


def test_a_value_that_lies_in_a_file_is_shown_by_its_size_with_a_link(operator, alice, run, files_dir):
    file = put_value(b'"' + b"x" * 2_999_998 + b'"', name="result of Whisper.json", media_type="a/b")
    handle = file.model_dump(mode="json")
    record_value(handle, run_id=run.id, owner_id=alice.pk)
    child = run.invocations.get(chainlet="Whisper")
    Invocation.objects.filter(id=child.id).update(state="succeeded", result=handle, spilled=2)
    Run.objects.filter(id=run.id).update(output=handle, output_spilled=True)

    address = f"/admin/files/file/{file.id}/content/"
    for shown in (f"/admin/runs/invocation/{child.id}/change/", f"/admin/runs/run/{run.id}/change/"):
        text = page(operator, shown)
        assert f'<a href="{address}">2.9 MiB of JSON</a>' in text
        assert "xxxx" not in text
    assert page(operator, f"/admin/runs/invocation/{child.id}/change/").count("of JSON") == 1
    response = operator.get(address)
    assert sum(map(len, response.streaming_content)) == 3_000_000
    assert Client().get(address).status_code == 302
    clerk = User.objects.create_user("clerk", is_staff=True)
    client = Client()
    client.force_login(clerk)
    assert client.get(address).status_code == 403

    remove(file_id=UUID(file.id))
    assert "lay in a file, and the file is gone" in page(operator, f"/admin/runs/run/{run.id}/change/")
    assert operator.get(address).status_code == 404
