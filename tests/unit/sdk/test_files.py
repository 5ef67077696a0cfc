"""Files travel as handles; at the API's door only ids are believed."""

import hashlib

import pytest
from pydantic import BaseModel, ValidationError

import chainlets as chains
from chainlets.files import resolve_files


class Message(BaseModel):
    audio: chains.File


def test_a_local_file_has_a_handle_and_its_bytes_can_be_read(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"sound")
    handle = chains.File.local(tmp_path / "a.wav")

    assert (handle.name, handle.size) == ("a.wav", 5)
    assert handle.sha256 == hashlib.sha256(b"sound").hexdigest()
    assert handle.path().read_bytes() == b"sound"
    again = Message.model_validate_json(Message(audio=handle).model_dump_json())
    assert again.audio == handle


def test_a_file_that_a_chainlet_made_is_moved_into_the_store(tmp_path):
    (tmp_path / "out.txt").write_text("text")
    handle = chains.File.from_path(tmp_path / "out.txt", name="result.txt")

    assert not (tmp_path / "out.txt").exists()
    assert handle.name == "result.txt"
    assert handle.media_type == "text/plain"
    assert handle.path().read_text() == "text"


def test_a_missing_file_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        chains.File.local(tmp_path / "nothing")


def test_whoever_sends_a_whole_handle_gets_only_what_the_id_resolves_to():
    own = chains.File(id="mine", name="true name", size=1)

    def resolve(file_id):
        if file_id != "mine":
            raise ValueError("There is no such file.")
        return own

    with resolve_files(resolve):
        assert Message.model_validate({"audio": "mine"}).audio == own
        assert Message.model_validate({"audio": {"id": "mine", "name": "forged"}}).audio == own
        for forged in ({"id": "theirs"}, "file:/etc/passwd", 7, None, {}):
            with pytest.raises(ValidationError):
                Message.model_validate({"audio": forged})


def test_the_schema_of_an_input_file_is_an_id():
    assert Message.model_json_schema()["$defs"]["File"] == {
        "type": "string",
        "format": "file",
        "title": "File",
        "description": "id of an uploaded file",
    }
