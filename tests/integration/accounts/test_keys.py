"""API keys: a copy of the database is worth nothing, and a key ends at once."""

import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from webapp.accounts.models import ApiKey
from webapp.accounts.services import create_key, ensure_admin, recognise_key, revoke_key

pytestmark = pytest.mark.django_db


def ask(key, **headers):
    return Client().get("/api/runs", headers={"Authorization": f"Bearer {key}", **headers})


def test_a_key_lets_its_user_in(alice):
    made = create_key(user=alice, name="laptop")
    assert ask(made.key).status_code == 200
    assert recognise_key(made.key).user == alice


def test_the_database_does_not_hold_the_key(alice):
    key = create_key(user=alice, name="laptop").key
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apikey")
        row = repr(cursor.fetchall())
    assert key not in row
    assert key.split("_", 2)[2] not in row


def test_a_copied_hash_or_prefix_is_no_key(alice):
    record = create_key(user=alice, name="laptop").record
    for guess in (
        record.prefix,
        record.hash,
        f"{record.prefix}_{record.hash}",
        f"{record.prefix}_{'x' * 43}",
    ):
        assert ask(guess).status_code == 401


def test_another_pepper_makes_all_keys_worthless(alice, settings):
    key = create_key(user=alice, name="laptop").key
    settings.SECRET_KEY = "another machine's"
    assert ask(key).status_code == 401


def test_a_revoked_key_ends_at_once(alice):
    made = create_key(user=alice, name="laptop")
    revoke_key(record=made.record)
    response = ask(made.key)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response.json()["code"] == "authentication_failed"


def test_a_key_expires(alice):
    made = create_key(user=alice, name="laptop", expires_at=timezone.now() + timedelta(hours=1))
    assert ask(made.key).status_code == 200
    ApiKey.objects.update(expires_at=timezone.now())
    assert ask(made.key).status_code == 401


def test_a_user_who_may_not_log_in_has_no_keys_either(alice):
    key = create_key(user=alice, name="laptop").key
    alice.is_active = False
    alice.save()
    assert ask(key).status_code == 401


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic YTpi", "Token x", "bearer\tx", "Bearer \x00", "Bearer é"]
)
def test_other_headers_are_refused(alice, header):
    assert Client().get("/api/runs", headers={"Authorization": header}).status_code == 401


def test_the_last_use_is_noted_at_most_once_a_minute(alice, django_assert_num_queries):
    made = create_key(user=alice, name="laptop")
    recognise_key(made.key)
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    with django_assert_num_queries(1):
        recognise_key(made.key)
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    recognise_key(made.key)
    assert ApiKey.objects.get().last_used_at >= first


def test_a_key_request_ignores_cookies_and_needs_no_csrf_token(alice, bob):
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    key = create_key(user=alice, name="laptop").key
    sent = {"Authorization": f"Bearer {key}"}
    response = client.get("/api/session", headers=sent)
    assert response.json()["user"]["username"] == "alice"
    body = {"chain": "hello", "input": {"names": []}}
    assert client.post("/api/runs", body, content_type="application/json", headers=sent).status_code == 202
    assert client.get("/api/session", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_the_first_start_makes_the_admin_and_tells_it_once(db):
    first = ensure_admin()
    assert first.username == "admin"
    assert len(first.password) >= 12
    assert Client().login(username="admin", password=first.password)
    assert ask(first.key).status_code == 200
    assert ensure_admin() is None
    assert ApiKey.objects.count() == 1


def test_the_environment_decides_password_and_key(settings, db):
    settings.ADMIN_PASSWORD = "chosen by the operator"
    settings.ADMIN_API_KEY = "k1"
    first = ensure_admin()
    assert (first.password, first.key) == (None, None)
    assert Client().login(username="admin", password="chosen by the operator")
    assert ask("k1").status_code == 200
    settings.ADMIN_API_KEY = "k2"
    assert ensure_admin() is None
    assert ask("k2").status_code == 200
    assert ask("k1").status_code == 401, "the forerunner is revoked"


def test_a_revoked_environment_key_stays_revoked(settings, db):
    settings.ADMIN_API_KEY = "k1"
    ensure_admin()
    revoke_key(record=ApiKey.objects.get())
    ensure_admin()
    assert ask("k1").status_code == 401


def test_the_command_prints_the_login_on_stderr_once(db, capsys):
    call_command("ensure_admin", url="http://127.0.0.1:8123")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "http://127.0.0.1:8123" in printed.err
    password, key = (re.search(rf"{label} +(\S+)", printed.err)[1] for label in ("password", "API key"))
    assert Client().login(username="admin", password=password)
    assert ask(key).status_code == 200
    call_command("ensure_admin")
    assert capsys.readouterr().err == ""
