"""Limits of keys and users, and of the whole system, with the engine asleep: what is refused, and in what words."""

import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tests.integration.web import make_run
from webapp.accounts.models import Allowance, ApiKey
from webapp.accounts.services import create_key, recognise_key
from webapp.runs import admission
from webapp.runs.admission import seconds_between
from webapp.runs.models import Event, Run, State

pytestmark = pytest.mark.django_db

HELLO = {"chain": "hello", "input": {"names": ["Ada"]}}


@pytest.fixture(autouse=True)
def fresh():
    admission._full.cache_clear()
    yield
    admission._full.cache_clear()


def start(client, body=HELLO, **headers):
    return client.post("/api/runs", data=body, content_type="application/json", headers=headers)


def client_with(user, **limits):
    key = create_key(user=user, name="ci", **limits).key
    return Client(headers={"Authorization": f"Bearer {key}"}, raise_request_exception=False)


def refused(answer, code, *, status=429):
    told = answer.json()
    assert (answer.status_code, told["code"]) == (status, code), told
    assert answer["Content-Type"] == "application/problem+json"
    return told["detail"], int(answer["Retry-After"])


def test_a_key_may_have_only_so_many_runs_open(alice):
    client = client_with(alice, max_open_runs=2)
    first, _ = start(client), start(client)
    assert Run.objects.filter(api_key__name="ci").count() == 2

    detail, wait = refused(start(client), "too_many_open_runs")

    assert detail == (
        "2 runs of the key ci have not ended, and 2 may be open at a time. Wait until one ends, or cancel some; "
        "then try again."
    )
    assert 1 <= wait <= 60
    assert (Run.objects.count(), Event.objects.filter(type="run.created").count()) == (2, 2)
    assert client.post(f"/api/runs/{first.json()['id']}/cancel").status_code == 200
    assert start(client).status_code == 202


def test_the_limits_of_one_key_are_not_those_of_another(alice, api):
    client = client_with(alice, max_open_runs=1, runs_per_minute=1)
    assert start(client).status_code == 202
    assert [start(api).status_code for _ in range(3)] == [202] * 3


def test_a_key_may_start_only_so_many_runs_in_a_minute_whatever_becomes_of_them(alice):
    client = client_with(alice, runs_per_minute=2)
    for _ in range(2):
        run = start(client).json()["id"]
        assert client.delete(f"/api/runs/{run}").status_code == 204

    detail, wait = refused(start(client), "too_many_runs_per_minute")
    assert 55 <= wait <= 60
    assert detail == f"The key ci may start 2 runs in a minute, and has. Try again in {wait} seconds."

    earlier = time.time() - 50
    ApiKey.objects.update(recent_runs=[[earlier, 2]])
    _, wait = refused(start(client), "too_many_runs_per_minute")
    assert 9 <= wait <= 10
    ApiKey.objects.update(recent_runs=[[earlier - 10, 2]])
    assert start(client).status_code == 202


