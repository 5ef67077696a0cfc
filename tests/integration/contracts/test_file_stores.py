"""Wherever a chainlet runs, the files it finds and makes behave the same."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

import chainlets as chains
from chainlets.files import LocalFileStore, use_file_store
from chainlets.testing import MemoryFileStore
from webapp.runs.run_files import RunFiles
from webapp.runs.services import start_run


# The store of a run has threads of its own, which see what is committed.
@pytest.fixture(
    params=["local", "memory", pytest.param("run", marks=pytest.mark.django_db(transaction=True))]
)
def store(request):
    """Where files of this machine, of a test and of a run lie."""
    if request.param == "local":
        yield LocalFileStore()
    elif request.param == "memory":
        with MemoryFileStore() as memory:
            yield memory
    else:
        for needed in ("files_dir", "bells"):
            request.getfixturevalue(needed)
        user = User.objects.create_user("ann")
        yield RunFiles(start_run(user=user, chain="hello", input={"names": ["Ann"]}).run.id, uuid4())


@pytest.fixture
def made(tmp_path):
    """Makes a file as a chainlet would."""

    def make(content: bytes):
        path = tmp_path / "made.bin"
        path.write_bytes(content)
        return path

    return make


def test_a_file_that_was_made_is_moved_in_and_found_again(store, made):
    path = made(b"some words")
    with use_file_store(store):
        file = chains.File.from_path(path, name="words.txt", keep=True)

        assert not path.exists()
        assert file.path().read_bytes() == b"some words"
    assert (file.name, file.size, file.media_type) == ("words.txt", 10, "text/plain")
    assert file.sha256 == hashlib.sha256(b"some words").hexdigest()


def test_what_the_maker_says_of_the_kind_is_believed(store, made):
    file = store.add(made(b"x"), name="x", media_type="application/x-mine", keep=False)

    assert file.media_type == "application/x-mine"


def test_a_handle_survives_the_journey_as_json(store, made):
    with use_file_store(store):
        file = chains.File.from_path(made(b"x"), name="x.txt")
        travelled = chains.File.model_validate_json(file.model_dump_json())

        assert travelled == file
        assert travelled.path().read_bytes() == b"x"


def test_no_name_leads_out_of_the_store(store, made):
    before = store.add(made(b"before"), name="before.txt", media_type="text/plain", keep=True)
    house = store.path(before.id).parents[2]

    for name in (
        "../../evil.txt",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a\\b",
        "x" * 300,
        "x." + "y" * 300,
        "a.\0\t",
    ):
        file = store.add(made(name.encode()), name=name, media_type="text/plain", keep=True)
        assert store.path(file.id).read_bytes() == name.encode()
        assert house in store.path(file.id).parents

    assert store.path(before.id).read_bytes() == b"before"


def test_files_of_one_name_do_not_meet(store, made):
    first = store.add(made(b"1"), name="same.txt", media_type="text/plain", keep=True)
    second = store.add(made(b"2"), name="same.txt", media_type="text/plain", keep=True)

    assert [store.path(file.id).read_bytes() for file in (first, second)] == [b"1", b"2"]


def test_files_may_be_made_on_several_threads_at_once(store, tmp_path):
    def make(number):
        path = tmp_path / f"{number}.txt"
        path.write_text(str(number))
        return store.add(path, name="n.txt", media_type="text/plain", keep=False)

    with ThreadPoolExecutor(8) as threads:
        files = list(threads.map(make, range(24)))

    assert [store.path(file.id).read_text() for file in files] == [str(number) for number in range(24)]


def test_bytes_that_are_not_there_are_not_found_in_the_same_words(store):
    for file_id in ("file:/no/such/file", "00000000-0000-4000-8000-000000000000", "nonsense"):
        with use_file_store(store), pytest.raises(FileNotFoundError):
            chains.File(id=file_id).path()


async def test_files_can_be_made_on_an_event_loop(store, made):
    with use_file_store(store):
        file = chains.File.from_path(made(b"x"), name="x.txt")

        assert file.path().read_bytes() == b"x"
