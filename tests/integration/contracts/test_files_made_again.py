"""A call that is tried again makes its files again: they get the handles they had."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from chainlets.chains.transcribe import Decode
from chainlets.files import use_file_store
from tests.integration.transcribe_sounds import SAMPLE
from webapp.files import local
from webapp.files.models import File
from webapp.files.services import local_path
from webapp.runs.leftovers import SETTLED_S, clear_orphans
from webapp.runs.run_files import RunFiles
from webapp.runs.services import start_run

# The store of a run has threads of its own, which see what is committed.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bells", "files_dir")]


@pytest.fixture
def run_id():
    user = User.objects.create_user("ann")
    return start_run(user=user, chain="hello", input={"names": ["Ann"]}).run.id


@pytest.fixture
def make(tmp_path):
    """Has an attempt make a file."""

    def make(attempt, content=b"sound", *, name="part.pcm", keep=False):
        path = tmp_path / f"{uuid4()}"
        path.write_bytes(content)
        file = attempt.add(path, name=name, media_type="a/b", keep=keep)
        assert not path.exists()
        assert local_path(file_id=file.id).read_bytes() == content
        return file

    return make


def bytes_lie_at(files_dir):
    return sorted(path.parent.name for path in files_dir.glob("??/*/content"))


def test_a_second_attempt_gives_the_same_handles_and_stores_nothing_twice(run_id, make, files_dir):
    call = uuid4()
    first = make(RunFiles(run_id, call))

    assert make(RunFiles(run_id, call)) == first
    assert File.objects.count() == 1
    assert bytes_lie_at(files_dir) == [first.id]
    assert list((files_dir / "incoming").iterdir()) == []


def test_files_that_differ_in_anything_have_ids_of_their_own(run_id, make):
    one, other = RunFiles(run_id, uuid4()), RunFiles(run_id, uuid4())
    made = [
        make(one),
        make(one),
        make(one, b"other sound"),
        make(one, name="other.pcm"),
        make(one, keep=True),
        make(other),
    ]

    assert len({file.id for file in made}) == len(made) == File.objects.count()


def test_the_order_in_which_threads_make_files_does_not_matter(run_id, make):
    call = uuid4()

    def attempt(order):
        files = RunFiles(run_id, call)
        with ThreadPoolExecutor(4) as threads:
            made = threads.map(lambda number: (number, make(files, str(number // 2).encode()).id), order)
            return dict(made)

    first, second = attempt(range(8)), attempt(reversed(range(8)))

    assert set(first.values()) == set(second.values())
    for number in range(0, 8, 2):
        assert {first[number], first[number + 1]} == {second[number], second[number + 1]}


def test_what_was_stored_half_is_stored_whole_by_the_next_attempt(run_id, make):
    call = uuid4()
    file = make(RunFiles(run_id, call))
    File.objects.all().delete()  # the attempt died before it wrote the row
    folder = local_path(file_id=file.id).parent
    past = time.time() - SETTLED_S * 2
    os.utime(folder, (past, past))

    assert make(RunFiles(run_id, call)) == file
    assert str(File.objects.get().id) == file.id
    assert folder.stat().st_mtime > past, "it is as good as new, and cleared by nobody"
    assert clear_orphans() == 0


def test_a_row_whose_bytes_are_gone_gets_them_back(run_id, make):
    call = uuid4()
    file = make(RunFiles(run_id, call))
    local.remove(File.objects.get().id)

    assert make(RunFiles(run_id, call)) == file


def test_two_attempts_may_bring_the_same_file_at_once(run_id, make):
    call = uuid4()
    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(lambda _: make(RunFiles(run_id, call), b"x" * 1_000_000).id, range(8)))

    assert len(made) == File.objects.count() == 1


def test_a_row_that_cannot_be_written_leaves_bytes_that_another_attempt_may_need(
    run_id, make, monkeypatch, files_dir
):
    call = uuid4()

    def broken(*_args, **_options):
        raise RuntimeError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(File.objects, "get_or_create", broken)
        with pytest.raises(RuntimeError, match="the database is away"):
            make(RunFiles(run_id, call))
    assert len(bytes_lie_at(files_dir)) == 1

    assert make(RunFiles(run_id, call)).id == bytes_lie_at(files_dir)[0]


async def test_a_decoding_that_is_done_again_streams_the_same_to_the_last_byte(run_id, make, files_dir):
    call = uuid4()
    recording = make(RunFiles(run_id, uuid4()), SAMPLE.read_bytes())

    async def attempt():
        with use_file_store(RunFiles(run_id, call)):
            return [piece async for piece in Decode().run_remote(recording)]

    first = await attempt()
    assert await attempt() == first
    assert len(bytes_lie_at(files_dir)) == 4  # the recording, two parts and the outline
