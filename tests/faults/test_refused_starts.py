"""A start that cannot succeed says why in one line, and leaves nothing behind."""

import re
import socket
import subprocess
import sys

import pytest

from tests.harness import ROOT, Stack, free_port, run_script

pytestmark = pytest.mark.faults


def up(*words, **env):
    done = run_script(sys.executable, ROOT / "manage.py", "up", *words, **env)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip()


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = up(DATA_DIR=str(tmp_path / "data"), PORT=port)
    assert code != 0
    assert re.fullmatch(rf"\S*.*Port {port} is in use.+PORT.+", said)


def test_a_data_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    code, said = up(DATA_DIR=str(tmp_path / "file" / "data"), PORT=str(free_port()))
    assert code != 0
    assert re.fullmatch(r".+cannot be written: Not a directory\..+DATA_DIR.+", said)


def test_a_disk_that_is_full(small_disk):
    code, said = up(DATA_DIR=str(small_disk / "data"), PORT=str(free_port()))
    assert code != 0
    assert re.fullmatch(r".*disk is nearly full.+DATA_DIR.+", said)
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "rest").write_bytes(b"x" * 4_000_000)
    code, said = up(DATA_DIR=str(small_disk / "other"), PORT=str(free_port()))
    assert code != 0
    assert re.fullmatch(r".+No space left on device.+", said)


def test_a_setting_that_is_no_number(tmp_path):
    code, said = up(DATA_DIR=str(tmp_path / "data"), PORT="eighty")
    assert code != 0
    assert re.fullmatch(r".*PORT is 'eighty'\. Write a whole number.+", said)


def test_a_recording_that_is_not_there(tmp_path):
    code, said = up("--once", "--audio", str(tmp_path / "no.wav"), DATA_DIR=str(tmp_path / "data"))
    assert code != 0
    assert re.fullmatch(r".*The recording \S+no\.wav cannot be opened: no such file or directory\.", said)


def test_a_database_that_does_not_answer(tmp_path):
    nobody = f"postgres://chainlets@127.0.0.1:{free_port()}/chainlets"
    code, said = up(DATA_DIR=str(tmp_path / "data"), PORT=str(free_port()), DATABASE_URL=nobody)
    assert code != 0
    assert re.fullmatch(r".*The database cannot be used: .+DATABASE_URL.+", said)


def test_a_second_system_on_the_same_data_folder(stack: Stack):
    code, said = up(DATA_DIR=str(stack.data_dir), PORT=str(free_port()))
    assert code != 0
    assert re.fullmatch(
        rf".*already works on the data folder .+process {stack.pid}, {stack.base_url}.+", said
    )
    assert stack.api.get("/healthz").status_code == 200


def test_a_model_that_does_not_exist_stops_everything_with_its_sentence(tmp_path):
    code, said = up(
        DATA_DIR=str(tmp_path / "data"), PORT=str(free_port()), WHISPER_MODEL=str(tmp_path / "nothing")
    )
    assert code != 0
    last = said.splitlines()[-1]
    assert last.startswith("chainlets: ")
    assert "WHISPER_MODEL" in last


@pytest.fixture
def small_disk(tmp_path):
    """A disk of two megabytes, where mounting one is allowed."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", tmp_path], check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)
