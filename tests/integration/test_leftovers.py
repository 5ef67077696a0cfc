"""What killed processes left on disk goes; what is in use stays."""

import os
import time
import uuid

import pytest
from django.contrib.auth.models import User

from webapp.files.services import local_path, put_value, record_value, store_local
from webapp.runs.leftovers import SETTLED_S, clear_orphans, clear_scratch
from webapp.runs.models import Invocation
from webapp.runs.services import start_run
from webapp.runs.transitions import LEASE

pytestmark = pytest.mark.django_db


@pytest.fixture
def files_dir(settings, tmp_path):
    settings.FILES_DIR = tmp_path / "files"
    return settings.FILES_DIR


def age(path, seconds):
    past = time.time() - seconds
    os.utime(path, (past, past))


def test_scratch_of_attempts_that_are_over_is_removed(files_dir):
    user = User.objects.create_user("ann")
    start_run(user=user, chain="hello", input={"names": ["Ann"]})
    root = Invocation.objects.get()
    Invocation.objects.update(state="running", attempt=2, lease_expires_at=root.created_at + LEASE)
    scratch = files_dir / "scratch"
    for name, seconds in {
        f"{root.id}-1": 100,
        f"{root.id}-2": 100,
        f"{uuid.uuid4()}-1": 100,
        "fresh": 0,
    }.items():
        (scratch / name).mkdir(parents=True)
        (scratch / name / "sound.pcm").write_bytes(b"x")
        age(scratch / name, seconds)

    assert clear_scratch() == 2
    assert {path.name for path in scratch.iterdir()} == {f"{root.id}-2", "fresh"}


def test_bytes_without_a_row_are_removed_once_they_are_old(files_dir, tmp_path):
    user = User.objects.create_user("ann")
    (tmp_path / "a.txt").write_text("kept")
    kept = store_local(
        run_id=None,
        owner_id=user.pk,
        path=tmp_path / "a.txt",
        name="a.txt",
        media_type="text/plain",
        keep=True,
    )
    age(local_path(file_id=str(kept.id)).parent, SETTLED_S * 2)
    orphans = {seconds: files_dir / "ab" / f"ab{uuid.uuid4().hex[2:]}" for seconds in (SETTLED_S * 2, 0)}
    for seconds, path in orphans.items():
        path.mkdir(parents=True)
        age(path, seconds)

    assert clear_orphans() == 1
    assert local_path(file_id=str(kept.id)).read_text() == "kept"
    assert orphans[0].exists()


def test_values_whose_row_was_never_written_are_removed_once_they_are_old(files_dir):
    user = User.objects.create_user("ann")
    run = start_run(user=user, chain="hello", input={"names": ["Ann"]}).run
    kept, lost, fresh = (put_value(b"1", name="result of Leaf", media_type="a/b") for _ in range(3))
    record_value(kept.model_dump(mode="json"), run_id=run.id, owner_id=user.pk)
    for file in (kept, lost):
        age(local_path(file_id=file.id).parent, SETTLED_S * 2)

    assert clear_orphans() == 1
    left = {path.parent.name for path in files_dir.glob("??/*/content")}
    assert left == {kept.id, fresh.id}


def test_a_large_input_of_a_run_that_is_not_accepted_leaves_nothing(files_dir, settings, monkeypatch):
    settings.VALUE_INLINE_BYTES = 20
    user = User.objects.create_user("ann")
    run = start_run(user=user, chain="hello", input={"names": ["Ann" * 10]}).run
    assert len(list(files_dir.glob("??/*/content"))) == run.files.count() == 1

    def broken(*_, **__):
        raise OSError("no")

    monkeypatch.setattr("webapp.runs.accepting.record_value", broken)
    with pytest.raises(OSError, match="no"):
        start_run(user=user, chain="hello", input={"names": ["Bob" * 10]})
    assert len(list(files_dir.glob("??/*/content"))) == 1