def test_a_repeat_of_an_accepted_request_is_answered_as_before_and_counts_once(alice):
    client = client_with(alice, max_open_runs=1, runs_per_minute=2)
    first = start(client, **{"Idempotency-Key": "k"})
    again = start(client, **{"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == first.json()
    refused(start(client, **{"Idempotency-Key": "other"}), "too_many_open_runs")
    client.post(f"/api/runs/{first.json()['id']}/cancel")
    assert start(client, **{"Idempotency-Key": "other"}).status_code == 202
    assert start(client, **{"Idempotency-Key": "k"}).status_code == 200


def test_what_is_refused_for_another_reason_does_not_count(alice):
    client = client_with(alice, runs_per_minute=1)
    assert start(client, {"chain": "hello", "input": {}}).status_code == 422
    assert start(client).status_code == 202


def test_a_users_limit_counts_all_their_keys_and_the_page(alice, bob, settings):
    settings.MAX_OPEN_RUNS_PER_USER = 3
    browser = Client()
    browser.force_login(alice)
    clients = [client_with(alice), client_with(alice), browser]
    assert [start(client).status_code for client in clients] == [202] * 3
    for client in clients:
        detail, _ = refused(start(client), "too_many_open_runs")
        assert detail.startswith("3 runs of the user alice have not ended, and 3 may be open at a time.")
    assert start(client_with(bob)).status_code == 202


def test_what_the_admin_says_of_a_user_goes_before_the_settings(alice, bob, settings):
    settings.MAX_OPEN_RUNS_PER_USER = 1
    settings.RUNS_PER_MINUTE_PER_USER = 2
    operator = Client()
    operator.force_login(User.objects.create_superuser("root", password="x"))
    given = {"user": alice.pk, "max_open_runs": 5, "runs_per_minute": 3}
    assert operator.post("/admin/accounts/allowance/add/", given).status_code == 302
    assert [start(client_with(alice)).status_code for _ in range(4)] == [202, 202, 202, 429]
    assert [start(client_with(bob)).status_code for _ in range(2)] == [202, 429]
    assert Allowance.objects.get(user=alice).max_open_runs == 5


def test_nought_in_the_settings_means_as_many_as_they_like(alice, settings):
    settings.MAX_OPEN_RUNS_PER_USER = settings.RUNS_PER_MINUTE_PER_USER = settings.MAX_QUEUED_CALLS = 0
    client = client_with(alice)
    assert [start(client).status_code for _ in range(5)] == [202] * 5


def test_running_again_and_going_on_count_as_well(alice, settings, api):
    settings.MAX_OPEN_RUNS_PER_USER = 1
    ended = make_run(alice, state=State.FAILED, input=HELLO["input"])
    open_run = start(api).json()["id"]
    for what in ("rerun", "resume"):
        answer = api.post(f"/api/runs/{ended.id}/{what}", data={}, content_type="application/json")
        refused(answer, "too_many_open_runs")
    assert Run.objects.count() == 2
    assert Run.objects.get(id=ended.id).state == State.FAILED
    api.post(f"/api/runs/{open_run}/cancel")
    answer = api.post(f"/api/runs/{ended.id}/resume", data={}, content_type="application/json")
    assert answer.status_code == 202


def test_an_operator_who_resumes_is_told_in_the_admin(alice, settings):
    settings.MAX_OPEN_RUNS_PER_USER = 1
    make_run(alice)
    ended = make_run(alice, state=State.FAILED)
    operator = Client()
    operator.force_login(User.objects.create_superuser("root", password="x"))
    page = operator.post(f"/admin/runs/run/{ended.id}/resume/", follow=True)
    assert "1 run of the user alice has not ended" in page.content.decode()


def test_too_much_in_the_queues_stops_new_runs_of_everybody_but_no_repeats(alice, api, others, settings):
    first = start(api, **{"Idempotency-Key": "k"})
    settings.MAX_QUEUED_CALLS = 2
    make_run(alice)
    assert start(others).status_code == 202, "two are queued, and two may be"
    admission._full.cache_clear()
    detail, wait = refused(start(others), "system_busy", status=503)
    assert detail.startswith("So many calls are queued")
    assert wait == 5
    assert start(api, **{"Idempotency-Key": "k"}).status_code == 200
    client = api.post(f"/api/runs/{first.json()['id']}/cancel")
    assert client.status_code == 200
    time.sleep(1.1)  # the count may be a second old
    assert start(others).status_code == 202


def test_keys_with_limits_are_made_in_the_admin(alice):
    operator = Client()
    operator.force_login(User.objects.create_superuser("root", password="x"))
    given = {"user": alice.pk, "name": "ci", "max_open_runs": 7, "runs_per_minute": 30}
    page = operator.post("/admin/accounts/apikey/add/", given, follow=True).content.decode()
    made = recognise_key(page.split("Copy it: ")[1].split("<")[0].strip())
    assert (made.max_open_runs, made.runs_per_minute) == (7, 30)
    nothing = operator.post("/admin/accounts/apikey/add/", {**given, "max_open_runs": 0})
    assert "greater than or equal to 1" in nothing.content.decode()


@pytest.mark.parametrize("path", ["/api/runs", "/api/runs/{run_id}/rerun", "/api/chains/{name}/stream"])
def test_the_schema_says_that_a_run_may_be_refused(api, path):
    answers = api.get("/api/schema").json()["paths"][path]["post"]["responses"]
    assert {"429", "503"} <= answers.keys()
    assert "too_many_open_runs" in answers["429"]["description"]


def test_how_long_to_wait_is_guessed_by_how_runs_end():
    now = timezone.now()
    ends = [now - timedelta(seconds=7 * n) for n in range(5)]
    assert seconds_between(ends) == 7
    assert seconds_between(ends[:1]) == seconds_between([]) == 10
    assert seconds_between([now, now]) == 1
    assert seconds_between([now, now - timedelta(days=1)]) == 60
