"""Runs over REST, with the engine asleep: what is accepted, refused, shown and kept apart."""

import uuid

import pytest
from django.test import Client

from tests.integration.web import add_events, make_run, wav
from webapp.files.models import File
from webapp.files.services import store_upload
from webapp.runs.models import Attempt, Event, Run

pytestmark = pytest.mark.django_db

HELLO = {"chain": "hello", "input": {"names": ["Ada"]}}


def start(client, body=HELLO, **headers):
    return client.post("/api/runs", data=body, content_type="application/json", headers=headers)


def test_a_run_is_accepted_and_shown(api, alice):
    response = start(api, {**HELLO, "title": "greet"})
    assert response.status_code == 202, response.content
    run = response.json()
    assert set(run) == {
        *("id", "chain", "version", "state", "title", "input", "output", "error", "progress", "warnings"),
        *("waiting_for", "last_seq", "created_at", "started_at", "ended_at", "deadline_at", "priority"),
        *("missing", "rerun_of", "url", "files"),
    }
    assert (run["chain"], run["version"], run["state"], run["title"]) == ("hello", 1, "queued", "greet")
    assert run["input"] == HELLO["input"]
    assert run["url"] == f"/runs/{run['id']}"
    assert response["Location"] == f"/api/runs/{run['id']}"
    assert api.get(f"/api/runs/{run['id']}").json() == run
    assert Run.objects.get().owner == alice


def test_input_files_are_shown_with_the_run(api, alice, files_dir):
    file = store_upload(owner=alice, name="talk.wav", chunks=[wav()])
    run = start(api, {"chain": "transcribe", "input": {"audio": str(file.id)}}).json()
    assert run["input"] == {"audio": str(file.id)}
    assert [entry["id"] for entry in run["files"]] == [str(file.id)]
    assert run["title"] == "talk.wav"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"chain": "nowhere", "input": {}}, 404, None),
        ({"input": {}}, 422, "chain"),
        ({"chain": "", "input": {}}, 422, "chain"),
        ({"chain": "hello", "input": []}, 422, "input"),
        ({"chain": "hello", "input": "names"}, 422, "input"),
        ({"chain": "hello", "input": {}}, 422, "names"),
        ({"chain": "hello", "input": {"names": "Ada"}}, 422, "names"),
        ({"chain": "hello", "input": {"names": ["Ada"], "shout": True}}, 422, "shout"),
        ({"chain": "hello", "input": {"names": ["a\x00"]}}, 422, "input.names.0"),
        ({"chain": "hello", "input": {"names": []}, "title": "x" * 300}, 422, "title"),
        ({"chain": "hello", "input": {"names": []}, "priority": "urgent"}, 422, "priority"),
        ({"chain": "transcribe", "input": {"audio": "x"}}, 422, "audio"),
        ({"chain": "transcribe", "input": {"audio": "file:/etc/passwd"}}, 422, "audio"),
        ({"chain": "transcribe", "input": {"audio": "http://127.0.0.1/a.wav"}}, 422, "audio"),
        ({"chain": "transcribe", "input": {"audio": "concat:a|b"}}, 422, "audio"),
        ({"chain": "transcribe", "input": {"audio": {"id": "file:/etc/passwd", "name": "x"}}}, 422, "audio"),
        ({"chain": "transcribe", "input": {"audio": str(uuid.UUID(int=1))}}, 422, "audio"),
        ({"chain": "transcribe", "input": {"audio": None}}, 422, "audio"),
    ],
)
def test_bad_input_is_refused_in_words_and_leaves_nothing(api, body, status, field):
    response = start(api, body)
    assert response.status_code == status, response.content
    told = response.json()
    assert response["Content-Type"] == "application/problem+json"
    assert told["detail"]
    assert field is None or field in told["errors"], told
    assert not Run.objects.exists()
    assert not Event.objects.exists()


def test_only_staff_go_before_everyone_else(api, alice):
    answer = start(api, {**HELLO, "priority": "high"})
    assert (answer.status_code, answer.json()["code"]) == (403, "priority_refused")
    assert not Run.objects.exists()
    assert start(api, {**HELLO, "priority": "low"}).json()["priority"] == "low"
    alice.is_staff = True
    alice.save()
    assert start(api, {**HELLO, "priority": "high"}).json()["priority"] == "high"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b'{"chain": "hello", "input": {"names": NaN}}']
)
def test_what_is_no_json_object_is_refused(api, body):
    response = api.post("/api/runs", data=body, content_type="application/json")
    assert response.status_code in {400, 422}
    assert response.json()["detail"]
    assert not Run.objects.exists()


def test_somebody_elses_file_is_no_input(api, bob, files_dir):
    file = store_upload(owner=bob, name="secret.wav", chunks=[wav()])
    response = start(api, {"chain": "transcribe", "input": {"audio": str(file.id)}})
    assert response.status_code == 422
    assert "secret" not in response.content.decode()
    assert not Run.objects.exists()


