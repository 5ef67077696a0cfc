"""What a newcomer types: `scripts/run`, from anywhere, with an empty home."""

import signal
import subprocess
import time

import pytest

from tests.harness import ROOT, free_port, plain_environment, wait_until

SENTENCE = "ask not what your country can do for you"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def newcomer(tmp_path):
    """An empty home, a data folder in it, and no settings but a small model."""
    return {
        **plain_environment(),
        "HOME": str(tmp_path),
        "DATA_DIR": str(tmp_path / "data"),
        "PORT": str(free_port()),
        "WHISPER_MODEL": "tiny.en",
    }


def test_once_prints_the_transcript_alone_and_is_quick(newcomer, tmp_path):
    times = []
    for _ in range(2):
        begin = time.monotonic()
        done = subprocess.run(
            [ROOT / "scripts" / "run", "--once"],
            env=newcomer,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        times.append(time.monotonic() - begin)
        assert done.returncode == 0, done.stderr
        assert SENTENCE in done.stdout.replace("\n", " ").lower()
        assert len(done.stdout) < 200
    assert times[1] <= 25


def test_a_recording_of_ones_own_is_transcribed(newcomer, speech_dir):
    command = [ROOT / "scripts" / "run", "--once", "--audio", speech_dir / "jfk.flac"]
    done = subprocess.run(command, env=newcomer, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert SENTENCE in done.stdout.replace("\n", " ").lower()


def test_a_file_that_is_no_audio_fails_with_a_sentence(newcomer, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear all, this is a letter and no recording.")
    command = [ROOT / "scripts" / "run", "--once", "--audio", tmp_path / "letter.txt"]
    done = subprocess.run(command, env=newcomer, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("chainlets: /api/files: ")]


def test_run_transcribes_the_sample_and_then_serves_until_interrupted(newcomer, tmp_path):
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen([ROOT / "scripts" / "run"], env=newcomer, stdout=out, stderr=err)
        try:
            wait_until(
                lambda: "ready. Open" in (tmp_path / "err").read_text(), timeout=120, what="the last line"
            )
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(60)
    said = (tmp_path / "err").read_text()
    assert code == 0
    assert SENTENCE in (tmp_path / "out").read_text().replace("\n", " ").lower()
    assert f"Open http://127.0.0.1:{newcomer['PORT']} and log in" in said
    assert "Traceback" not in said
