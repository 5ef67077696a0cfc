"""The name of a call: what makes two calls the same."""

from uuid import UUID

import pytest

from chainlets import File
from chainlets.runtime.journal import call_id, input_hash, is_file

FILE = File(id="a", name="a.wav", size=1, media_type="audio/wav", sha256="0" * 64).model_dump(mode="json")


def changed(**values):
    return {**FILE, **values}


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1.5}, False),
        ({"file": FILE}, {"file": changed(id="b")}, True),
        ({"files": [{"deep": FILE}]}, {"files": [{"deep": changed(id="b")}]}, True),
        ({"file": FILE}, {"file": changed(sha256="1" * 64)}, False),
        ({"file": FILE}, {"file": changed(name="b.wav")}, False),
        ({"file": changed(sha256="")}, {"file": changed(sha256="", id="b")}, False),
        ({"file": changed(more=1)}, {"file": changed(more=1, id="b")}, False),
        ({"id": "a", "sha256": "0"}, {"id": "b", "sha256": "0"}, False),
    ],
)
def test_inputs_are_the_same_by_what_they_hold_and_files_by_their_content(first, second, same):
    assert (input_hash(first) == input_hash(second)) is same


def test_only_a_whole_handle_is_a_file():
    assert is_file(FILE)
    assert not any(map(is_file, [None, "a", [FILE], {}, {"id": "a"}, changed(sha256=""), changed(more=1)]))


def test_every_part_of_the_key_makes_another_call():
    key = {"parent": UUID(int=1), "chainlet": "A", "digest": "d", "occurrence": 0}
    others = ({"parent": UUID(int=2)}, {"chainlet": "B"}, {"digest": "e"}, {"occurrence": 1})
    assert len({call_id(**key), *(call_id(**{**key, **other}) for other in others)}) == 5
