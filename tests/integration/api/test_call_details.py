"""Failures over REST: as data for programs, and as the text that a person reads."""

import pytest

from chainlets.failure import Failure, Frame
from tests.integration.web import make_run

pytestmark = pytest.mark.django_db

LEAF = Failure(
    type="LookupError",
    message="no such page",
    chainlet="Leaf",
    attempt=2,
    worker="gpu-1",
    frames=[Frame(file="app/leaf.py", line=9, name="run_remote", code="raise LookupError(page)")],
)
TOP = Failure(type="RuntimeError", message="cannot go on", chainlet="Top", attempt=1, cause=LEAF)


def test_a_failed_run_and_its_calls_tell_the_whole_story_as_data_and_as_text(api, alice):
    run = make_run(alice, state="failed", error=TOP.model_dump(mode="json"))
    root = run.invocations.get()
    root.error = LEAF.model_dump(mode="json")
    root.save()

    shown = api.get(f"/api/runs/{run.id}").json()["error"]
    assert shown == {**TOP.model_dump(mode="json"), "text": TOP.text()}
    assert shown["text"].endswith("LookupError: no such page")
    assert api.get("/api/runs").json()["results"][0]["error"] == shown
    (call,) = api.get(f"/api/runs/{run.id}/invocations").json()["results"]
    assert call["error"] == {**LEAF.model_dump(mode="json"), "text": LEAF.text()}


def test_what_has_not_failed_has_no_error(api, alice):
    run = make_run(alice, state="succeeded")
    assert api.get(f"/api/runs/{run.id}").json()["error"] is None
    (call,) = api.get(f"/api/runs/{run.id}/invocations").json()["results"]
    assert call["error"] is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"type": "ValueError", "message": "old", "frames": [], "cause": None}, "ValueError: old"),
        ({"type": "E"}, '"type": "E"'),
    ],
)
def test_a_failure_recorded_by_an_earlier_version_is_told_as_far_as_it_goes(api, alice, error, text):
    run = make_run(alice, state="failed", error=error)
    shown = api.get(f"/api/runs/{run.id}").json()["error"]
    assert text in shown.pop("text")
    assert shown == error


def test_the_schema_describes_a_failure_wherever_one_is_found(api):
    schemas = api.get("/api/schema").json()["components"]["schemas"]
    assert set(schemas["FailureShape"]["properties"]) == {*Failure.model_fields, "text"}
    for name in ("RunShape", "InvocationShape"):
        field = schemas[name]["properties"]["error"]
        assert field["allOf"] == [{"$ref": "#/components/schemas/FailureShape"}]
        assert field["nullable"]
        assert "error" in schemas[name]["required"]
