"""Whatever people send, they get a sentence, and nothing half-stored stays behind: the whole system, over REST."""

import struct
import wave
from pathlib import Path

import pytest

from tests.harness import ROOT

pytestmark = [pytest.mark.timeout(180)]

SAMPLE = ROOT / "chainlets" / "chains" / "transcribe" / "sample" / "jfk.wav"


@pytest.fixture
def transcribe(stack, tmp_path):
    """Upload bytes, transcribe them, and give the run."""

    def start(name: str, content: bytes) -> dict:
        (tmp_path / name).write_bytes(content)
        file = stack.upload(tmp_path / name)
        return stack.wait_run(stack.start_run("transcribe", audio=file["id"]), timeout=60)

    return start


def pcm(seconds: float, path: Path) -> bytes:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(bytes(int(seconds * 16_000) * 2))
    return path.read_bytes()


def stored(stack) -> set[str]:
    """What the file store holds: finished files, unfinished uploads, scratch."""
    folder = stack.data_dir / "files"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("notes.mp3", b"These are my notes. " * 50, 415),
        ("page.wav", b"<!doctype html><html><body>hello</body></html>", 415),
        ("list.mp3", b"ffconcat version 1.0\nfile /etc/passwd\n", 415),
        ("nothing.wav", b"", 422),
    ],
)
def test_what_is_no_recording_is_refused_at_the_door(stack, name, content, status):
    before = stored(stack)
    response = stack.api.post("/api/files", files={"file": (name, content)})

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert len(response.json()["detail"]) > 20
    assert stored(stack) == before


def test_a_file_that_ends_early_is_transcribed_as_far_as_it_goes(transcribe):
    run = transcribe("cut.wav", SAMPLE.read_bytes()[: SAMPLE.stat().st_size // 2])

    assert run["state"] == "succeeded"
    assert "ask not" in run["output"]["text"].lower()
    assert any("0:11" in warning for warning in run["warnings"]), run["warnings"]


def test_silence_gives_no_words_and_says_so(transcribe, tmp_path):
    run = transcribe("silence.wav", pcm(20, tmp_path / "s.wav"))

    assert run["state"] == "succeeded"
    assert run["output"]["text"] == ""
    assert run["warnings"] == ["No speech was found."]


def test_a_header_that_claims_ten_hours_is_not_believed(transcribe):
    content = bytearray(SAMPLE.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", 10 * 3600 * 32_000)
    run = transcribe("liar.wav", bytes(content))

    assert run["state"] == "succeeded"
    assert "your country" in run["output"]["text"]
    assert run["output"]["duration"] == pytest.approx(11, abs=0.5)
    assert any("10:00:00" in warning for warning in run["warnings"]), run["warnings"]


def test_a_header_that_would_fill_the_memory_fails_with_a_sentence(stack, transcribe, tmp_path):
    content = bytearray(pcm(1, tmp_path / "bomb.wav"))
    content[24:28] = struct.pack("<I", 1)  # one sample a second
    run = transcribe("bomb.wav", bytes(content))

    assert run["state"] == "failed"
    error = run["error"]
    while error["cause"]:
        error = error["cause"]
    assert error["type"] == "InputRejected"
    assert "Hz" in error["message"]
    assert not [path for path in stored(stack) if path.startswith(("scratch", "incoming"))]


def test_damaged_sound_fails_with_a_sentence(transcribe):
    run = transcribe("noise.flac", b"fLaC" + bytes(range(256)) * 40)

    assert run["state"] == "failed"
    assert run["error"]["type"] == "InputRejected"
    assert run["error"]["message"].endswith((".", "!"))


@pytest.mark.parametrize(
    ("chain", "given", "status", "code"),
    [
        ("nonsense", {}, 404, "unknown_chain"),
        ("transcribe", {}, 422, "input_invalid"),
        ("transcribe", {"audio": "00000000-0000-0000-0000-000000000000"}, 422, "input_invalid"),
        ("transcribe", {"audio": "file:/etc/passwd"}, 422, "input_invalid"),
        ("transcribe", {"audio": {"id": "file:/etc/passwd", "name": "x"}}, 422, "input_invalid"),
        ("hello", {"names": "Ann"}, 422, "input_invalid"),
        ("hello", {"names": ["Ann"], "extra": 1}, 422, "input_invalid"),
    ],
)
def test_a_run_that_cannot_be_is_refused_before_it_exists(stack, chain, given, status, code):
    before = stack.api.get("/api/runs").json()["results"][:1]
    response = stack.api.post("/api/runs", json={"chain": chain, "input": given})

    assert response.status_code == status
    assert response.json()["code"] == code
    assert response.json()["detail"].endswith(".")
    assert stack.api.get("/api/runs").json()["results"][:1] == before


def test_deleting_a_run_removes_everything_it_stored(stack, tmp_path):
    before = stored(stack)
    file = stack.upload(SAMPLE)
    run_id = stack.start_run("transcribe", audio=file["id"])
    assert stack.wait_run(run_id, timeout=60)["state"] == "succeeded"
    assert stored(stack) != before

    assert stack.api.delete(f"/api/runs/{run_id}").status_code == 204

    assert stack.api.get(f"/api/runs/{run_id}").status_code == 404
    assert stack.api.get(f"/api/files/{file['id']}").status_code == 404
    assert stored(stack) == before
