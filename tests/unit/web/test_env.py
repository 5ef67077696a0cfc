"""Settings come from the environment, and mistakes in it are named."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from webapp import env


def test_a_number_below_the_minimum_names_the_variable(monkeypatch):
    monkeypatch.setenv("PORT", "0")
    with pytest.raises(ImproperlyConfigured, match="PORT"):
        env.number("PORT", 8000, minimum=1)


@pytest.mark.parametrize("value", ["-1", "1.5", "eight", "٣"])
def test_what_is_no_number_is_refused(monkeypatch, value):
    monkeypatch.setenv("PORT", value)
    with pytest.raises(ImproperlyConfigured, match="whole number"):
        env.number("PORT", 8000)


@pytest.mark.parametrize(("value", "meant"), [("1", True), ("yes", True), ("off", False), ("", False)])
def test_flags(monkeypatch, value, meant):
    monkeypatch.setenv("DEBUG", value)
    assert env.flag("DEBUG") is meant


def test_a_doubtful_flag_is_refused(monkeypatch):
    monkeypatch.setenv("DEBUG", "perhaps")
    with pytest.raises(ImproperlyConfigured, match="DEBUG"):
        env.flag("DEBUG")


def test_a_secret_may_lie_in_a_file(monkeypatch, tmp_path):
    (tmp_path / "password").write_text("correct horse\n")
    monkeypatch.delenv("ADMIN_PASSWORD", raising=False)
    monkeypatch.setenv("ADMIN_PASSWORD_FILE", str(tmp_path / "password"))
    assert env.secret("ADMIN_PASSWORD") == "correct horse"


def test_a_secret_in_two_places_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("ADMIN_PASSWORD", "a")
    monkeypatch.setenv("ADMIN_PASSWORD_FILE", str(tmp_path / "password"))
    with pytest.raises(ImproperlyConfigured, match="both"):
        env.secret("ADMIN_PASSWORD")


def test_a_size_is_a_number_of_bytes(monkeypatch):
    monkeypatch.setenv("ROOM", "1.5Gi")
    assert env.size("ROOM") == 1610612736
    monkeypatch.setenv("ROOM", "")
    assert env.size("ROOM") is None
    monkeypatch.setenv("ROOM", "2GB")
    with pytest.raises(ImproperlyConfigured, match="ROOM: '2GB' is no amount of memory"):
        env.size("ROOM")


def test_a_secret_file_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("ADMIN_PASSWORD", raising=False)
    monkeypatch.setenv("ADMIN_PASSWORD_FILE", str(tmp_path / "password"))
    with pytest.raises(ImproperlyConfigured, match="cannot be read"):
        env.secret("ADMIN_PASSWORD")


def test_processes_that_start_together_agree_on_the_secret_key(monkeypatch, tmp_path):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    path = tmp_path / "data" / "secret_key"
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: env.kept_secret("SECRET_KEY", path), range(64)))
    assert keys == {path.read_text()}
    assert len(path.read_text()) >= 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path], "no drafts stay behind"


def test_a_data_folder_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(ImproperlyConfigured, match="Set DATA_DIR"):
        env.kept_secret("SECRET_KEY", tmp_path / "taken" / "secret_key")


def test_postgres_addresses_are_taken_apart():
    found = env.database("postgres://us%40er:p%2Fw@db.example:5433/chain?sslmode=require", sqlite=Path("x"))
    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"]) == (
        "us@er",
        "p/w",
        "db.example",
        "5433",
    )
    assert found["NAME"] == "chain"
    assert found["OPTIONS"] == {
        "connect_timeout": 5,
        "options": "-c idle_in_transaction_session_timeout=8s",
        "sslmode": "require",
    }


def test_what_an_address_says_of_its_session_counts():
    found = env.database("postgres://db/chain?options=-c%20work_mem%3D8MB", sqlite=Path("x"))
    assert found["OPTIONS"]["options"] == "-c work_mem=8MB"


def test_sqlite_waits_for_the_lock_and_keeps_a_log():
    options = env.database("", sqlite=Path("/data/db.sqlite3"))["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in options["init_command"]


def test_an_unknown_database_is_refused():
    with pytest.raises(ImproperlyConfigured, match="postgres://"):
        env.database("mysql://x/y", sqlite=Path("x"))
