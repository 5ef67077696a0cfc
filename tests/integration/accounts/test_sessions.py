"""Logging in and out with a browser."""

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client

from webapp.accounts import throttle

pytestmark = pytest.mark.django_db

PASSWORD = "wonderland 1865"


@pytest.fixture(autouse=True)
def _no_failures_yet():
    cache.clear()


@pytest.fixture
def browser():
    return Client(enforce_csrf_checks=True)


def log_in(client, username="alice", password=PASSWORD):
    body = {"username": username, "password": password}
    return client.post("/api/session/login", body, content_type="application/json")


def test_who_is_not_logged_in_gets_a_csrf_cookie_and_no_more(browser):
    response = browser.get("/api/session")
    assert response.status_code == 401
    assert "csrftoken" in response.cookies


def test_a_session_begins_and_ends(browser, alice):
    told = log_in(browser).json()
    assert told["user"] == {"username": "alice", "is_staff": False}
    assert told["limits"]["max_upload_bytes"] > 0
    assert isinstance(told["machine"]["gpu"], bool)
    assert browser.get("/api/session").json()["user"]["username"] == "alice"
    token = {"X-CSRFToken": told["csrf_token"]}
    assert browser.post("/api/session/logout", headers=token).status_code == 204
    assert browser.get("/api/session").status_code == 401
    assert not Session.objects.exists()


def test_the_session_id_changes_at_the_login(browser, alice):
    browser.cookies["sessionid"] = "planted-by-somebody-else-00000000"
    log_in(browser)
    assert browser.cookies["sessionid"].value != "planted-by-somebody-else-00000000"
    assert browser.cookies["sessionid"]["httponly"]
    assert browser.cookies["sessionid"]["samesite"] == "Lax"


@pytest.mark.parametrize(
    ("username", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("alice", PASSWORD + " ")]
)
def test_wrong_names_and_wrong_passwords_are_answered_alike(browser, alice, username, password):
    response = log_in(browser, username, password)
    assert (response.status_code, response.json()["code"]) == (401, "login_refused")
    assert response.json()["detail"] == "The user name or the password is wrong. Check both and try again."


@pytest.mark.parametrize(
    "body",
    [{}, {"username": "alice"}, {"username": "", "password": ""}, {"username": "a\x00", "password": "x"}, []],
)
def test_incomplete_logins_say_what_is_missing(browser, body):
    response = browser.post("/api/session/login", body, content_type="application/json")
    assert response.status_code == 422
    assert response.json()["detail"]


def test_a_foreign_form_cannot_log_in(browser, alice):
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
        response = browser.post("/api/session/login", "username=alice&password=x", content_type=kind)
        assert response.status_code == 415


def test_guessing_is_slowed_down_and_the_right_password_does_not_help(browser, alice):
    for _ in range(throttle.FAILURES):
        assert log_in(browser, password="wrong").status_code == 401
    response = log_in(browser)
    assert (response.status_code, response.json()["code"]) == (429, "login_throttled")
    assert int(response["Retry-After"]) > 0
    admin = Client().post("/admin/login/", {"username": "alice", "password": PASSWORD})
    assert "sessionid" not in admin.cookies


def test_guesses_at_one_name_do_not_lock_out_others(browser, alice, bob):
    for _ in range(throttle.FAILURES):
        log_in(browser, password="wrong")
    assert log_in(Client(), "bob", "builder 1999 yes").status_code == 200


def test_a_login_forgets_earlier_failures(browser, alice):
    for _ in range(3):
        for _ in range(throttle.FAILURES - 1):
            log_in(browser, password="wrong")
        assert log_in(Client()).status_code == 200


def test_a_change_without_the_csrf_token_is_refused(browser, alice):
    token = log_in(browser).json()["csrf_token"]
    body = {"chain": "hello", "input": {"names": ["Ada"]}}
    refused = browser.post("/api/runs", body, content_type="application/json")
    assert refused.status_code == 403
    assert refused["Content-Type"] == "application/problem+json"
    wrong = browser.post(
        "/api/runs", body, content_type="application/json", headers={"X-CSRFToken": "x" * 64}
    )
    assert wrong.status_code == 403
    right = browser.post("/api/runs", body, content_type="application/json", headers={"X-CSRFToken": token})
    assert right.status_code == 202


def test_an_upload_without_the_token_is_refused_before_it_is_read(browser, alice, monkeypatch):
    log_in(browser)

    def must_not_happen(**_):
        raise AssertionError

    monkeypatch.setattr("webapp.api.file_views.receive_upload", must_not_happen)
    response = browser.post("/api/files", b"--x--", content_type="multipart/form-data; boundary=x")
    assert response.status_code == 403
