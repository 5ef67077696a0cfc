"""Running again over REST, with the engine asleep: who may, what is refused, and what is noted."""

import uuid

import pytest

from tests.integration.web import make_run, wav
from webapp.catalog.models import Chain
from webapp.catalog.services import loaded_chains
from webapp.files.models import File
from webapp.files.services import store_upload
from webapp.runs.models import Event, Invocation, KeptCall, Run, State

pytestmark = pytest.mark.django_db

HELLO = {"names": ["Ada"]}


def rerun(client, run, body=None, **headers):
    address = f"/api/runs/{getattr(run, 'id', run)}/rerun"
    return client.post(address, data=body or {}, content_type="application/json", headers=headers)


@pytest.fixture
def ended(alice):
    return make_run(alice, state=State.SUCCEEDED, input=HELLO, title="Greet")


def test_the_new_run_says_what_it_repeats(api, alice, ended):
    root = ended.invocations.get()
    answer = rerun(api, ended, {"from": str(root.id), "deadline_s": 60})

    assert answer.status_code == 202, answer.content
    shown = answer.json()
    assert (shown["rerun_of"], shown["input"], shown["title"]) == (str(ended.id), HELLO, "Greet")
    assert (shown["state"], shown["deadline_at"] is None) == ("queued", False)
    created = Event.objects.get(run_id=shown["id"], type="run.created").data
    assert (created["rerun_of"], created["from"], created["by"]) == (str(ended.id), str(root.id), "alice")
    assert api.get(f"/api/runs/{ended.id}").json()["rerun_of"] is None


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_a_run_that_goes_on_is_not_repeated(api, alice, state):
    answer = rerun(api, make_run(alice, state=state, input=HELLO))
    assert (answer.status_code, answer.json()["code"]) == (409, "run_not_repeatable")
    assert answer.json()["detail"] == "The run goes on. Cancel it or wait for its end, then run it again."
    assert Run.objects.count() == 1


def test_a_run_whose_chain_is_gone_is_not_repeated(api, ended):
    Chain.objects.filter(id=ended.chain_id).update(name="gone")
    answer = rerun(api, ended)
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("The chain 'gone' is not there any more.")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"from": str(uuid.UUID(int=5))}, "from"),
        ({"from": "the middle"}, "from"),
        ({"from": 7}, "from"),
        ({"input": {"names": "Ada"}}, "names"),
        ({"input": {}}, "names"),
        ({"input": []}, "input"),
        ({"input": {"names": ["a\x00"]}}, "input.names.0"),
        ({"title": "x" * 300}, "title"),
        ({"deadline_s": 0}, "deadline_s"),
    ],
)
def test_what_does_not_fit_is_refused_by_field_and_leaves_nothing(api, ended, body, field):
    answer = rerun(api, ended, body)
    assert answer.status_code == 422, answer.content
    assert set(answer.json()["errors"]) == {field}
    assert Run.objects.count() == 1


def test_an_invocation_of_another_run_is_none_of_this_one(api, alice, ended):
    other = make_run(alice, state=State.SUCCEEDED, input=HELLO).invocations.get()
    assert set(rerun(api, ended, {"from": str(other.id)}).json()["errors"]) == {"from"}


def test_a_run_of_somebody_else_does_not_exist_but_for_staff(api, others, bob, ended):
    assert rerun(others, ended).status_code == 404
    assert rerun(api, uuid.uuid4()).status_code == 404
    bob.is_staff = True
    bob.save()
    answer = rerun(others, ended)
    assert answer.status_code == 202
    assert Run.objects.get(id=answer.json()["id"]).owner == ended.owner
    assert rerun(others, uuid.uuid4()).status_code == 404


def test_a_deleted_run_is_gone(api, ended):
    assert api.delete(f"/api/runs/{ended.id}").status_code == 204
    assert rerun(api, ended).status_code == 404


def test_the_same_key_gives_the_same_run_again_and_keeps_nothing_twice(api, alice, ended, files_dir):
    Invocation.objects.filter(run=ended).update(code="x")
    first, second = (rerun(api, ended, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]
    other = rerun(api, ended, {"title": "other"}, **{"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


def test_an_upload_that_was_deleted_is_named(api, alice, files_dir):
    file = store_upload(owner=alice, name="talk.wav", chunks=[wav()])
    run = make_run(alice, chain="transcribe", state=State.FAILED, input={"audio": str(file.id)})
    assert rerun(api, run).status_code == 202
    Run.objects.exclude(id=run.id).delete()
    File.objects.all().delete()
    answer = rerun(api, run)
    assert answer.status_code == 422
    assert set(answer.json()["errors"]) == {"audio"}


def test_nothing_is_left_of_a_run_that_could_not_be_recorded(api, alice, ended, files_dir, monkeypatch):
    file = store_upload(owner=alice, name="talk.wav", chunks=[wav()])
    handle = {"id": str(file.id), "name": "talk.wav", "size": file.size, "media_type": file.media_type}
    Invocation.objects.create(
        run=ended,
        parent=ended.invocations.get(),
        chainlet="Greeter",
        queue="cpu",
        state=State.SUCCEEDED,
        code=loaded_chains().chains["hello"].codes["Greeter"],
        input={},
        input_hash="1",
        result={**handle, "sha256": file.sha256},
    )
    stored = sorted(files_dir.rglob("content"))

    def broken(*_, **__):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(KeptCall.objects, "bulk_create", broken)
        assert rerun(api, ended).status_code == 500
    assert sorted(files_dir.rglob("content")) == stored
    assert Run.objects.count() == File.objects.count() == 1

    assert rerun(api, ended).status_code == 202
    (kept,) = KeptCall.objects.all()
    assert kept.result["id"] != str(file.id)
    assert len(list(files_dir.rglob("content"))) == File.objects.count() == 2
