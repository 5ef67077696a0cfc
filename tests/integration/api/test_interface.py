"""The interface as a whole: errors, schema, docs, health, headers."""

import re
import socket
import time

import pytest
from django.db import DatabaseError, OperationalError
from django.test import Client

from webapp.ui.headers import POLICY

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/nothing", "/api/runs/", "/healthz/x", "/v1/models", "/metrics"]
)
def test_unknown_addresses_are_not_pages(api, path):
    assert api.get(path).status_code == 404


def test_errors_outside_of_views_are_problems_too(api):
    response = api.get("/api/nothing")
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "not_found"


def test_our_own_mistakes_tell_no_secrets(api, monkeypatch):
    def break_down(_request):
        raise DatabaseError("password=hunter2")

    monkeypatch.setattr("webapp.api.run_views.runs_of", break_down)
    response = api.get("/api/runs")
    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert b"hunter2" not in response.content


def test_json_comes_whatever_the_client_accepts(api):
    response = api.get("/api/chains", headers={"Accept": "application/xml"})
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"


def test_chains_come_with_graph_and_schemas(api):
    listed = api.get("/api/chains").json()
    assert listed["next"] is None
    names = [chain["name"] for chain in listed["results"]]
    assert names == sorted(names)
    assert {"hello", "transcribe", "excerpt"} <= set(names)
    hello = api.get("/api/chains/hello").json()
    assert hello == listed["results"][names.index("hello")]
    assert hello["graph"]["edges"] == [["Hello", "Greeter"]]
    assert hello["input_schema"]["properties"]["names"]["type"] == "array"
    assert {node["chainlet"]: node["queue"] for node in hello["graph"]["nodes"]} == {
        "Hello": "cpu",
        "Greeter": "cpu",
    }
    missing = api.get("/api/chains/nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_the_schema_names_every_address(api):
    schema = api.get("/api/schema").json()
    assert set(schema["paths"]) >= {
        *(
            "/api/files",
            "/api/files/{file_id}",
            "/api/files/{file_id}/content",
            "/api/chains",
            "/api/chains/{name}",
        ),
        *("/api/runs", "/api/runs/{run_id}", "/api/runs/{run_id}/events", "/api/runs/{run_id}/invocations"),
        *("/api/runs/{run_id}/cancel", "/api/runs/{run_id}/resume", "/api/runs/{run_id}/transcript.{fmt}"),
        *("/api/session", "/api/session/login", "/api/session/logout"),
    }
    assert schema["components"]["securitySchemes"].keys() == {"ApiKey", "Session"}


def test_every_address_of_the_schema_asks_who_is_there(api):
    schema = api.get("/api/schema").json()
    stranger = Client(raise_request_exception=False)
    for path, methods in schema["paths"].items():
        address = re.sub(r"\{(\w+)\}", lambda found: _EXAMPLES.get(found[1], "x"), path)
        for method in methods.keys() & {"get", "post", "put", "patch", "delete"}:
            expected = {200} if path in _PUBLIC else {422} if path == "/api/session/login" else {401}
            response = stranger.generic(method.upper(), address, b"{}", content_type="application/json")
            assert response.status_code in expected, (method, address, response.content)


_EXAMPLES = {
    "run_id": "00000000-0000-0000-0000-000000000001",
    "file_id": "00000000-0000-0000-0000-000000000001",
    "fmt": "txt",
}
_PUBLIC = {"/api/schema"}


@pytest.mark.parametrize(
    "path", ["/", "/runs/1", "/chains", "/api/docs", "/admin/login/", "/static/ui/plain.css"]
)
def test_pages_run_no_inline_code(client, path):
    response = client.get(path)
    assert response["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert response["X-Content-Type-Options"] == "nosniff"
    if "html" in response["Content-Type"]:
        text = response.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text)
        assert "<style" not in text
        assert not re.search(r"\son\w+=|\sstyle=", text)


def test_a_missing_front_end_is_explained(client, settings, tmp_path):
    settings.FRONTEND_DIST = tmp_path
    response = client.get("/runs/1")
    assert response.status_code == 503
    assert "scripts/run" in response.content.decode()


def test_the_built_page_is_asked_for_anew_each_time(client, settings, tmp_path):
    settings.FRONTEND_DIST = tmp_path
    (tmp_path / "index.html").write_text("<!doctype html><title>Chainlets</title>")
    response = client.get("/runs/1?state=failed")
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-cache"
    assert "csrftoken" in response.cookies
    assert client.post("/runs/1").status_code == 405


def test_the_process_answers_without_asking_anybody(client):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_it_is_ready_when_database_and_broker_answer(web):
    with web.client() as client:
        response = client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "ok")


def test_a_missing_broker_is_named(client, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nowhere.sock"
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["broker"] == "unavailable"


def test_no_foreign_page_may_read(api):
    response = api.get("/api/runs", headers={"Origin": "https://evil.example"})
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


def test_a_broker_that_accepts_and_never_answers_keeps_nobody_waiting(client, settings, monkeypatch):
    monkeypatch.setattr("webapp.api.health.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        began = time.monotonic()
        response = client.get("/readyz")
    assert response.status_code == 503
    assert time.monotonic() - began < 2


def test_a_database_that_hangs_keeps_nobody_waiting(client, monkeypatch):
    monkeypatch.setattr("webapp.api.health.TIMEOUT", 0.2)
    monkeypatch.setattr("webapp.api.health._select_one", lambda: time.sleep(1.5))
    began = time.monotonic()
    for _ in range(4):
        assert client.get("/readyz").json()["checks"]["database"] == "unavailable"
    assert time.monotonic() - began < 2


def test_a_database_that_is_away_is_no_success(api, monkeypatch):
    def away(**_):
        raise OperationalError("could not connect to server")

    monkeypatch.setattr("webapp.api.run_views.start_run", away)
    body = {"chain": "hello", "input": {"names": []}}
    response = api.post("/api/runs", body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response["Retry-After"] == "5"


def test_answers_do_not_stay_in_the_browser(api):
    assert api.get("/api/runs")["Cache-Control"] == "no-store"