def test_the_same_key_gives_the_first_run_again(api, others):
    first = start(api, **{"Idempotency-Key": "k1"})
    again = start(api, **{"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    other = start(api, {"chain": "hello", "input": {"names": ["Bob"]}}, **{"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert start(others, **{"Idempotency-Key": "k1"}).json()["id"] != first.json()["id"]
    assert start(api, **{"Idempotency-Key": "x" * 300}).status_code == 422


def test_what_the_server_decides_cannot_be_sent(api, alice, bob):
    body = {**HELLO, "owner": bob.pk, "state": "succeeded", "id": str(uuid.UUID(int=7)), "last_seq": 99}
    run = start(api, body).json()
    assert (run["state"], run["output"]) == ("queued", None)
    assert run["id"] != str(uuid.UUID(int=7))
    assert Run.objects.get().owner == alice
    for method in (api.patch, api.put):
        response = method(f"/api/runs/{run['id']}", data={"state": "failed"}, content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


def test_lists_are_newest_first_and_do_not_shift_while_runs_arrive(api, alice, bob):
    runs = [make_run(alice) for _ in range(5)]
    make_run(bob)
    page = api.get("/api/runs?limit=2").json()
    make_run(alice)
    seen = [run["id"] for run in page["results"]]
    while page["next"]:
        page = api.get(page["next"]).json()
        seen += [run["id"] for run in page["results"]]
    assert seen == [str(run.id) for run in reversed(runs)]


def test_lists_are_filtered_by_state_and_chain(api, alice):
    make_run(alice, state="failed")
    make_run(alice, state="succeeded")
    make_run(alice, state="failed", chain="excerpt")
    found = api.get("/api/runs?state=failed&chain=hello").json()["results"]
    assert [(run["state"], run["chain"]) for run in found] == [("failed", "hello")]
    assert api.get("/api/runs?state=sleeping").status_code == 422
    assert api.get("/api/runs?chain=nowhere").json()["results"] == []
    assert api.get("/api/runs?cursor=nonsense").status_code == 404


def test_a_long_list_needs_no_more_queries_than_a_short_one(api, alice, django_assert_max_num_queries):
    for _ in range(30):
        make_run(alice, input={"audio": str(uuid.uuid4())})
    with django_assert_max_num_queries(8):
        assert len(api.get("/api/runs").json()["results"]) == 30


def test_events_come_in_order_from_where_one_stopped(api, alice):
    run = make_run(alice)
    add_events(run, 25)
    page = api.get(f"/api/runs/{run.id}/events?after=20&limit=3").json()
    assert [event["seq"] for event in page["events"]] == [21, 22, 23]
    assert page["last_seq"] == 25
    assert set(page["events"][0]) == {"seq", "at", "type", "invocation", "data"}
    assert page["events"][0]["at"].endswith("Z")
    assert api.get(f"/api/runs/{run.id}/events?after=99").json()["events"] == []
    for wrong in ("after=-1", "after=x", "limit=0", "limit=9999999", f"after={10**30}"):
        assert api.get(f"/api/runs/{run.id}/events?{wrong}").status_code == 422


def test_invocations_come_with_their_attempts(api, alice):
    run = make_run(alice)
    root = run.invocations.get()
    Attempt.objects.create(invocation=root, number=1, worker="w", hardware="cpu", error={"type": "E"})
    (shown,) = api.get(f"/api/runs/{run.id}/invocations").json()["results"]
    assert (shown["id"], shown["parent"], shown["queue"]) == (str(root.id), None, "cpu")
    assert shown["attempts"][0]["error"] == {"type": "E"}
    assert set(shown["attempts"][0]) == {
        "number",
        "worker",
        "hardware",
        "state",
        "started_at",
        "ended_at",
        "error",
    }


def test_cancel_and_resume_answer_the_new_state(api, alice):
    run_id = start(api).json()["id"]
    assert api.post(f"/api/runs/{run_id}/resume", content_type="application/json").status_code == 409
    cancelled = api.post(f"/api/runs/{run_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    again = api.post(f"/api/runs/{run_id}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "run_already_final")
    resumed = api.post(f"/api/runs/{run_id}/resume", content_type="application/json")
    assert (resumed.status_code, resumed.json()["state"]) == (202, "queued")


def test_a_deleted_run_takes_its_upload_along_unless_another_needs_it(
    api, alice, files_dir, django_capture_on_commit_callbacks
):
    file = store_upload(owner=alice, name="talk.wav", chunks=[wav()])
    body = {"chain": "transcribe", "input": {"audio": str(file.id)}}
    first, second = (start(api, body).json()["id"] for _ in range(2))
    with django_capture_on_commit_callbacks():
        assert api.delete(f"/api/runs/{first}").status_code == 204
    assert api.get(f"/api/runs/{first}").status_code == 404
    assert File.objects.filter(pk=file.pk).exists()
    assert api.delete(f"/api/runs/{second}").status_code == 204
    assert not File.objects.filter(pk=file.pk).exists()


@pytest.mark.parametrize("who", ["other", "nobody"])
def test_a_run_does_not_exist_for_anybody_else(others, alice, who):
    run = make_run(alice, state="failed")
    client, expected = (others, 404) if who == "other" else (Client(), 401)
    base = f"/api/runs/{run.id}"
    for method, address in [
        (client.get, base),
        (client.delete, base),
        (client.get, f"{base}/events"),
        (client.get, f"{base}/invocations"),
        (client.post, f"{base}/cancel"),
        (client.post, f"{base}/resume"),
        (client.get, f"{base}/transcript.txt"),
    ]:
        response = method(address)
        assert response.status_code == expected, address
        assert response["Content-Type"] == "application/problem+json"
    assert client.get("/api/runs").status_code == (200 if who == "other" else 401)
    run.refresh_from_db()
    assert run.state == "failed"


@pytest.mark.parametrize("run_id", ["x", str(uuid.UUID(int=3)), "1", "../1", "%00"])
def test_wrong_ids_are_not_found(api, run_id):
    for address in (
        f"/api/runs/{run_id}",
        f"/api/runs/{run_id}/events",
        f"/api/runs/{run_id}/transcript.srt",
    ):
        response = api.get(address)
        assert response.status_code == 404
        assert response.json()["code"] == "not_found"
